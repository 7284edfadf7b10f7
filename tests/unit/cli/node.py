"""An agent that answers what a test wants, behind the agent's real socket and server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringfence.v1 import agent_pb2, policy_pb2, violation_pb2

from agent.api.gatekeeper import Peer
from agent.api.server import NotFound, Server


@dataclass
class ScriptedNode:
    """Answers by method name; requests are kept. An exception is raised instead."""

    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)

    def _answer(self, name: str, request: Any, default: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.get(name, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def push(self, request: agent_pb2.PushRequest) -> agent_pb2.PushResponse:
        return self._answer("push", request, agent_pb2.PushResponse(generation=1))

    async def confirm(self, request: agent_pb2.ConfirmRequest) -> agent_pb2.ConfirmResponse:
        return self._answer("confirm", request, agent_pb2.ConfirmResponse(generation=1, was_pending=True))

    async def delete(self, request: agent_pb2.DeleteRequest) -> agent_pb2.DeleteResponse:
        return self._answer("delete", request, agent_pb2.DeleteResponse(generation=0))

    async def list_policies(self, request: agent_pb2.ListRequest) -> agent_pb2.ListResponse:
        return self._answer(
            "list", request, agent_pb2.ListResponse(policies=[summary()], generation=1, waivers=[waiver()])
        )

    async def get(self, request: agent_pb2.GetRequest) -> agent_pb2.GetResponse:
        found = agent_pb2.GetResponse(waiver=waiver()) if request.waiver else agent_pb2.GetResponse(policy=summary())
        return self._answer("get", request, found)

    async def status(self, request: agent_pb2.StatusRequest) -> agent_pb2.StatusResponse:
        return self._answer("status", request, agent_pb2.StatusResponse(node="n", gate="closed", balances=True))

    async def doctor(self, request: agent_pb2.DoctorRequest) -> agent_pb2.DoctorResponse:
        return self._answer("doctor", request, agent_pb2.DoctorResponse(kernel="6.12"))

    async def tail(
        self, request: agent_pb2.TailRequest, listening: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[agent_pb2.TailResponse]:
        await listening()
        for response in self._answer("tail", request, [agent_pb2.TailResponse(violations=[violation()])]):
            yield response


def summary(name: str = "web") -> policy_pb2.PolicySummary:
    rule = policy_pb2.RuleSummary(id="secrets", action="deny", severity="high", level="enforced", hits=23)
    setattr(rule, "class", "file")
    return policy_pb2.PolicySummary(
        name=name, mode="enforcing", digest="d" * 64, rules=[rule], cgroups=["/shop"], cgroup_count=1, yaml="text"
    )


def waiver(name: str = "backup", **more: Any) -> policy_pb2.WaiverSummary:
    """It ended at a moment of 2023; ask for another `until_unix_s` if that matters."""
    fields = {"policy": "web", "rule": "secrets", "reason": "nightly", "owner": "ops", "ticket": "OPS-7"}
    return policy_pb2.WaiverSummary(name=name, **({"until_unix_s": 1_700_000_000, "expired": True} | fields | more))


def violation(**more: Any) -> violation_pb2.Violation:
    found = violation_pb2.Violation(
        id="n:4f1c09aa:v64",
        unix_ns=1_700_000_000_123_000_000,
        policy="web",
        rule="secrets",
        operations=["read"],
        effect="deny",
        reason="decided",
        verdict=-1,
        object="/etc/shadow",
        exe="/usr/bin/cat",
        tgid=4711,
        cgroup="/shop",
    )
    setattr(found, "class", "file")
    for name, value in more.items():
        setattr(found, name, value)
    return found


class Running:
    """A server with its own event loop and thread."""

    def __init__(self, path: Path, node: ScriptedNode) -> None:
        self.path = path
        self.node = node
        self.refused: list[tuple[Peer, str]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Running":
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._server = Server(self.path, self.node, lambda peer, reason: self.refused.append((peer, reason)))
        await self._server.start()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


__all__ = ["NotFound", "Running", "ScriptedNode", "summary", "violation", "waiver"]
