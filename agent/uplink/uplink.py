"""
Keep a connection to the collector, and say how it is.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ringfence.v1.stream_pb2 import ConnectRequest, NodeReport

from agent.events.account import Hop
from agent.events.printable import printable
from agent.uplink.link import MESSAGE_MAX, Link, LinkError, connect
from agent.uplink.orders import OrderHandler, Orders
from agent.uplink.session import Session, Source, StreamCounts
from agent.uplink.settings import Identity, UplinkConfigError, UplinkSettings, check

#: Seconds between attempts to connect, at first and at most; each is shortened by up to half, at random.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0

Connector = Callable[[UplinkSettings], Awaitable[Link]]


@dataclass(frozen=True, slots=True)
class LinkState:
    """
    Attributes:
        since_unix_ns: When it became so.
        detail: Printable: the peer, or why there is no connection.
    """

    connected: bool
    since_unix_ns: int
    detail: str


class Uplink:
    """
    Make it and call its methods in the event loop's thread, but for `wake`.

    Args:
        orders: Carries out a push or a deletion.
    Raises:
        UplinkConfigError: Plaintext would leave this machine, or the address is none.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        identity: Identity,
        spool: Source,
        orders: OrderHandler,
        connector: Connector = connect,
    ) -> None:
        check(settings)
        self._settings = settings
        self._identity = identity
        self._spool = spool
        self._connector = connector
        self._awake = asyncio.Event()
        self._orders = Orders(orders, self._awake.set)
        self._report: NodeReport | None = None
        self._report_due = False
        self._counts = StreamCounts()
        self._state = LinkState(False, time.time_ns(), "not connected yet")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """For ever; cancel it to stop."""
        self._loop = asyncio.get_running_loop()
        worker = asyncio.create_task(self._orders.work())
        try:
            await self._stay_connected()
        finally:
            worker.cancel()
            self._loop = None

    def wake(self) -> None:
        """From any thread: there is something in the spool."""
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._awake.set)

    def report(self, report: NodeReport) -> None:
        """Send this now, and again after each reconnection; an older one that was not sent yet is forgotten."""
        self._report, self._report_due = report, True
        self._awake.set()

    def state(self) -> LinkState:
        return self._state

    def hop(self) -> Hop:
        """Events sent by this process; those in flight when a connection ends are sent, and counted, again."""
        counts = self._counts
        return Hop("stream", counts.sent, counts.acknowledged, counts.in_flight, {"connection-lost": counts.lost})

    async def _stay_connected(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                await self._one_connection()
            except (LinkError, UplinkConfigError) as error:
                if self._state.connected:
                    pause = RETRY_FIRST
                self._set_state(False, printable(str(error).encode()))
            self._counts.connection_ended()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret
            pause = min(pause * 2, RETRY_MOST)

    async def _one_connection(self) -> None:
        """Until it ends. Raises LinkError, UplinkConfigError."""
        link = await self._connector(self._settings)
        try:
            session = Session(link, self._spool, self._counts, self._orders.give, self._next_message, self._awake)
            await session.begin(self._identity)
            self._set_state(True, self._settings.address)
            self._report_due = self._report is not None
            await session.run()
        finally:
            await link.close()

    def _next_message(self) -> ConnectRequest | None:
        """What goes before batches: outcomes, and the newest report."""
        if self._orders.outcomes:
            return ConnectRequest(outcome=self._orders.outcomes.popleft())
        if self._report_due:
            self._report_due = False
            return ConnectRequest(report=_fitting(self._report))
        return None

    def _set_state(self, connected: bool, detail: str) -> None:
        if (connected, detail) != (self._state.connected, self._state.detail):
            self._state = LinkState(connected, time.time_ns(), detail)


def _fitting(report: NodeReport | None) -> NodeReport | None:
    """A report that fits a message: one that does not goes without the texts of its policies."""
    if report is None or report.ByteSize() < MESSAGE_MAX - (1 << 10):
        return report
    lean = NodeReport()
    lean.CopyFrom(report)
    for policy in lean.policies:
        policy.yaml = ""
    return lean
