"""
What the daemon needs of its neighbours, as protocols: the kernel, the compiler, the event path, the uplink.

The real ones are wired in `agent.daemon.app`; tests put fakes in their place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.kernel.coverage import Part, Question, Reach
from policy.compiler.ruleset import Ruleset
from policy.model.types import Policy, Position, Waiver


class NodeError(Exception):
    """
    This node cannot do what was asked.

    Attributes:
        found, required: What the node has and what is needed.
        hint: What a person can do about it.
    """

    def __init__(self, message: str, *, found: str = "", required: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.found = found
        self.required = required
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ClassReach:
    """
    What this machine can do for an operation of a class.

    Attributes:
        why: In words, e.g. "BPF LSM is not active".
        found, required: The facts behind it.
        hint: What would raise it.
        lacks: Parts of rules that the hooks cannot tell or do, each with why.
    """

    reach: Reach
    why: str = ""
    found: str = ""
    required: str = ""
    hint: str = ""
    lacks: Mapping[Part, str] = field(default_factory=dict)


#: By class and operation; every one there is.
Reaches = Mapping[Question, ClassReach]


@dataclass(frozen=True, slots=True)
class Live:
    """
    What the kernel enforces now: with a lease that has run out, the generation it fell back to.

    Attributes:
        generation: 0: none.
        reverts_at: Boot-clock ns at which `fallback` becomes live; 0: never.
    """

    generation: int = 0
    reverts_at: int = 0
    fallback: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """
    Attributes:
        state: "closed", "open", or "open-boot" (`ringfence=off` on the kernel command line).
        until: Boot-clock ns at which it closes by itself; 0: it does not.
    """

    state: str = "closed"
    until: int = 0


@dataclass(frozen=True, slots=True)
class Hook:
    """State of one program: attached, absent (this kernel has no such hook) or refused."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Install:
    """
    One generation to install.

    Attributes:
        scopes: Cgroup id → profile number.
        reverts_at: Boot-clock ns after which the kernel falls back unless confirmed; 0: never.
        fallback: Generation to fall back to; 0: none is live then.
    """

    generation: int
    ruleset: Ruleset
    scopes: Mapping[int, int]
    reverts_at: int = 0
    fallback: int = 0


class Kernel(Protocol):
    """The programs and maps in the kernel. Every method may raise NodeError."""

    @property
    def adopted(self) -> bool:
        """Whether pins of an earlier agent were found and taken over."""
        ...

    def reaches(self) -> Reaches: ...

    def live(self) -> Live: ...

    def generations(self) -> Sequence[int]:
        """Generations whose rulesets and counters are still there, the live one among them."""
        ...

    def victim(self) -> int:
        """Generation whose slot the next install takes; 0: a free one."""
        ...

    def install(self, install: Install) -> None:
        """Fill a slot and make it live; the old generation stays live if anything fails."""
        ...

    def withdraw(self) -> None:
        """Make no generation live."""
        ...

    def confirm(self) -> bool:
        """End the lease of the live generation; whether there was one."""
        ...

    def scope_set(self, cgroup: int, profile: int) -> None:
        """Take a cgroup into the live generation."""
        ...

    def scope_remove(self, cgroup: int) -> None: ...

    def scopes(self) -> Mapping[int, int]:
        """Scopes of the live generation."""
        ...

    def counters(self, generation: int) -> NDArray[np.uint64]:
        """One exact count a rule, shape (rules,)."""
        ...

    def undecided(self) -> Mapping[str, int]:
        """Verdicts that could not be decided, by reason, exact."""
        ...

    def gate(self) -> Gate: ...

    def keep_time(self) -> float:
        """Tell the programs what the wall clock says, by which rules end; by how many seconds it was set since then."""
        ...

    def hooks(self) -> Sequence[Hook]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A policy file as it was pushed."""

    file: str
    yaml: str


NOWHERE = Position()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or warning about a push; `found` and `required` where the node is at fault and not the policy."""

    message: str
    code: str
    severity: str = "error"
    position: Position = NOWHERE
    hint: str = ""
    policy: str = ""
    rule: str = ""
    found: str = ""
    required: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


@dataclass(frozen=True, slots=True)
class Parsed:
    """
    A policy with where it came from.

    Attributes:
        yaml: The policy's own text: the whole document if it is alone in it, else its canonical text.
    """

    policy: Policy
    digest: str
    file: str
    yaml: str


@dataclass(frozen=True, slots=True)
class ParsedWaiver:
    """A waiver with where it came from, as `Parsed` has a policy."""

    waiver: Waiver
    digest: str
    file: str
    yaml: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What some documents hold, each kind in their order, and what is wrong with them."""

    policies: Sequence[Parsed] = ()
    waivers: Sequence[ParsedWaiver] = ()
    problems: Sequence[Problem] = ()


class CompileSession(Protocol):
    """Parses and compiles for one push, in a process of its own that ends with it."""

    def parse(self, documents: Sequence[Document]) -> Contents: ...

    def compile(self, profiles: Sequence[Sequence[Policy]]) -> "Ruleset | Problem":
        """The ruleset, or why there cannot be one."""
        ...

    def close(self) -> None: ...


SessionFactory = Callable[[], CompileSession]
