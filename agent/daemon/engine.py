"""
The way of a policy into the kernel, and the agent's knowledge of what is live.

Every change is one transaction: parse, check against this node, find cgroups and profiles, compile, write down what the
new generation means, install, switch. Until the switch nothing has changed; the switch is one write. Methods that
change something are called from one thread; the snapshot they publish may be read from any. It is one class, and long,
because all of it is about one state; what can be said of values alone is in the modules beside it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.daemon import checks, enforceable, hits, refusals, safety, waivers, wanting
from agent.daemon.live import LivePolicy, LiveWaiver, Order, Outcome, Snapshot
from agent.daemon.ports import (
    CompileSession,
    Contents,
    Document,
    Install,
    Kernel,
    NodeError,
    Problem,
    SessionFactory,
)
from agent.daemon.store import Generation, Retired, State, Store, StoreError
from agent.workloads.follow import Follower
from agent.workloads.scopes import Assignment, Glob, assign, matching
from policy.compiler.ruleset import RuleReference, Ruleset
from policy.model.types import Policy
from policy.model.waivers import WaiverError

NOTES_MAX = 20
SCOPE_DEPTH = 64  # RF_SCOPE_DEPTH of bpf/include/abi.h


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What an engine works with."""

    kernel: Kernel
    follower: Follower
    sessions: SessionFactory
    store: Store
    glob: Glob
    decide: safety.Decide
    needs: Callable[[], Sequence[safety.Need]]
    boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    unix_ns: Callable[[], int] = time.time_ns


class Engine:
    """
    Attributes:
        snapshot: What is live; replaced as a whole.
        notes: What was out of the ordinary, for `agentctl status`.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self.snapshot = Snapshot()
        self.notes: list[str] = []
        self._with = neighbours
        self._state = State()
        self._known: dict[int, Generation] = {}
        self._retired = Retired()
        self._newest = 0
        self._unwritten = ""

    # ---- changes ----------------------------------------------------------------------------------------------------

    def push(self, order: Order, arrived_ns: int) -> Outcome:
        """
        Make policies and waivers live together with those that are; all or none.

        Args:
            arrived_ns: Monotonic ns when the order arrived.
        """
        session = self._with.sessions()
        try:
            return self._push(order, arrived_ns, session)
        except refusals.Refused as refused:
            return Outcome(refused.problems, generation=self.snapshot.generation)
        except (NodeError, StoreError) as error:
            return Outcome((refusals.failed(error),), generation=self.snapshot.generation)
        finally:
            session.close()

    def _push(self, order: Order, arrived_ns: int, session: CompileSession) -> Outcome:
        contents = session.parse(order.documents)
        refusals.refuse_errors(contents.problems)
        contents, found = self._checked(contents, force=order.force)
        problems = [*contents.problems, *found]
        refusals.refuse_errors(problems)
        names = tuple(one.policy.name for one in contents.policies)
        outcome = Outcome(tuple(problems), names, waivers=tuple(one.waiver.name for one in contents.waivers))
        wanted = wanting.wanted(self.snapshot, contents, self._with.unix_ns())
        if wanted == (self.snapshot.policies, self.snapshot.waivers) and not self._unwritten:
            return replace(outcome, generation=self.snapshot.generation, unchanged=True)
        self._refuse_while_pending()
        problems += waivers.refused(contents.waivers, *wanted, self._with.kernel.reaches())
        refusals.refuse_errors(problems)
        target = self._target(*wanted)
        problems += refusals.unmatched(names, target.own)
        ruleset = _compiled(session, target)
        outcome = replace(outcome, problems=tuple(problems))
        if order.dry_run:
            return replace(outcome, generation=self.snapshot.generation)
        reverts_at = self._with.boot_ns() + order.confirm_seconds * 10**9 if order.confirm_seconds else 0
        target = replace(target, reverts_at=reverts_at, fallback=self.snapshot.generation)
        enforced_ns = self._switch(target, ruleset)
        problems += self._undurable()
        return replace(
            outcome,
            problems=tuple(problems),
            generation=self.snapshot.generation,
            enforced_after_ns=enforced_ns - arrived_ns,
        )

    def delete(self, names: Sequence[str], arrived_ns: int, waived: Sequence[str] = ()) -> Outcome:
        """
        Take policies and waivers away, and the waivers of those policies with them; all or none.

        Args:
            names: Of policies.
            waived: Names of waivers.
        """
        session = self._with.sessions()
        try:
            live = self.snapshot
            missing = [refusals.not_live(name) for name in names if name not in live.policies]
            refusals.refuse_errors(missing + [waivers.unknown(name) for name in waived if name not in live.waivers])
            self._refuse_while_pending()
            policies = {name: one for name, one in live.policies.items() if name not in names}
            kept, going = waivers.without(live.waivers, names, waived, self._with.unix_ns())
            if policies:
                target = self._target(policies, kept)
                enforced_ns = self._switch(target, _compiled(session, target))
            else:
                enforced_ns = self._withdraw()
            problems = (*waivers.dropped(going), *self._undurable())
            generation = self.snapshot.generation
            return Outcome(problems, tuple(names), generation, enforced_ns - arrived_ns, waivers=tuple(waived))
        except refusals.Refused as refused:
            return Outcome(refused.problems, generation=self.snapshot.generation)
        except (NodeError, StoreError) as error:
            return Outcome((refusals.failed(error),), generation=self.snapshot.generation)
        finally:
            session.close()

    def confirm(self) -> tuple[int, bool]:
        """Keep the live generation; its number, and whether it was waiting. Raises NodeError, StoreError."""
        self.tick()
        if not self.snapshot.reverts_at or not self._with.kernel.confirm():
            return self.snapshot.generation, False
        self.snapshot = replace(self.snapshot, reverts_at=0, fallback=0)
        self._write_state()
        return self.snapshot.generation, True

    def tick(self) -> float | None:
        """
        Follow the kernel when a lease has run out.

        Returns:
            Seconds until the lease in force runs out; None: there is none.
        """
        if not self.snapshot.reverts_at:
            return None
        left = self.snapshot.reverts_at - self._with.boot_ns()
        if left > 0:
            return left / 1e9
        expired = self.snapshot.generation
        self._adopt(self._with.kernel.live().generation)
        back = self.snapshot.generation
        self.note(f"generation {expired} was not confirmed in time: generation {back} is back")
        self._write_state()
        self.follow(everything=True)
        return None

    def follow(self, *, everything: bool = False) -> None:
        """
        Bring scopes up to date with the cgroups that came and went.

        Args:
            everything: Compare with what the kernel has, instead of with what changed.
        """
        change = self._with.follower.refresh()
        live = self.snapshot
        if not live.policies or not (change or everything):
            return
        own = self._own(live.policies, change.added, change.removed, everything=everything)
        assignment = assign(own, self._with.follower.cgroups, SCOPE_DEPTH)
        if set(assignment.profiles) <= set(live.profiles):
            self._rescope(own, assignment)
            return
        try:
            self._recompile(own, assignment)
        except refusals.Refused as refused:
            self.note(f"a new cgroup's policies cannot be compiled together, and it has those above it: {refused}")

    def note(self, text: str) -> None:
        """Remember what was out of the ordinary; the same thing once, and a bounded number."""
        if text not in self.notes:
            self.notes = [*self.notes[-NOTES_MAX + 1 :], text]

    # ---- start ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """
        Bring the agent's knowledge and the kernel together; the kernel wins.

        With pins of an earlier agent, what is live stays, and the files say what it means. Without (after a reboot) the
        generation installed last is installed again, or the one before if it was never confirmed.
        """
        self._load()
        live = self._with.kernel.live()
        if self._with.kernel.adopted:
            self._start_adopted(live.generation)
        else:
            number = self._state.generation if self._state.fallback is None else self._state.fallback
            if self._state.fallback is not None:
                self.note(f"generation {self._state.generation} was never confirmed and is not installed again")
            if number:
                self._reinstall(number)
        self._write_state()

    def _start_adopted(self, number: int) -> None:
        if number != self._state.generation:
            self.note(f"the kernel has generation {number} live, not {self._state.generation}: the kernel wins")
        if number and number not in self._known:
            self.note(f"generation {number} is live and nothing is known of its policies: push them again")
            self.snapshot = Snapshot(generation=number)
            return
        self._adopt(number)
        self.follow(everything=True)

    def _load(self) -> None:
        """Read what earlier agents wrote; damaged files are noted and left out."""
        try:
            self._state = self._with.store.state()
        except StoreError as error:
            self.note(str(error))
        for number in self._with.store.numbers():
            try:
                generation = self._with.store.generation(number)
            except StoreError as error:
                self.note(str(error))
                continue
            if generation is not None:
                self._known[number] = generation
        self._newest = max(self._known, default=0)
        if self._newest:
            self._retired = self._known[self._newest].retired

    def _adopt(self, number: int) -> None:
        """Take a generation that is live as ours."""
        if not number:
            self.snapshot = Snapshot()
            return
        generation = self._known[number]
        live = self._with.kernel.live()
        policies, waived = self._meaning(generation)
        own = {name: frozenset(self._matching(one.policy)) for name, one in policies.items()}
        scopes = self._with.kernel.scopes()
        self.snapshot = Snapshot(
            number, policies, generation.profiles, scopes, own, live.reverts_at, live.fallback, waived
        )

    def _reinstall(self, number: int) -> None:
        """Install what a generation meant as a new one: numbers only go up."""
        generation = self._known.get(number)
        if generation is None:
            self.note(f"generation {number} should be installed, but nothing is known of its policies")
            return
        session = self._with.sessions()
        try:
            target = self._target(*self._meaning(generation))
            self._switch(target, _compiled(session, target))
        except refusals.Refused as refused:
            self.note(f"generation {number} cannot be installed again: {refused}")
        finally:
            session.close()

    def _meaning(self, generation: Generation) -> tuple[dict[str, LivePolicy], dict[str, LiveWaiver]]:
        """Parse the documents of a generation again."""
        texts = dict.fromkeys(Document(one.file, one.yaml) for one in (*generation.policies, *generation.waivers))
        session = self._with.sessions()
        try:
            contents = session.parse(tuple(texts))
        finally:
            session.close()
        for problem in contents.problems:
            if problem.is_error:
                self.note(f"generation {generation.number}: {problem.message}")
        contents, problems = checks.resolved(contents)
        for problem in problems:
            self.note(problem.message)
        by_name = {one.policy.name: one.policy for one in contents.policies}
        policies = {one.name: LivePolicy(by_name[one.name], one) for one in generation.policies if one.name in by_name}
        waived, notes = waivers.again(policies, contents.waivers, generation.waivers)
        for note in notes:
            self.note(note)
        return policies, waived

    # ---- parts of a transaction -------------------------------------------------------------------------------------

    def _checked(self, contents: Contents, *, force: bool) -> tuple[Contents, list[Problem]]:
        """The same with names resolved, and all that this node has to say about each by itself."""
        resolved, problems = checks.resolved(contents)
        policies = [one.policy for one in resolved.policies]
        for policy in policies:
            problems += enforceable.problems(policy, self._with.kernel.reaches())
            problems += checks.symlinks(policy)
        problems += refusals.duplicates(resolved)
        problems += waivers.too_late(resolved.waivers, self._with.unix_ns())
        if not force and not any(problem.is_error for problem in problems) and any(map(checks.of_host, policies)):
            problems += safety.lockouts(policies, self._with.needs(), self._with.decide)  # waivers end: without them
        return resolved, problems

    def _refuse_while_pending(self) -> None:
        self.tick()
        if self.snapshot.reverts_at:
            raise refusals.Refused(refusals.pending(self.snapshot.generation))

    def _matching(self, policy: Policy) -> set[str]:
        return matching(policy, self._with.follower.cgroups, self._with.glob)

    def _assign(self, policies: Mapping[str, LivePolicy]) -> tuple[dict[str, frozenset[str]], Assignment]:
        self._with.follower.refresh()
        own = {name: frozenset(self._matching(live.policy)) for name, live in policies.items()}
        return own, assign(own, self._with.follower.cgroups, SCOPE_DEPTH)

    def _own(
        self, policies: Mapping[str, LivePolicy], added: Iterable[str], removed: Iterable[str], *, everything: bool
    ) -> dict[str, frozenset[str]]:
        if everything:
            return {name: frozenset(self._matching(live.policy)) for name, live in policies.items()}
        gone = frozenset(removed)
        return {
            name: (self.snapshot.own[name] - gone) | matching(live.policy, added, self._with.glob)
            for name, live in policies.items()
        }

    def _target(self, policies: Mapping[str, LivePolicy], waived: Mapping[str, LiveWaiver]) -> Snapshot:
        """The next generation, of these policies and of those of the waivers that have not expired. Raises Refused."""
        own, assignment = self._assign(policies)
        refusals.refuse_errors(refusals.too_deep(assignment, SCOPE_DEPTH))
        return self._assigned(policies, waived, own, assignment)

    def _assigned(
        self,
        policies: Mapping[str, LivePolicy],
        waived: Mapping[str, LiveWaiver],
        own: Mapping[str, frozenset[str]],
        assignment: Assignment,
    ) -> Snapshot:
        number = max(self._state.last, self._newest, self.snapshot.generation, *self._with.kernel.generations()) + 1
        lasting = waivers.unexpired(waived, self._with.unix_ns())
        return Snapshot(number, policies, assignment.profiles, assignment.scopes, own, waivers=lasting)

    def _switch(self, target: Snapshot, ruleset: Ruleset) -> int:
        """Write down what the generation means, install it, make it live; monotonic ns of that moment."""
        kernel = self._with.kernel
        keep = {hits.key(name, live.pushed.pushed_unix_ns) for name, live in target.policies.items()}
        keep |= {hits.key(name, live.pushed.pushed_unix_ns) for name, live in self.snapshot.policies.items()}
        retired = hits.retire(self._retired, self._newest, kernel.victim(), self._known, kernel, keep)
        pushed = tuple(live.pushed for live in target.policies.values())
        waived = tuple(live.pushed for live in target.waivers.values())
        generation = Generation(target.generation, pushed, target.profiles, ruleset.rules, retired, waived)
        self._with.store.write_generation(generation)
        self._known[target.generation] = generation
        self._newest, self._retired = target.generation, retired
        fallback = target.fallback if target.reverts_at else 0
        kernel.install(Install(target.generation, ruleset, target.scopes, target.reverts_at, fallback))
        enforced_ns = time.monotonic_ns()
        self.snapshot = replace(target, fallback=fallback)
        self._write_state()
        return enforced_ns

    def _withdraw(self) -> int:
        self._with.kernel.withdraw()
        enforced_ns = time.monotonic_ns()
        self.snapshot = Snapshot()
        self._write_state()
        return enforced_ns

    def _write_state(self) -> None:
        live = self.snapshot
        last = max(self._state.last, self._newest, live.generation)
        self._state = State(live.generation, last, live.fallback if live.reverts_at else None)
        try:
            self._with.store.write_state(self._state)
            self._unwritten = ""
        except StoreError as error:  # what is live is live: it must be told, but it is no reason to say that it failed
            self._unwritten = str(error)
            self.note(f"generation {live.generation} is live and not written down: {error}")
        present = set(self._with.kernel.generations())
        self._with.store.prune(present | {live.generation, live.fallback})
        for number in sorted(self._known)[:-16]:
            if number not in present:
                del self._known[number]

    def _undurable(self) -> list[Problem]:
        return [refusals.undurable(self._unwritten)] if self._unwritten else []

    def _rescope(self, own: Mapping[str, frozenset[str]], assignment: Assignment) -> None:
        """Change the scopes of the live generation: no new combination of policies has come up."""
        live = self.snapshot
        numbers = {profile: number for number, profile in enumerate(live.profiles)}
        wanted = {cgroup: numbers[assignment.profiles[number]] for cgroup, number in assignment.scopes.items()}
        for cgroup, number in wanted.items():
            if live.scopes.get(cgroup) != number:
                self._with.kernel.scope_set(cgroup, number)
        for cgroup in live.scopes.keys() - wanted.keys():
            self._with.kernel.scope_remove(cgroup)
        self.snapshot = replace(live, scopes=wanted, own=own)

    def _recompile(self, own: Mapping[str, frozenset[str]], assignment: Assignment) -> None:
        """A new combination of policies needs a profile of its own: a new generation of the same policies."""
        live = self.snapshot
        session = self._with.sessions()
        try:
            target = self._assigned(live.policies, live.waivers, own, assignment)
            ruleset = _compiled(session, target)
        finally:
            session.close()
        self._switch(replace(target, reverts_at=live.reverts_at, fallback=live.fallback), ruleset)

    # ---- questions --------------------------------------------------------------------------------------------------

    def hits(self) -> hits.Hits:
        """Exact counts of every policy, see `agent.daemon.hits`."""
        return hits.total(self._retired, self._newest, dict(self._known), self._with.kernel)

    def rule(self, generation: int, number: int) -> RuleReference | None:
        """What a rule number meant in a generation; None: not known here. For any thread."""
        known = self._known.get(generation)
        return known.rules[number] if known is not None and number < len(known.rules) else None


def _compiled(session: CompileSession, target: Snapshot) -> Ruleset:
    """Raises Refused, NodeError."""
    try:
        policies = waivers.applied(target.policies, target.waivers)
    except WaiverError as error:
        raise refusals.Refused(Problem(str(error), "waiver-left")) from error
    answer = session.compile([[policies[name] for name in profile] for profile in target.profiles])
    if isinstance(answer, Problem):
        raise refusals.Refused(answer)
    return answer
