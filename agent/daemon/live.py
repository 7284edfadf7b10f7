"""What is live, what is asked for, and what becomes of it: values that the daemon's parts hand each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.daemon.ports import Document, Problem
from agent.daemon.store import Pushed
from policy.model.types import Policy, Waiver


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """A policy that is live, users and groups resolved."""

    policy: Policy
    pushed: Pushed


@dataclass(frozen=True, slots=True)
class LiveWaiver:
    """A waiver that is in what is live, users and groups resolved; it may have expired since."""

    waiver: Waiver
    pushed: Pushed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What is live.

    Attributes:
        generation: 0: none.
        profiles: Policy names of each profile, by its number.
        scopes: Cgroup id → profile number.
        own: Policy → cgroup paths that its scope names now.
        reverts_at: Boot-clock ns after which `fallback` is live instead; 0: never.
        waivers: By name; those that expired are in it until the next generation.
    """

    generation: int = 0
    policies: Mapping[str, LivePolicy] = field(default_factory=dict)
    profiles: tuple[tuple[str, ...], ...] = ()
    scopes: Mapping[int, int] = field(default_factory=dict)
    own: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reverts_at: int = 0
    fallback: int = 0
    waivers: Mapping[str, LiveWaiver] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """A push as it was asked for."""

    documents: tuple[Document, ...]
    confirm_seconds: int = 0
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a push or a deletion.

    Attributes:
        names: Policies it was about.
        waivers: Waivers it was about.
        enforced_after_ns: From its arrival to the write that made it live.
    """

    problems: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()
    generation: int = 0
    enforced_after_ns: int = 0
    unchanged: bool = False
    waivers: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        return any(problem.is_error for problem in self.problems)
