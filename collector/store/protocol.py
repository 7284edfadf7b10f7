"""
What the rest of the collector asks of a store. SQLite is the first behind it; PostgreSQL can follow.

Everything that writes survives `kill -9` when it returns. Events, alerts and counts survive loss of power too; that an
alert was delivered, or what a node said of itself, may then be forgotten: alerts are sent again, nodes report again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collector.store.events import EventBlock, Int64Array, StoredBlock
from collector.store.spelling import Violation


@dataclass(frozen=True, slots=True)
class NewAlert:
    """
    An alert that a rule asks for.

    Attributes:
        position: The event's position in its block.
        suppressed: How many of this rule's were withheld since its last alert.
    """

    position: int
    rule: str
    receiver: str
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """What the rules made of a block; the counts are by (rule, receiver)."""

    alerts: tuple[NewAlert, ...] = ()
    matched: dict[tuple[str, str], int] = field(default_factory=dict)
    suppressed: dict[tuple[str, str], int] = field(default_factory=dict)


class Matcher(Protocol):
    """Decides, inside the transaction that stores a block, which of its new events are alerts."""

    def match(self, block: EventBlock, positions: Int64Array) -> Matches:
        """Alerts for the events at `positions`, in their order."""


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """
    An alert that is stored and not delivered yet; `number` is the store's.

    Attributes:
        violation: What happened. Spelled out only where it is sent: see `source` for a fresh one.
        source: Block and position of a fresh alert's event, else None.
    """

    number: int
    rule: str
    receiver: str
    attempts: int
    suppressed: int
    created_ns: int
    violation: Violation | None
    source: tuple[EventBlock, int] | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a block: `len(stored)` new events, `duplicate` known ones, alerts to deliver."""

    stored: StoredBlock
    duplicate: int
    alerts: tuple[PendingAlert, ...]


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What is known of a node that need not be connected; `report` is a serialized NodeReport, empty if none came."""

    name: str
    boot_id: str
    version: str
    kernel: str
    last_seen_ns: int
    report: bytes


@dataclass(frozen=True, slots=True)
class NodeAccount:
    """`stored = kept + expired`; see the REST API's `Account` for the sums that hold."""

    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejected_batches: int = 0
    expired: int = 0
    last_batch: int = 0


@dataclass(frozen=True, slots=True)
class ViolationFilter:
    """
    Which events are asked for: any of each list, all of the conditions. Empty: no condition.

    Attributes:
        ring: 0 violations, 1 observations, None both.
        text: Bytes to be found in object, exe or comm.
    """

    nodes: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    ring: int | None = 0
    since_ns: int | None = None
    until_ns: int | None = None
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event in words, with the store's number of it."""

    number: int
    violation: Violation


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; `next` continues behind the last one, None if that was all."""

    violations: tuple[Numbered, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert as it stands; `violation` is None once its event has expired."""

    number: int
    rule: str
    receiver: str
    state: str
    attempts: int
    suppressed: int
    created_ns: int
    next_ns: int
    done_ns: int
    error: str
    violation: Violation | None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Newest first."""

    alerts: tuple[AlertRecord, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """Counts of one rule and receiver: `matched = suppressed + overflow + delivered + dead + expired + pending`."""

    rule: str
    receiver: str
    matched: int = 0
    suppressed: int = 0
    overflow: int = 0
    delivered: int = 0
    dead: int = 0
    expired: int = 0
    failed_attempts: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one delivery of alerts went: delivered, to be tried again at `next_ns`, or dead."""

    numbers: tuple[int, ...]
    state: str
    at_ns: int
    next_ns: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """What one pass of retention removed; `more` if it stopped before the end."""

    events: int
    alerts: int
    more: bool


class Store(Protocol):
    """Where the collector keeps what it knows."""

    @property
    def pending(self) -> int:
        """Events that were handed in and are not committed yet."""

    @property
    def last_event(self) -> int:
        """Number of the newest committed event."""

    def listen(self, listener: Callable[[Appended], None]) -> None:
        """Call `listener` on the event loop for each block right after it was committed."""

    async def append(self, block: EventBlock) -> Appended:
        """Store a block's new events, its alerts and its counts in one transaction."""

    async def last_batch(self, node: str, spool: str) -> int:
        """Number of the last batch stored of a node's spool, 0 if there is none."""

    async def reject(self, node: str, events: int) -> None:
        """Count a batch of `events` events that was refused."""

    async def save_node(self, record: NodeRecord) -> None:
        """Keep what a node said of itself."""

    async def nodes(self) -> Sequence[tuple[NodeRecord, NodeAccount]]:
        """Every node ever seen."""

    async def account(self, node: str) -> NodeAccount:
        """A node's counts; zeros if it was never seen."""

    async def violations(self, query: ViolationFilter, limit: int, before: int | None) -> Page:
        """At most `limit` events older than number `before`, newest first."""

    async def violations_after(self, number: int, limit: int) -> tuple[Sequence[Numbered], int]:
        """The newest `limit` violations behind `number`, oldest first, and how many there are in all."""

    async def violation(self, event_id: str) -> Violation | None:
        """The event with this id."""

    async def alerts(
        self, state: str | None, rule: str | None, receiver: str | None, limit: int, before: int | None
    ) -> AlertPage:
        """Alerts older than number `before`, newest first."""

    async def due_alerts(self, receiver: str, now_ns: int, limit: int) -> Sequence[PendingAlert]:
        """Pending alerts whose time has come, oldest first."""

    async def next_due(self, receiver: str) -> int | None:
        """When the first pending alert is due, in ns since 1970; None if none is pending."""

    async def settle(self, attempts: Sequence[Attempt]) -> None:
        """Record how deliveries went."""

    async def alert_counts(self) -> Sequence[AlertCounts]:
        """Counts by rule and receiver."""

    async def expire(self, keep_events: int, keep_ns: int, now_ns: int) -> Expired:
        """Remove the oldest events beyond a count or age, some thousands at most, and count them."""

    async def close(self) -> None:
        """Finish what was handed in, then close."""
