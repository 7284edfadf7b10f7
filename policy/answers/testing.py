"""
Tests of policies: what the compiled ruleset, the bytes that the kernel gets, makes of each case.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from policy.compiler import CompileError, compile_profiles
from policy.compiler.evaluate import decide
from policy.language.cases import Case, PolicyTest, Who
from policy.model.types import Actor, Decision, Effect, Policy, Position, Request, Rule, Subject, Waiver
from policy.model.waivers import WaiverError, waive

Decide = Callable[[Request], Decision]


class TestingError(Exception):
    """
    A test that cannot be run.

    Attributes:
        policy, rule: At fault; may be empty.
        position: Where.
        hint: What to do about it; may be empty.
    """

    def __init__(self, message: str, position: Position, hint: str = "", policy: str = "", rule: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.hint = hint
        self.policy = policy
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a case.

    Attributes:
        found: An effect, or `undecided`.
        failures: What is not as expected, a sentence each; empty: nothing.
        position: Of the rule that decided, or of its policy if that is a default.
    """

    case: Case
    decision: Decision
    found: str
    failures: tuple[str, ...]
    position: Position

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a test."""

    test: PolicyTest
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> int:
        return sum(not outcome.ok for outcome in self.outcomes)


def run(
    test: PolicyTest, policies: Sequence[Policy], waivers: Sequence[Waiver], architecture: str = "x86_64"
) -> Report:
    """
    What the policies of a test make of its cases.

    Args:
        policies: All there are; those apply that the test names, else those of its own file, else all.
        waivers: Those of policies that apply are put into effect.

    Raises:
        TestingError: A policy is missing, or cannot be compiled.
    """
    applied = _waived(_applied(test, policies), waivers, test)
    numbers = account_numbers([*applied], [case.subject for case in test.cases])
    profile = [with_numbers(policy, numbers) for policy in applied]
    try:
        ruleset = compile_profiles([profile], architecture)
    except CompileError as problem:
        raise _uncompiled(problem, applied, test) from problem
    positions = positions_of(applied)
    return Report(
        test,
        tuple(_outcome(case, decide(ruleset, 0, request_of(case, numbers)), positions) for case in test.cases),
    )


def _applied(test: PolicyTest, policies: Sequence[Policy]) -> list[Policy]:
    if not test.policies:
        found = [policy for policy in policies if policy.position.file == test.position.file] or [*policies]
        if not found:
            raise TestingError("there is no policy to test", test.position, "give the file that it is in as well")
        return found
    by_name = {policy.name: policy for policy in policies}
    if missing := [name for name in test.policies if name not in by_name]:
        hint = "give the file that it is in as well"
        raise TestingError(f"there is no policy `{missing[0]}`", test.position, hint)
    return [by_name[name] for name in dict.fromkeys(test.policies)]


def _waived(policies: Sequence[Policy], waivers: Sequence[Waiver], test: PolicyTest) -> Sequence[Policy]:
    names = {policy.name for policy in policies}
    try:
        return waive(policies, [waiver for waiver in waivers if waiver.policy in names])
    except WaiverError as problem:
        first = problem.problems[0]
        raise TestingError(str(problem), first.waiver.position or test.position, first.hint) from problem


def _uncompiled(problem: CompileError, policies: Sequence[Policy], test: PolicyTest) -> TestingError:
    positions = positions_of(policies)
    place = positions.get((problem.policy, problem.rule)) or positions.get((problem.policy, ""), test.position)
    return TestingError(str(problem), place, "", problem.policy, problem.rule)


def positions_of(policies: Iterable[Policy]) -> Mapping[tuple[str, str], Position]:
    """Where each rule stands, by (policy, rule); policies under an empty rule."""
    found = {(policy.name, ""): policy.position for policy in policies}
    return found | {(policy.name, rule.id): rule.position for policy in policies for rule in policy.rules}


def account_numbers(policies: Iterable[Policy], subjects: Iterable[Who]) -> Mapping[str, int]:
    """
    A number for every name of a user or group, since which one a node has is not known here.

    `root` is 0; others get numbers from the greatest down, which no account of a node has.
    """
    found: list[int | str | None] = []
    for policy in policies:
        found += [name for rule in policy.rules for name in _accounts(rule.subject)]
    found += [name for subject in subjects for name in (subject.user, subject.group)]
    names = sorted({name for name in found if isinstance(name, str)} - {"root"})
    return {"root": 0, **{name: 2**32 - 2 - at for at, name in enumerate(names)}}


def with_numbers(policy: Policy, numbers: Mapping[str, int]) -> Policy:
    """The policy with numbers for its names of users and groups."""

    def numbered(ids: Iterable[int | str]) -> tuple[int, ...]:
        return tuple(id_ if isinstance(id_, int) else numbers[id_] for id_ in ids)

    def who(subject: Subject) -> Subject:
        return replace(
            subject,
            user=numbered(subject.user),
            group=numbered(subject.group),
            not_user=numbered(subject.not_user),
            not_group=numbered(subject.not_group),
        )

    def resolved(rule: Rule) -> Rule:
        within = resolved(rule.within) if rule.within else None
        return replace(rule, subject=who(rule.subject) if rule.subject else None, within=within)

    return replace(policy, rules=tuple(map(resolved, policy.rules)))


def request_of(case: Case, numbers: Mapping[str, int]) -> Request:
    """The question that a case asks."""
    who = case.subject
    user, group = (numbers[one] if isinstance(one, str) else one for one in (who.user, who.group))
    actor = Actor(who.exe, user, group, who.parent, who.ancestors)
    return Request(case.class_, case.operations, actor, case.object, case.time)


def _accounts(subject: Subject | None) -> Iterable[int | str]:
    return (*subject.user, *subject.group, *subject.not_user, *subject.not_group) if subject else ()


def _outcome(case: Case, decision: Decision, positions: Mapping[tuple[str, str], Position]) -> Outcome:
    found = "undecided" if decision.error else str(decision.effect)
    place = positions.get(decision.rule) or positions[decision.rule[0], ""]
    return Outcome(case, decision, found, tuple(_failures(case, decision, found)), place)


def _failures(case: Case, decision: Decision, found: str) -> Iterable[str]:
    policy, rule = decision.rule
    if found != case.expected:
        yield f"expected {case.expected}, found {found}"
    if case.rule is not None and rule != case.rule:
        yield f"expected rule `{case.rule}` to decide, found `{rule}`"
    if case.policy is not None and policy != case.policy:
        yield f"expected policy `{case.policy}` to decide, found `{policy}`"
    if case.errno is not None and (decision.effect < Effect.DENY or decision.errno != case.errno):
        answer = decision.errno if decision.effect >= Effect.DENY else "no error"
        yield f"expected {case.errno} as the answer, found {answer}"
