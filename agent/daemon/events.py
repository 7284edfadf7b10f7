"""The event path of this node: rings → pump → spool, and whoever wants to see violations pass by."""

import asyncio
import platform
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence.v1 import agent_pb2, violation_pb2

from agent.daemon.log import log
from agent.daemon.ports import NodeError
from agent.events.account import Hop, RingTotals, kernel_hop, ring_hop
from agent.events.batch import BatchError, unpack
from agent.events.decode import Context
from agent.events.enrich import Place, Places
from agent.events.memory import RingError
from agent.events.pump import RING_NAMES, Pump
from agent.events.ring import RingReader, open_ring
from agent.events.violations import violations
from agent.host.clocks import wall_minus_boot_ns
from agent.spool.spool import Spool
from agent.spool.types import SpoolError, SpoolLimits, Stored
from agent.workloads.names import workload_of
from agent.workloads.tree import ById
from policy.compiler.ruleset import RuleReference
from policy.model import syscalls

READ_BYTES = 1 << 20
RECENT_EVENTS_MAX = 100_000


class Rings(Protocol):
    """The part of the kernel that hands over events."""

    def ring_fds(self) -> tuple[int, int]: ...

    def ring_totals(self) -> Mapping[str, RingTotals]: ...


@dataclass(frozen=True, slots=True)
class Node:
    """Who this node is in every event."""

    name: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Sources:
    """
    Where events come from and what their numbers mean.

    Attributes:
        rule: What a rule number means in a generation.
    """

    rings: Rings
    cgroup_mount: Path
    rule: Callable[[int, int], RuleReference | None]


class EventPath:
    """
    Reads the rings in a thread of its own from `start` to `stop`.

    Attributes:
        spool: Where batches wait for the collector; read by the uplink too.
    """

    def __init__(self, directory: Path, limits: SpoolLimits, node: Node, sources: Sources) -> None:
        """Raises NodeError: the spool or a ring cannot be opened."""
        self._sources = sources
        self._by_id = ById(sources.cgroup_mount)
        places = Places(self._place)
        context = Context(node.name, node.boot_id, sources.rule, places, _syscall_names(), wall_minus_boot_ns)
        try:
            self.spool = Spool.open(directory, limits)
            readers = {ring: self._open(ring, node.boot_id) for ring in RING_NAMES}
        except (SpoolError, RingError) as error:
            raise NodeError(f"the event path cannot be opened: {error}") from error
        self.pump = Pump(readers, context, self.spool, self._stored)
        self._thread = threading.Thread(target=self._run, name="pump")
        self._wake: Callable[[], None] = lambda: None
        self._tails: set[asyncio.Event] = set()

    def _open(self, ring: int, boot_id: str) -> RingReader:
        """A reader that goes on where the spool ends; what was read before this spool existed is counted, once."""
        reader = open_ring(self._sources.rings.ring_fds()[ring], boot_id, ring, self.spool)
        if not self.spool.ring_position(boot_id, ring, reader.memory.identity).known:
            written = self._sources.rings.ring_totals()[RING_NAMES[ring]].written
            self.spool.adopt_ring(boot_id, ring, reader.memory.identity, max(0, written - reader.pending()))
        return reader

    def start(self, wake: Callable[[], None]) -> None:
        """
        Begin. Call it in the event loop's thread.

        Args:
            wake: Called in the pump's thread when something new is in the spool.
        """
        loop = asyncio.get_running_loop()

        def woken() -> None:
            wake()
            if self._tails:
                with suppress(RuntimeError):  # the loop is closing
                    loop.call_soon_threadsafe(self._wake_tails)

        self._wake = woken
        self._thread.start()

    def stop(self) -> None:
        """Read the rings once more, then close; blocks until that is done."""
        self.pump.stop()
        self._thread.join()
        self.pump.close()
        self.spool.close()
        self._by_id.close()

    def hops(self) -> list[Hop]:
        """Accounts of all hops on this node up to the spool."""
        before = self._sources.rings.ring_totals()
        counts = self.pump.counts()
        after = self._sources.rings.ring_totals()
        account = self.spool.account()
        spool = Hop("spool", account.came, account.out, account.pending, account.dropped)
        return [kernel_hop(after), ring_hop(before, counts, after), spool]

    async def tail(
        self, request: agent_pb2.TailRequest, listening: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[agent_pb2.TailResponse]:
        """Recent violations, and those to come if asked for; see `TailRequest`."""
        awake = asyncio.Event()
        self._tails.add(awake)
        try:
            mark = self._mark()
            await listening()
            policies = frozenset(request.policies)
            recent = await asyncio.to_thread(self._recent, request.recent, policies, mark.number)
            if recent:
                yield agent_pb2.TailResponse(violations=recent)
            while request.follow:
                await awake.wait()
                awake.clear()
                async for response in self._news(mark, policies):
                    yield response
        finally:
            self._tails.discard(awake)

    async def _news(self, mark: "_Mark", policies: frozenset[str]) -> AsyncIterator[agent_pb2.TailResponse]:
        """What came since; then how many were gone before they could be read."""
        came = self.spool.account().came
        while stored := await asyncio.to_thread(self.spool.read, mark.number, READ_BYTES):
            mark.number = stored[-1].number + 1
            mark.came += sum(one.events for one in stored)
            if found := await asyncio.to_thread(_spelled, stored, policies):
                yield agent_pb2.TailResponse(violations=found)
        if missed := max(0, came - mark.came):
            mark.came += missed
            yield agent_pb2.TailResponse(missed=missed)

    def _mark(self) -> "_Mark":
        """The spool's end, batch number and event count of one moment."""
        while True:
            mark = _Mark(self.spool.next_number, self.spool.account().came)
            if mark.number == self.spool.next_number:
                return mark

    def _recent(self, count: int, policies: frozenset[str], before: int) -> Sequence[violation_pb2.Violation]:
        """The latest of some policies: look back further until there are enough, or no more."""
        wanted = count
        while count:
            stored = [one for one in self.spool.newest(wanted) if one.number < before]
            found = _spelled(stored, policies)
            if len(found) >= count or sum(one.events for one in stored) < wanted or wanted >= RECENT_EVENTS_MAX:
                return found[-count:]
            wanted = min(wanted * 8, RECENT_EVENTS_MAX)
        return []

    def _run(self) -> None:
        try:
            self.pump.run()
        except Exception as error:  # noqa: BLE001 - a dead pump must be told, not only printed
            log().error("pump_died", error=repr(error))

    def _stored(self) -> None:
        self._wake()

    def _wake_tails(self) -> None:
        for awake in self._tails:
            awake.set()

    def _place(self, cgroup: int) -> Place | None:
        path = self._by_id.path(cgroup)
        if path is None:
            return None
        return Place(path.encode(errors="surrogateescape"), workload_of(path).encode(errors="surrogateescape"))


@dataclass(slots=True)
class _Mark:
    """How far a reader is: the next batch, and how many events came before it."""

    number: int
    came: int


def _spelled(stored: Sequence[Stored], policies: frozenset[str]) -> list[violation_pb2.Violation]:
    """Violations of some batches, of these policies only if any are named."""
    found: list[violation_pb2.Violation] = []
    for one in stored:
        try:
            batch = violations(unpack(one.payload))
        except BatchError as error:
            log().warning("batch_unreadable", number=one.number, error=str(error))
            continue
        found += (violation for violation in batch if not policies or violation.policy in policies)
    return found


def _syscall_names() -> Callable[[int], str]:
    try:
        numbers = syscalls.numbers(platform.machine())
    except KeyError:
        numbers = {}
    names = {number: name for name, number in numbers.items()}
    return lambda number: names.get(number, str(number))
