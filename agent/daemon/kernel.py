"""
The kernel as the daemon's other parts see it: `agent.kernel` behind `ports.Kernel`, its errors as ours.

Decides too how much this kernel lets us do: all classes through BPF LSM, or network rules through cgroup hooks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.daemon.log import log
from agent.daemon.ports import ClassReach, Gate, Hook, Install, Live, NodeError, Reaches
from agent.daemon.reaches import lsm_reach, lsm_refused, reaches_of
from agent.events.account import RingTotals
from agent.host.facts import HostFacts
from agent.kernel.coverage import Reach
from agent.kernel.enforcer import Enforcer, NoGenerationError
from agent.kernel.gate import FOREVER
from agent.kernel.install import GenerationError
from agent.kernel.maps import MapMismatchError
from agent.kernel.pins import PinError, Pins
from agent.kernel.programs_file import ProgramsFile, ProgramsFileError
from agent.kernel.syscall import BpfError
from agent.kernel.tables import RulesetLimitError

_FOREIGN = (
    BpfError,
    GenerationError,
    MapMismatchError,
    NoGenerationError,
    PinError,
    ProgramsFileError,
    RulesetLimitError,
)
_UNDECIDED = "undecided:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the programs are pinned, and which cgroup tree they are for."""

    pins: Path
    cgroup_mount: Path


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of `agent.kernel` as NodeError, what was found and required kept."""
    try:
        yield
    except _FOREIGN as error:
        found, required = str(getattr(error, "found", "")), str(getattr(error, "required", ""))
        raise NodeError(str(error), found=found, required=required, hint=_hint(error)) from error
    except OSError as error:
        raise NodeError(f"the kernel cannot be reached: {error}") from error


def _hint(error: Exception) -> str:
    if isinstance(error, MapMismatchError):
        return "another version's maps are pinned: `ringfence-agent uninstall --keep-policies`, then start the agent"
    return ""


def open_kernel(
    programs: ProgramsFile, place: Place, facts: HostFacts, mode: Literal["auto", "lsm", "cgroup"] = "auto"
) -> "EnforcerKernel":
    """
    Take over what is pinned, or install it.

    In mode "auto" BPF LSM is used where it is active and loads; otherwise cgroup hooks are, and why is remembered. LSM
    programs that are pinned already are never given up for that.

    Raises:
        NodeError: Nothing can be installed.
    """
    why = ClassReach(Reach.NONE, "cgroup hooks were chosen by the setting `mode`")
    if mode == "auto":
        why = lsm_reach(facts)
    if mode == "lsm" or (mode == "auto" and why.reach is Reach.ENFORCED):
        try:
            return EnforcerKernel(_open(programs, place, "lsm"), lsm_reach(facts), facts)
        except NodeError as error:
            if mode == "lsm" or _lsm_pinned(place.pins):
                raise
            why = lsm_refused(error)
            log().warning("lsm_refused", error=str(error))
    return EnforcerKernel(_open(programs, place, "cgroup"), why, facts)


def _open(programs: ProgramsFile, place: Place, mode: Literal["lsm", "cgroup"]) -> Enforcer:
    with _translated():
        return Enforcer.open_or_install(programs, place.pins, mode, cgroup_mount=place.cgroup_mount)


def _lsm_pinned(pins: Path) -> bool:
    """Whether LSM programs are enforcing already: then what fails now is no reason to take them away for less."""
    with _translated():
        return any(name.endswith("-lsm") for name in Pins(pins).sets())


class EnforcerKernel:
    """`ports.Kernel` over an Enforcer."""

    def __init__(self, enforcer: Enforcer, lsm: ClassReach, facts: HostFacts) -> None:
        self._enforcer = enforcer
        self._facts = facts
        self._reaches = reaches_of(enforcer.mode, lsm, enforcer.absent)
        with _translated():
            self.adopted = enforcer.adopted or bool(enforcer.generations())

    @property
    def mode(self) -> str:
        return self._enforcer.mode

    def reaches(self) -> Reaches:
        return self._reaches

    def live(self) -> Live:
        with _translated():
            live = self._enforcer.live()
        return Live(live.generation, live.reverts_at, live.fallback)

    def generations(self) -> Sequence[int]:
        with _translated():
            return tuple(self._enforcer.generations())

    def victim(self) -> int:
        with _translated():
            return self._enforcer.victim()

    def install(self, install: Install) -> None:
        with _translated():
            self._enforcer.install(install.ruleset, install.scopes, install.generation, install.reverts_at or None)

    def withdraw(self) -> None:
        with _translated():
            self._enforcer.withdraw()

    def confirm(self) -> bool:
        with _translated():
            return self._enforcer.confirm()

    def scope_set(self, cgroup: int, profile: int) -> None:
        with _translated():
            self._enforcer.scope_set(cgroup, profile)

    def scope_remove(self, cgroup: int) -> None:
        with _translated():
            self._enforcer.scope_remove(cgroup)

    def scopes(self) -> Mapping[int, int]:
        with _translated():
            return self._enforcer.scopes()

    def counters(self, generation: int) -> NDArray[np.uint64]:
        with _translated():
            slot = self._enforcer.generations().get(generation)
            return np.array(self._enforcer.hits(slot) if slot else [], np.uint64)

    def undecided(self) -> Mapping[str, int]:
        with _translated():
            totals = self._enforcer.totals()
        found = {name: count for name, count in totals.items() if name.startswith(_UNDECIDED) and count}
        return {name.removeprefix(_UNDECIDED).replace("_", "-"): count for name, count in found.items()}

    def ring_totals(self) -> Mapping[str, RingTotals]:
        """What the programs gave to each ring and what it had no room for."""
        with _translated():
            totals = self._enforcer.totals()
        return {
            "violation": RingTotals(totals["violations"], totals["violations_lost"]),
            "observation": RingTotals(totals["observations"], totals["observations_lost"]),
        }

    def ring_fds(self) -> tuple[int, int]:
        return self._enforcer.ring_fds()

    def gate(self) -> Gate:
        with _translated():
            until = self._enforcer.gate.open_until()
        if until is None:
            return Gate()
        state = "open-boot" if self._facts.gate_at_boot and until == FOREVER else "open"
        return Gate(state, 0 if until == FOREVER else until)

    def open_gate(self) -> None:
        """Allow everything until somebody closes the gate."""
        with _translated():
            self._enforcer.gate.open()

    def hooks(self) -> Sequence[Hook]:
        with _translated():
            states = self._enforcer.hooks()
        return [Hook(one.program, _state(one.attached, one.hook), one.detail) for one in states]

    def keep_time(self) -> float:
        with _translated():
            return self._enforcer.keep_wall()

    def exempt_self(self) -> None:
        """Mark this process as the agent's own; before other threads start."""
        with _translated():
            self._enforcer.exempt_self()

    def close(self) -> None:
        """Let go; what is pinned goes on."""
        self._enforcer.close()


def _state(attached: bool, hook: str) -> str:
    if attached:
        return "attached"
    return "refused" if hook else "absent"
