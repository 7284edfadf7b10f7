# ruff: noqa: ARG002 - gRPC gives every method a context
"""The gRPC server for agentctl: a thin skin over a `Node`. gRPC's server side is touched here only."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import grpc
import grpc.aio
from ringfence.v1 import agent_pb2, agent_pb2_grpc

from agent.api.gatekeeper import Gatekeeper, Peer

MESSAGE_BYTES = 64 << 20
_STOP_SECONDS = 2.0
_Context = grpc.aio.ServicerContext[Any, Any]


class NotFound(Exception):
    """There is nothing of that name; the message says of which."""


class Node(Protocol):
    """What the agent answers. Exceptions other than NotFound are faults of the agent."""

    async def push(self, request: agent_pb2.PushRequest) -> agent_pb2.PushResponse: ...

    async def confirm(self, request: agent_pb2.ConfirmRequest) -> agent_pb2.ConfirmResponse: ...

    async def delete(self, request: agent_pb2.DeleteRequest) -> agent_pb2.DeleteResponse: ...

    async def list_policies(self, request: agent_pb2.ListRequest) -> agent_pb2.ListResponse: ...

    async def get(self, request: agent_pb2.GetRequest) -> agent_pb2.GetResponse: ...

    async def status(self, request: agent_pb2.StatusRequest) -> agent_pb2.StatusResponse: ...

    async def doctor(self, request: agent_pb2.DoctorRequest) -> agent_pb2.DoctorResponse: ...

    def tail(
        self, request: agent_pb2.TailRequest, listening: Callable[[], Any]
    ) -> AsyncIterator[agent_pb2.TailResponse]:
        """Violations; awaits `listening()` once from then on nothing is missed."""
        ...


class Servicer(agent_pb2_grpc.AgentServiceServicer):
    """Hands calls to a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def Push(self, request: agent_pb2.PushRequest, context: _Context) -> agent_pb2.PushResponse:
        return await self._node.push(request)

    async def Confirm(self, request: agent_pb2.ConfirmRequest, context: _Context) -> agent_pb2.ConfirmResponse:
        return await self._node.confirm(request)

    async def Delete(self, request: agent_pb2.DeleteRequest, context: _Context) -> agent_pb2.DeleteResponse:
        return await self._node.delete(request)

    async def List(self, request: agent_pb2.ListRequest, context: _Context) -> agent_pb2.ListResponse:
        return await self._node.list_policies(request)

    async def Get(self, request: agent_pb2.GetRequest, context: _Context) -> agent_pb2.GetResponse:
        try:
            return await self._node.get(request)
        except NotFound as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))

    async def Status(self, request: agent_pb2.StatusRequest, context: _Context) -> agent_pb2.StatusResponse:
        return await self._node.status(request)

    async def Doctor(self, request: agent_pb2.DoctorRequest, context: _Context) -> agent_pb2.DoctorResponse:
        return await self._node.doctor(request)

    async def Tail(self, request: agent_pb2.TailRequest, context: _Context) -> AsyncIterator[agent_pb2.TailResponse]:
        async for response in self._node.tail(request, lambda: context.send_initial_metadata(())):
            yield response


class Server:
    """The agent's socket with everything behind it."""

    def __init__(self, path: Path, node: Node, refused: Callable[[Peer, str], None]) -> None:
        self._private = path.parent / "private"
        self._inner = self._private / f"{path.name}.grpc"
        self._gatekeeper = Gatekeeper(path, self._inner, refused)
        options = [
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ]
        self._grpc = grpc.aio.server(options=options)
        agent_pb2_grpc.add_AgentServiceServicer_to_server(Servicer(node), self._grpc)

    async def start(self) -> None:
        """Raises OSError: the sockets cannot be made, or another agent has them."""
        self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._private.chmod(0o700)
        await self._gatekeeper.start()  # tells whether another agent is there, before its inner socket is touched
        self._inner.unlink(missing_ok=True)
        try:
            self._grpc.add_insecure_port(f"unix:{self._inner}")
        except RuntimeError as error:
            raise OSError(f"cannot listen at `{self._inner}`: {error}") from error
        await self._grpc.start()

    async def stop(self) -> None:
        """Answer what is being asked, then close."""
        await self._grpc.stop(_STOP_SECONDS)
        await self._gatekeeper.stop()
        with suppress(OSError):
            self._inner.unlink()
            self._private.rmdir()
