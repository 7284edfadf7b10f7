"""
The nodes that are connected or were: their last report, their open stream, and the orders on their way.

Lives on the event loop alone.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ringfence.v1 import agent_pb2, stream_pb2

#: Messages that may wait to go down to one node.
OUTGOING_LIMIT = 256


class OrderError(Exception):
    """An order did not come to an outcome."""


class OfflineError(OrderError):
    """The node has no open stream, or lost it before it answered."""


class OrderTimeoutError(OrderError):
    """The node did not answer in time; it may have carried the order out or not."""


@dataclass(slots=True, eq=False)
class Session:
    """
    One open stream of a node.

    Attributes:
        outgoing: Orders to write.
        waiting: Orders without outcome, by id.
        replaced: Set when a newer stream takes over.
    """

    node: str
    outgoing: asyncio.Queue[stream_pb2.ConnectResponse] = field(default_factory=lambda: asyncio.Queue(OUTGOING_LIMIT))
    waiting: dict[str, asyncio.Future[stream_pb2.PushOutcome]] = field(default_factory=dict)
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Counts:
    """
    What became of a node's events: `received = stored + duplicate + rejected + returned + pending`.

    Attributes:
        rejected: In batches that break the format.
        returned: Not stored because the store failed, not acknowledged either: the node sends them again.
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejected_batches: int = 0
    returned: int = 0
    pending: int = 0

    @property
    def balances(self) -> bool:
        return self.received == self.stored + self.duplicate + self.rejected + self.returned + self.pending


@dataclass(slots=True)
class Node:
    """What is known of a node; times in ns since 1970, 0 for never."""

    name: str
    boot_id: str = ""
    version: str = ""
    kernel: str = ""
    connected_ns: int = 0
    seen_ns: int = 0
    report: stream_pb2.NodeReport | None = None
    session: Session | None = None
    counts: Counts = field(default_factory=Counts)


class Nodes:
    """
    All nodes, by name.

    `listen` takes a function that is told a node's name, and whether its policies changed, each time something did.
    """

    def __init__(self, clock_ns: Callable[[], int], nodes: Iterable[Node] = ()) -> None:
        self._clock_ns = clock_ns
        self._nodes = {node.name: node for node in nodes}
        self._listeners: list[Callable[[str, bool], None]] = []

    def listen(self, listener: Callable[[str, bool], None]) -> None:
        """Call `listener(name, policies_changed)` on every change."""
        self._listeners.append(listener)

    def all(self) -> list[Node]:
        """Every node, by name."""
        return sorted(self._nodes.values(), key=lambda node: node.name)

    def get(self, name: str) -> Node | None:
        """The node of this name."""
        return self._nodes.get(name)

    def counts(self, name: str) -> Counts:
        """The node's counts."""
        return self._nodes[name].counts

    def open(self, hello: stream_pb2.Hello) -> Session:
        """A stream began: it takes the place of the node's earlier one, if that is still there."""
        node = self._nodes.setdefault(hello.node, Node(hello.node))
        if node.session is not None:
            node.session.replaced.set()
            self._abandon(node.session)
        node.boot_id, node.version, node.kernel = hello.boot_id, hello.version, hello.kernel
        node.connected_ns = node.seen_ns = self._clock_ns()
        node.session = Session(hello.node)
        self._changed(hello.node)
        return node.session

    def close(self, session: Session) -> None:
        """A stream ended."""
        self._abandon(session)
        node = self._nodes[session.node]
        if node.session is session:
            node.session = None
            node.seen_ns = self._clock_ns()
            self._changed(session.node)

    def report(self, session: Session, report: stream_pb2.NodeReport) -> None:
        """A node said how it is."""
        node = self._nodes[session.node]
        before = _policies_state(node.report)
        node.report, node.seen_ns = report, self._clock_ns()
        self._changed(session.node, policies=_policies_state(report) != before)

    def outcome(self, session: Session, outcome: stream_pb2.PushOutcome) -> bool:
        """An order came to its outcome; False if nobody waits for it."""
        future = session.waiting.pop(outcome.id, None)
        if future is None or future.done():
            return False
        future.set_result(outcome)
        return True

    async def push(self, name: str, request: agent_pb2.PushRequest, timeout: float) -> stream_pb2.PushOutcome:
        """Send a push to a node and wait. Raises OrderError."""
        return await self._order(
            name,
            lambda order: stream_pb2.ConnectResponse(push=stream_pb2.PushOrder(id=order, request=request)),
            timeout,
        )

    async def delete(self, name: str, request: agent_pb2.DeleteRequest, timeout: float) -> stream_pb2.PushOutcome:
        """Send a delete to a node and wait. Raises OrderError."""
        return await self._order(
            name,
            lambda order: stream_pb2.ConnectResponse(delete=stream_pb2.DeleteOrder(id=order, request=request)),
            timeout,
        )

    async def _order(
        self, name: str, message: Callable[[str], stream_pb2.ConnectResponse], timeout: float
    ) -> stream_pb2.PushOutcome:
        node = self._nodes.get(name)
        if node is None or node.session is None:
            raise OfflineError(f"node `{name}` is not connected")
        session, order = node.session, uuid.uuid4().hex
        future: asyncio.Future[stream_pb2.PushOutcome] = asyncio.get_running_loop().create_future()
        session.waiting[order] = future
        try:
            async with asyncio.timeout(timeout):
                await session.outgoing.put(message(order))
                return await future
        except TimeoutError as error:
            raise OrderTimeoutError(f"node `{name}` did not answer within {timeout:g} s") from error
        finally:
            session.waiting.pop(order, None)

    def _abandon(self, session: Session) -> None:
        for future in session.waiting.values():
            if not future.done():
                future.set_exception(OfflineError(f"node `{session.node}` lost its stream before it answered"))
        session.waiting.clear()

    def _changed(self, name: str, *, policies: bool = False) -> None:
        for listener in self._listeners:
            listener(name, policies)


def _policies_state(report: stream_pb2.NodeReport | None) -> list[tuple[str, str, str, int]]:
    """What of a report's policies is worth a word when it changes: not their counts."""
    return [(p.name, p.digest, p.mode, p.reverts_unix_ns) for p in report.policies] if report else []
