"""A kernel, a compiler and a cgroup tree made of plain values, for the engine's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.daemon.engine import Engine, Neighbours
from agent.daemon.live import Order, Outcome
from agent.daemon.ports import (
    ClassReach,
    Contents,
    Document,
    Gate,
    Hook,
    Install,
    Live,
    NodeError,
    Parsed,
    ParsedWaiver,
    Problem,
    Reaches,
)
from agent.daemon.store import Store
from agent.kernel.coverage import QUESTIONS, Reach
from agent.workloads.follow import Follower
from policy.compiler.ruleset import RuleReference, Ruleset
from policy.model.types import Action, CgroupScope, Class, Decision, Effect, FileSelector, Policy, Rule, Scope, Waiver

ENFORCED = ClassReach(Reach.ENFORCED, "BPF LSM")


@dataclass
class Clock:
    """Boot clock in ns, moved by hand."""

    ns: int = 10**12

    def __call__(self) -> int:
        return self.ns


@dataclass
class FakeKernel:
    """
    Keeps three generations, as the real one does, and does what it is told unless `fail` says otherwise.

    Attributes:
        fail: Names of methods that raise.
        log: What was changed, in order.
    """

    clock: Clock = field(default_factory=Clock)
    adopted: bool = False
    fail: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    classes: dict[Class, ClassReach] = field(default_factory=lambda: dict.fromkeys(Class, ENFORCED))
    installed: dict[int, Install] = field(default_factory=dict)
    counts: dict[int, NDArray[np.uint64]] = field(default_factory=dict)
    current: int = 0
    leases: dict[int, tuple[int, int]] = field(default_factory=dict)
    scoped: dict[int, dict[int, int]] = field(default_factory=dict)

    def _do(self, name: str, *what: object) -> None:
        if name in self.fail:
            raise NodeError(f"{name} failed", found="EPERM", required="root")
        self.log.append(" ".join(map(str, (name, *what))))

    def reaches(self) -> Reaches:
        return {(class_, name): self.classes[class_] for class_, name in QUESTIONS}

    def live(self) -> Live:
        reverts_at, fallback = self.leases.get(self.current, (0, 0))
        if reverts_at and self.clock() >= reverts_at:
            return Live(fallback)
        return Live(self.current, reverts_at, fallback)

    def generations(self) -> Sequence[int]:
        return tuple(sorted(self.installed))

    def victim(self) -> int:
        keep = {self.current, self.live().generation, self.leases.get(self.current, (0, 0))[1]}
        others = [number for number in sorted(self.installed) if number not in keep]
        return others[0] if len(self.installed) >= 3 else 0

    def install(self, install: Install) -> None:
        victim = self.victim()
        self._do("install", install.generation)
        self.installed.pop(victim, None)
        self.installed[install.generation] = install
        self.counts[install.generation] = np.zeros(len(install.ruleset.rules), np.uint64)
        self.scoped[install.generation] = dict(install.scopes)
        if install.reverts_at:
            self.leases[install.generation] = (install.reverts_at, install.fallback)
        self.current = install.generation

    def withdraw(self) -> None:
        self._do("withdraw")
        self.current = 0

    def confirm(self) -> bool:
        return self.leases.pop(self.current, None) is not None

    def scope_set(self, cgroup: int, profile: int) -> None:
        self._do("scope_set", cgroup, profile)
        self.scoped[self.live().generation][cgroup] = profile

    def scope_remove(self, cgroup: int) -> None:
        self._do("scope_remove", cgroup)
        del self.scoped[self.live().generation][cgroup]

    def scopes(self) -> Mapping[int, int]:
        return dict(self.scoped.get(self.live().generation, {}))

    def counters(self, generation: int) -> NDArray[np.uint64]:
        return self.counts[generation]

    def undecided(self) -> Mapping[str, int]:
        return {}

    def keep_time(self) -> float:
        return 0.0

    def gate(self) -> Gate:
        return Gate()

    def hooks(self) -> Sequence[Hook]:
        return ()


@dataclass
class FakeSession:
    """Takes the text of a document for the name of a policy or waiver that it knows; others are errors."""

    policies: Mapping[str, Policy | Waiver]

    def parse(self, documents: Sequence[Document]) -> Contents:
        policies, waivers, problems = [], [], []
        for document in documents:
            digest, file = f"digest of {document.yaml}", document.file
            match self.policies.get(document.yaml):
                case Policy() as policy:
                    policies.append(Parsed(policy, digest, file, document.yaml))
                case Waiver() as waiver:
                    waivers.append(ParsedWaiver(waiver, digest, file, document.yaml))
                case _:
                    problems.append(Problem("not a policy", "syntax"))
        return Contents(policies, waivers, problems)

    def compile(self, profiles: Sequence[Sequence[Policy]]) -> Ruleset | Problem:
        policies = {policy.name: policy for profile in profiles for policy in profile}
        rules = tuple(
            RuleReference(name, rule.id, rule.class_, rule.action, policy.mode, rule.severity, rule.message)
            for name, policy in sorted(policies.items())
            for rule in policy.rules
        )
        nothing = np.zeros(0, np.uint32)
        return Ruleset(nothing.reshape(0, 2), nothing, (), (), (), rules)

    def close(self) -> None:
        pass


@dataclass
class World:
    """An engine with everything around it below one directory, where `root` is the cgroup tree."""

    directory: Path
    policies: dict[str, Policy | Waiver] = field(default_factory=dict)
    kernel: FakeKernel = field(default_factory=FakeKernel)
    decision: Effect = Effect.ALLOW

    def __post_init__(self) -> None:
        self.root = self.directory / "cgroup"
        self.root.mkdir(exist_ok=True)
        self.follower = Follower(self.root)
        self.store = Store(self.directory / "state")
        self.pushes = 0
        self.now = 0
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        """As after a restart of the agent: same kernel, same files."""
        return Engine(
            Neighbours(
                kernel=self.kernel,
                follower=self.follower,
                sessions=lambda: FakeSession(self.policies),
                store=self.store,
                glob=lambda pattern, path: fnmatchcase(path, pattern),
                decide=lambda policies, request: Decision(self.decision, ("p", "r")),
                needs=lambda: (),
                boot_ns=self.kernel.clock,
                unix_ns=lambda: self.now + self.pushes,
            )
        )

    def restart(self, *, reboot: bool = False) -> Engine:
        if reboot:
            clock = self.kernel.clock
            self.kernel = FakeKernel(clock)
        else:
            self.kernel.adopted = True
        self.engine = self.new_engine()
        self.engine.start()
        return self.engine

    def cgroup(self, path: str) -> int:
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        return directory.stat().st_ino

    def push(self, *texts: str, confirm: int = 0, dry_run: bool = False, force: bool = False) -> Outcome:
        documents = tuple(Document(f"{text}.yaml", text) for text in texts)
        self.pushes += 1
        return self.engine.push(Order(documents, confirm, force=force, dry_run=dry_run), 0)


def policy(name: str, *scope: str | Scope, action: Action = Action.DENY, **more: object) -> Policy:
    """A policy with one file rule; texts are cgroup globs."""
    scopes = tuple(CgroupScope(one) if isinstance(one, str) else one for one in scope)
    rule = Rule("r", FileSelector(("/secret",), ("read",)), action)
    return Policy(name, scopes, (rule,), **more)  # type: ignore[arg-type]
