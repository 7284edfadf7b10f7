"""
Put a ruleset beside the live one, whole, and then switch: one write. Whatever fails before, the live generation stays.

A change of a map of maps waits for an RCU grace period (10 to 20 ms): the seven of them wait at once, in threads.
Nobody may be reading a slot any more when it is filled. The one that is taken was live two switches ago, and between
the two stood such a wait: so an install waits for readers itself only after a rollback or the like, or when the agent
has just started.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from agent.kernel import maps
from agent.kernel.counters import hits_of
from agent.kernel.programs_file import MapShape
from agent.kernel.scopes import scopes_of
from agent.kernel.slots import Plan, Slot, Slots
from agent.kernel.syscall import Bpf, BpfError
from agent.kernel.tables import Table, scope_table, tables_of
from policy.compiler.ruleset import Ruleset

#: Inner maps that nobody writes again.
_FROZEN = frozenset(("automatons", "words", "profiles", "addresses", "numbers"))


class GenerationError(Exception):
    """
    Generations only go up.

    Attributes:
        found, required: The number given, and the least one.
    """

    def __init__(self, found: int, required: int) -> None:
        super().__init__(f"cannot install generation {found}: found one as new, required at least {required}")
        self.found, self.required = found, required


@dataclass(frozen=True, slots=True)
class Retired:
    """Counts of the generation whose slot was taken: they are gone from the kernel now."""

    generation: int
    hits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """
    Attributes:
        ns: From the call to the switch.
        retired: None: the slot was empty.
    """

    slot: int
    generation: int
    ns: int
    retired: Retired | None


@dataclass(frozen=True, slots=True)
class Installer:
    """
    Attributes:
        fds, shapes: Of every map, by name.
        threads: To wait in; kept, since to start seven takes longer than to wait where processors are busy.
    """

    bpf: Bpf
    fds: Mapping[str, int]
    shapes: Mapping[str, MapShape]
    processors: int
    slots: Slots
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(7, "install"))

    def install(
        self,
        ruleset: Ruleset,
        scopes: Mapping[int, int],
        generation: int,
        reverts_at: int | None = None,
        attach: Callable[[], None] = lambda: None,
    ) -> Installed:
        """
        Make `ruleset` live.

        Args:
            scopes: Profile by cgroup number.
            reverts_at: Boot-clock nanosecond at which the programs go back to the last confirmed generation.
            attach: Called when everything is in place and before the switch; may raise.

        Raises:
            GenerationError: A generation as high is known already.
            RulesetLimitError: It does not fit.
            BpfError: The kernel refused. The live generation is what it was.
        """
        began = time.monotonic_ns()
        self._check(generation)
        plan = self.slots.plan()
        retired = self._retired(plan)
        left = self.slots.unsettled
        unread = self.threads.submit(self.bpf.wait_for_readers) if plan.slot in left else None
        with (
            self._inner(ruleset, scopes) as (inner, epoch),
            self._published(plan.slot, inner, unread),
        ):
            rules, lease = len(ruleset.rules), reverts_at or 0
            self.slots.write(plan.slot, Slot(generation, epoch, lease, plan.fallback, rules, self.processors))
            attach()
            self.slots.settled(left)  # to publish was to wait for an RCU grace period
            self.slots.select(plan.slot)
        return Installed(plan.slot, generation, time.monotonic_ns() - began, retired)

    def close(self) -> None:
        """Let the threads end."""
        self.threads.shutdown(wait=False)

    def _check(self, generation: int) -> None:
        known = max(self.slots.read(slot).generation for slot in range(1, self.shapes["slots"].entries))
        if generation <= known:
            raise GenerationError(generation, known + 1)

    def _retired(self, plan: Plan) -> Retired | None:
        if not plan.replaced.generation:
            return None
        hits = hits_of(self.bpf, self.fds["counters"], plan.slot, plan.replaced)
        return Retired(plan.replaced.generation, tuple(hits))

    @contextlib.contextmanager
    def _inner(self, ruleset: Ruleset, scopes: Mapping[int, int]) -> Iterator[tuple[dict[str, int], int]]:
        """The inner maps by outer name, filled, and the epoch; they live on where an outer map holds them."""
        epoch = self.slots.next_epoch()
        live = self.slots.live()
        since = {c: s for c, (_, s) in scopes_of(self.bpf, self.fds["scopes"], live).items()}
        limit = self._inner_shape("scopes").entries
        tables = tables_of(ruleset, self.processors)
        tables["scopes"] = scope_table(scopes, since, epoch, len(ruleset.profiles), limit)
        inner: dict[str, int] = {}
        try:
            for name, table in tables.items():
                inner[name] = maps.create(self.bpf, self._inner_shape(name), self.processors, table.entries)
                self._fill(name, inner[name], table)
            yield inner, epoch
        finally:
            for fd in inner.values():
                os.close(fd)

    def _inner_shape(self, name: str) -> MapShape:
        shape = self.shapes[name].inner
        if shape is None:
            raise BpfError("install", name, 22, "the programs' map has no inner map")
        return shape

    def _fill(self, name: str, fd: int, table: Table) -> None:
        if "mmapable" in self._inner_shape(name).flags:
            self.bpf.map_fill(fd, self._inner_shape(name).value, table.values)
        elif table.count:
            self.bpf.map_update_batch(fd, table.keys, table.values, table.count)
        if name in _FROZEN:
            self.bpf.map_freeze(fd)

    @contextlib.contextmanager
    def _published(self, slot: int, inner: Mapping[str, int], unread: Future[None] | None) -> Iterator[None]:
        """The inner maps in their slot, once nobody reads what was there; taken out again if the body fails."""
        if unread is not None:
            self._settle(unread, inner["counters"])
        key = slot.to_bytes(4, "little")
        writes = [(self.fds[name], key, fd.to_bytes(4, "little")) for name, fd in inner.items()]
        try:
            waiting = [self.threads.submit(self.bpf.map_update, *write) for write in writes]
            wait(waiting)
            for done in waiting:
                done.result()
            yield
        except BaseException:
            self._empty(slot, inner)
            raise

    def _settle(self, unread: Future[None], template: int) -> None:
        """Where membarrier(2) lacks the command (nohz_full), a change of a map of maps waits for the same."""
        try:
            unread.result()
        except BpfError:
            self.bpf.map_update(self.fds["counters"], bytes(4), template.to_bytes(4, "little"))
            self.bpf.map_delete(self.fds["counters"], bytes(4))

    def _empty(self, slot: int, names: Mapping[str, int]) -> None:
        """As well as it can be done: nobody reads the slot, and the next install writes it again."""
        for name in names:
            with contextlib.suppress(BpfError):
                self.bpf.map_delete(self.fds[name], slot.to_bytes(4, "little"))
        with contextlib.suppress(BpfError):
            self.slots.write(slot, Slot())
