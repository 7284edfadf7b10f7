"""
The socket that agentctl connects to, and who may.

gRPC tells nothing about the process at the other end, so the agent listens here itself, asks the kernel who connected,
and passes the bytes of those who may on to gRPC's own socket, in a directory that nobody else can enter.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS_MAX = 64
_CREDENTIALS = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid
_CHUNK = 64 << 10


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected, as the kernel says; ids are those of our own user namespace."""

    pid: int
    uid: int
    gid: int


class Gatekeeper:
    """
    Args:
        path: The public socket; made with mode 0600.
        inner: gRPC's socket.
        refused: Told of every peer that was turned away, with the reason.
    """

    def __init__(self, path: Path, inner: Path, refused: Callable[[Peer, str], None]) -> None:
        self._path = path
        self._inner = inner
        self._refused = refused
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """
        Listen.

        Raises:
            OSError: The socket cannot be made, or another agent listens there (EADDRINUSE).
        """
        _remove_stale(self._path)
        before = os.umask(0o177)
        try:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._accept, sock=listening)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer.get_extra_info("socket"))
        if reason := self._objection(peer):
            self._refused(peer, reason)
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        await self._relay(reader, writer)

    def _objection(self, peer: Peer) -> str:
        if peer.uid != 0:
            return "only root may talk to the agent"
        return "too many connections" if len(self._connections) >= CONNECTIONS_MAX else ""

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._inner))
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            for end in (writer, inner_writer):
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until either end is through; then tell the other one."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


def _peer(connection: socket.socket) -> Peer:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(data))


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises OSError: somebody does."""
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    finally:
        probe.close()
    raise OSError(98, "another agent listens", str(path))
