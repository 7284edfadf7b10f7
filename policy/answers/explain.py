"""
Why a request is decided as it is: the rule that decides, those that match too and why they lost, what was not told.

The decision is read from the bytes that the kernel would get.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from policy.answers.cells import MAYBE, YES
from policy.answers.points import Match, of_policy
from policy.answers.wording import in_words
from policy.compiler import compile_profiles
from policy.compiler.evaluate import decide
from policy.compiler.verdicts import rank
from policy.language.diagnostic import escape
from policy.model.types import OPERATIONS, Actor, Decision, Effect, Policy, Position, Request, Rule

#: Rules that do not match and are shown all the same, those that nearly do first.
OTHERS_MAX = 8

_PARTS = {
    "name": "path",
    "exe": "executable",
    "account": "user or group",
    "fstype": "file system type",
    "time": "expired",
    "process": "target",
}


class Part(StrEnum):
    """What becomes of a rule."""

    DECIDES = "decides"
    UNDECIDED = "may match"
    LATER = "matches, comes later"
    PERHAPS = "may match, comes later"
    OVERRULED = "overruled"
    NOT = "does not match"


@dataclass(frozen=True, slots=True)
class Consideration:
    """
    Attributes:
        parts: Parts of the rule that do not match, or of which it could not be told.
    """

    part: Part
    rule: str
    action: str
    position: Position
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """
    What one policy says.

    Attributes:
        wins: Its decision is the profile's.
        considered: Its rules of the class, the most telling first.
        others: Further rules of the class that do not match.
    """

    policy: str
    mode: str
    decision: Decision
    wins: bool
    considered: tuple[Consideration, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Attributes:
        operation: The one of the request that decides.
        rule: None: a default decides.
        position: Of the rule, or of its policy.
        said: By every policy, the one that wins first.
        untold: What could not be told and matters.
        operations: Decision of each operation attempted.
    """

    request: Request
    operation: str
    decision: Decision
    rule: Rule | None
    position: Position
    said: tuple[Said, ...]
    untold: tuple[str, ...]
    operations: tuple[tuple[str, Decision], ...]


def explain(policies: Sequence[Policy], request: Request, architecture: str = "x86_64") -> Explanation:
    """
    Why a profile decides a request as it does.

    Args:
        policies: At least one; waivers are rewritten and users and groups are numbers.

    Raises:
        CompileError: The policies cannot become a ruleset.
    """
    ordered = sorted(policies, key=lambda policy: policy.name)
    ruleset = compile_profiles([ordered], architecture)
    decision = decide(ruleset, 0, request)
    each = {
        one: decide(ruleset, 0, replace(request, operations=(one,)))
        for one in OPERATIONS[request.class_]
        if one in request.operations
    }
    operation = next(one for one, said in each.items() if said == decision)
    said = [_said(policy, request, operation, decision, architecture) for policy in ordered]
    rule = _rule(ordered, decision)
    of = next(policy for policy in ordered if policy.name == decision.rule[0])
    untold = {part for one in said for seen in one.considered if seen.part is Part.UNDECIDED for part in seen.parts}
    return Explanation(
        request,
        operation,
        decision,
        rule,
        rule.position if rule else of.position,
        tuple(sorted(said, key=lambda one: not one.wins)),
        tuple(sorted(untold)),
        tuple(each.items()),
    )


def _rule(policies: Sequence[Policy], decision: Decision) -> Rule | None:
    return next(
        (one for of in policies if of.name == decision.rule[0] for one in of.rules if one.id == decision.rule[1]), None
    )


def _said(policy: Policy, request: Request, operation: str, winner: Decision, architecture: str) -> Said:
    decision, matches = of_policy(policy, request, operation, architecture)
    wins = winner.rule[0] == policy.name
    certain = next((at for at, one in enumerate(matches) if one.truth == YES), len(matches))
    considered = [_considered(one, at, certain, decision, wins) for at, one in enumerate(matches)]
    telling = [one for one in considered if one.part is not Part.NOT]
    others = sorted((one for one in considered if one.part is Part.NOT), key=lambda one: len(one.parts))
    kept = others[: max(OTHERS_MAX - len(telling), 2)]
    shown = tuple([one for one in considered if one in telling or one in kept])
    return Said(policy.name, str(policy.mode), decision, wins, shown, len(others) - len(kept))


def _considered(seen: Match, at: int, certain: int, decision: Decision, wins: bool) -> Consideration:
    rule = seen.rule
    part = Part.NOT
    if seen.truth == YES:
        part = Part.LATER if at > certain or decision.error else Part.DECIDES if wins else Part.OVERRULED
    elif seen.truth == MAYBE:
        part = Part.UNDECIDED if at < certain else Part.PERHAPS
    reasons = dict.fromkeys(_part(key) for key, truth in seen.parts if truth == seen.truth)
    return Consideration(part, rule.id, str(rule.action), rule.position, tuple(reasons))


def _part(key: str) -> str:
    prefix, _, name = key.rpartition(" ")
    return f"{prefix} {_PARTS.get(name, name)}".lstrip()


def text(
    explanation: Explanation,
    source: Callable[[Position], str] | None = None,
    accounts: Mapping[int, str] = MappingProxyType({}),
) -> str:
    """
    An explanation for people, without a newline at its end; nothing in it acts on a terminal.

    Args:
        source: The line of a file that stands at a position; empty if that is not known.
        accounts: Names of users and groups.
    """
    return "\n".join(_lines(explanation, source, accounts))


def _lines(found: Explanation, source: Callable[[Position], str] | None, accounts: Mapping[int, str]) -> Iterator[str]:
    decision = found.decision
    whoever = "somebody" if found.untold else "anyone"
    yield f"{effect(decision)}: {in_words(found.request, _anything(found.request.actor), whoever, accounts)}"
    policy, rule = (escape(name) for name in decision.rule)
    what = f"the {rule.replace(':', ' of class `', 1)}`" if found.rule is None else f"rule `{rule}`"
    yield f"  by policy `{policy}`, {what}{_at(found.position)}"
    line = source(found.position).strip() if source and found.rule else ""
    if line:
        yield f"  | {escape(line)}"
    yield from _consequences(found)
    for one in found.said:
        yield ""
        yield from _policy_lines(one, decision)
    if len(found.operations) > 1:
        yield ""
        yield from (
            f"{name}: {effect(one)} by `{escape(one.rule[0])}/{escape(one.rule[1])}`" for name, one in found.operations
        )


def _consequences(found: Explanation) -> Iterator[str]:
    decision, rule = found.decision, found.rule
    if decision.effect >= Effect.DENY:
        killed = ", and the process is killed" if decision.effect is Effect.KILL else ""
        yield f"  the operation answers {decision.errno}{killed}"
    if rule and rule.message:
        yield f"  {rule.severity}: {escape(rule.message)}"
    if decision.error:
        yield f"  undecided, for it could not be told: {', '.join(found.untold)}"


def _policy_lines(said: Said, winner: Decision) -> Iterator[str]:
    by = f" by `{escape(said.decision.rule[1])}`"
    equal = rank(said.decision.effect, said.decision.error) == rank(winner.effect, winner.error)
    lost = "" if said.wins else ", as strict, but later by name" if equal else ", which is less strict"
    yield f"policy `{escape(said.policy)}` ({said.mode}) says {effect(said.decision)}{by}{lost}"
    width = max((len(one.rule) for one in said.considered), default=0)
    for one in said.considered:
        why = f": {', '.join(one.parts)}" if one.parts else ""
        yield f"  {escape(one.rule):{width}}  {one.action:5}  {one.part}{why}{_at(one.position)}"
    if said.others:
        yield f"  … and {said.others} more rules of the class do not match"


def effect(decision: Decision) -> str:
    """The effect in words."""
    return f"{decision.effect} (undecided)" if decision.error else str(decision.effect)


def _at(position: Position) -> str:
    return f"  ({escape(position.file)}:{position.line})" if position.line else ""


def _anything(actor: Actor) -> frozenset[str]:
    """What is left out of the words because nobody said anything about it."""
    given: Mapping[str, object] = {
        "exe": actor.exe,
        "account": actor.user if actor.user is not None else actor.group,
        "parent": actor.parent,
        "ancestors": actor.ancestors,
    }
    return frozenset({key for key, value in given.items() if value is None} | {"time"})
