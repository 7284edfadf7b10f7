"""
One connection's life: hello, welcome, and then batches up and acknowledgements and orders down.

Nothing here polls: the sender sleeps until the spool, the daemon or the collector has something.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ringfence.v1.stream_pb2 import ConnectRequest, DeleteOrder, Hello, PushOrder

from agent.events.batch import BatchError
from agent.spool.types import Stored
from agent.uplink.link import CONNECT_TIMEOUT, Link, LinkError
from agent.uplink.messages import batch_message
from agent.uplink.settings import Identity

#: Bytes sent and not acknowledged, as spooled, at most.
WINDOW = 4 << 20
#: Seconds without an acknowledgement while batches are in flight until the peer counts as dead.
ACKNOWLEDGE_TIMEOUT = 10.0
#: Seconds that a collector which takes no more has to say why.
LAST_WORDS = 0.5
#: Bytes read from the spool at once.
CHUNK = 256 << 10
#: Why batches are dropped here: their payload is none, or the collector will not have them.
UNREADABLE, REJECTED = "batch-unreadable", "collector-rejected"


class Source(Protocol):
    """What the uplink uses of the spool."""

    @property
    def identity(self) -> str: ...
    @property
    def floor(self) -> int: ...
    @property
    def next_number(self) -> int: ...
    def read(self, number: int, max_bytes: int) -> list[Stored]: ...
    def acknowledge(self, number: int) -> int: ...
    def forget(self, number: int, reason: str) -> None: ...


@dataclass(slots=True)
class StreamCounts:
    """Events, over all connections of this process: sent = acknowledged + in flight + lost with a connection."""

    sent: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    lost: int = 0

    def connection_ended(self) -> None:
        self.lost, self.in_flight = self.lost + self.in_flight, 0


@dataclass(frozen=True, slots=True)
class _InFlight:
    number: int
    events: int
    size: int


class Session:
    """
    Args:
        give: Takes an order.
        next_message: Gives what goes before batches, or None.
        awake: Set whenever there may be something to send.
    """

    def __init__(
        self,
        link: Link,
        spool: Source,
        counts: StreamCounts,
        give: Callable[[PushOrder | DeleteOrder], None],
        next_message: Callable[[], ConnectRequest | None],
        awake: asyncio.Event,
    ) -> None:
        self._link = link
        self._spool = spool
        self._counts = counts
        self._give = give
        self._next_message = next_message
        self._awake = awake
        self._node = ""
        self._next = 0
        self._shift = 0
        self._in_flight: deque[_InFlight] = deque()
        self._progress = 0.0

    async def begin(self, identity: Identity) -> None:
        """Hello and welcome: find out what the collector has. Raises LinkError."""
        hello = Hello(
            node=identity.node,
            boot_id=identity.boot_id,
            version=identity.version,
            kernel=identity.kernel,
            spool_id=self._spool.identity,
        )
        self._node = identity.node
        await self._link.send(ConnectRequest(hello=hello))
        try:
            response = await asyncio.wait_for(self._link.receive(), CONNECT_TIMEOUT)
        except TimeoutError as error:
            raise LinkError(f"the collector did not answer within {CONNECT_TIMEOUT:.0f} s") from error
        if response.WhichOneof("message") != "welcome":
            raise LinkError("the collector did not answer with a welcome")
        self._resume(response.welcome.last_stored)

    def _resume(self, last_stored: int) -> None:
        """
        Go on behind what is stored.

        A collector that has more than this spool ever gave out knows an earlier spool of this node, from before its
        clock was set back: numbers are then shifted past those on their way, and everything is sent.
        """
        if last_stored < self._spool.next_number:
            self._spool.acknowledge(last_stored)
        else:
            self._shift = last_stored - self._spool.floor
        self._next = self._spool.floor + 1

    async def run(self) -> None:
        """Until the connection ends. Raises LinkError; a batch that the collector will not have is dropped first."""
        try:
            await self._both_ways()
        except LinkError as error:
            if error.rejected - self._shift in {batch.number for batch in self._in_flight}:
                self._spool.forget(error.rejected - self._shift, REJECTED)
            raise

    async def _both_ways(self) -> None:
        """Sending and receiving, until one of them ends; why is told best by the receiver."""
        receiver = asyncio.create_task(self._receive())
        sender = asyncio.create_task(self._send())
        try:
            await asyncio.wait([receiver, sender], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([receiver], timeout=LAST_WORDS)
            (receiver if receiver.done() else sender).result()
        finally:
            receiver.cancel()
            sender.cancel()
            await asyncio.gather(receiver, sender, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            self._awake.clear()
            while message := self._next_message():
                await self._link.send(message)
            if not await self._send_batches():
                await self._sleep()

    async def _send_batches(self) -> bool:
        """As many as one read of the spool gives and the window takes; False if there was nothing to send."""
        room = WINDOW - sum(batch.size for batch in self._in_flight)
        stored = self._spool.read(self._next, min(CHUNK, room)) if room > 0 else []
        for batch in stored:
            self._next = batch.number + 1
            try:
                message = batch_message(batch.payload, batch.number + self._shift, self._node)
            except BatchError:
                self._spool.forget(batch.number, UNREADABLE)
                continue
            if not self._in_flight:
                self._progress = asyncio.get_running_loop().time()
            self._in_flight.append(_InFlight(batch.number, batch.events, len(batch.payload)))
            self._counts.sent += batch.events
            self._counts.in_flight += batch.events
            await self._link.send(message)
        return bool(stored)

    async def _sleep(self) -> None:
        """Until there may be something to send. Raises LinkError if acknowledgements are overdue."""
        if not self._in_flight:
            await self._awake.wait()
            return
        left = self._progress + ACKNOWLEDGE_TIMEOUT - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(self._awake.wait(), max(left, 0))
        except TimeoutError as error:
            if self._progress + ACKNOWLEDGE_TIMEOUT <= asyncio.get_running_loop().time():
                raise LinkError(f"the collector acknowledged nothing for {ACKNOWLEDGE_TIMEOUT:.0f} s") from error

    async def _receive(self) -> None:
        while True:
            response = await self._link.receive()
            match response.WhichOneof("message"):
                case "acknowledge":
                    self._acknowledged(response.acknowledge.number - self._shift)
                case "push":
                    self._give(response.push)
                case "delete":
                    self._give(response.delete)
                case _:
                    # A welcome twice, or a message of a later version: nothing that concerns us.
                    continue

    def _acknowledged(self, number: int) -> None:
        """
        Raises LinkError for a batch that was never sent: nothing that this collector acknowledges can then be
        believed.
        """
        if number >= self._next:
            raise LinkError(f"the collector acknowledged batch {number + self._shift}, which was never sent")
        while self._in_flight and self._in_flight[0].number <= number:
            events = self._in_flight.popleft().events
            self._counts.acknowledged += events
            self._counts.in_flight -= events
            self._progress = asyncio.get_running_loop().time()
        if number > self._spool.floor:
            self._spool.acknowledge(number)
        self._awake.set()
