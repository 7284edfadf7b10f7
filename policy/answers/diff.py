"""
What a change of policies means: what the new ones allow that the old ones refused, and the other way round.

Exact: two sets of policies are called equal only if they decide every request alike. For each part of the node that
some scope names, the policies that apply there, old and new, are compared as profiles.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.answers.examples import Example, example
from policy.answers.facts import Fact, facts
from policy.answers.names import Undecided
from policy.answers.outcomes import Outcomes, together
from policy.answers.risk import risk
from policy.answers.scopes import applies, scope_words
from policy.answers.space import EPOCH, Room, classes_of, rules_of, space
from policy.model.types import OPERATIONS, Class, Decision, Effect, Policy, Rule, Scope


class Change(StrEnum):
    """What becomes of a request, the riskiest first."""

    ALLOWED = "newly allowed"
    WEAKER = "less strict"
    DENIED = "newly denied"
    STRICTER = "stricter"
    OTHER = "decided by another rule"

    @property
    def is_weaker(self) -> bool:
        return self in (Change.ALLOWED, Change.WEAKER)


@dataclass(frozen=True, slots=True)
class Difference:
    """
    Requests that change alike: the same rules decide them, before and after.

    Attributes:
        operations: The riskiest first; the example is of it.
        more: Further kinds of requests that the policies tell apart and that change like this.
    """

    change: Change
    class_: Class
    operations: tuple[str, ...]
    before: Decision
    after: Decision
    example: Example
    more: int


@dataclass(frozen=True, slots=True)
class Compared:
    """
    The profiles of one part of the node.

    Attributes:
        scopes: As written; the same policies apply to all of them.
        before, after: Names of the policies that apply.
        differences: The riskiest first.
        undecided: Why a class could not be compared.
    """

    scopes: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    differences: tuple[Difference, ...]
    undecided: tuple[tuple[Class, str], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    Attributes:
        facts: What can be said without asking any request: modes, scopes, waivers.
    """

    facts: tuple[Fact, ...]
    compared: tuple[Compared, ...]

    @property
    def is_weaker(self) -> bool:
        """Whether something is allowed, or may be, that was not, or would be sooner."""
        return any(fact.weaker for fact in self.facts) or any(
            one.undecided or any(difference.change.is_weaker for difference in one.differences) for one in self.compared
        )

    @property
    def is_equal(self) -> bool:
        return not self.facts and not any(one.differences or one.undecided for one in self.compared)


def compare(before: Sequence[Policy], after: Sequence[Policy], *, now: int = EPOCH) -> Comparison:
    """
    What a change means.

    Args:
        before, after: Waivers rewritten into rules; names are different within each.
        now: Unix seconds; what was before does not count.
    """
    compared = [_compare(scopes, *profiles, now) for scopes, profiles in _parts(before, after)]
    return Comparison(tuple(facts(before, after)), tuple(compared))


def _parts(
    before: Sequence[Policy], after: Sequence[Policy]
) -> Iterator[tuple[list[Scope], tuple[list[Policy], list[Policy]]]]:
    """Scopes to which the same policies apply, before and after, and these policies."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[list[Scope], tuple[list[Policy], list[Policy]]]] = {}
    for scope in dict.fromkeys(scope for policy in (*before, *after) for scope in policy.scope):
        profiles = ([one for one in before if applies(one, scope)], [one for one in after if applies(one, scope)])
        names = (tuple(one.name for one in profiles[0]), tuple(one.name for one in profiles[1]))
        groups.setdefault(names, ([], profiles))[0].append(scope)
    yield from groups.values()


def _compare(scopes: Sequence[Scope], before: Sequence[Policy], after: Sequence[Policy], now: int) -> Compared:
    found: list[Difference] = []
    undecided: list[tuple[Class, str]] = []
    for class_ in classes_of([*before, *after]):
        try:
            found += _of_class(class_, before, after, now)
        except Undecided as problem:
            undecided.append((class_, str(problem)))
    return Compared(
        tuple(scope_words(scope) for scope in scopes),
        tuple(policy.name for policy in before),
        tuple(policy.name for policy in after),
        tuple(sorted(found, key=_riskiest)),
        tuple(undecided),
    )


def _riskiest(difference: Difference) -> tuple[object, ...]:
    changes = list(Change)
    return (
        changes.index(difference.change),
        not difference.example.told,
        risk(difference.class_, difference.operations[0]),
        difference.example.text,
    )


def _of_class(class_: Class, before: Sequence[Policy], after: Sequence[Policy], now: int) -> Iterator[Difference]:
    changed = _changed(class_, before, after)
    if changed is not None and not changed:
        return
    profiles = [_only(class_, before), _only(class_, after)]
    everything = space(class_, rules_of(together(profiles), class_), now=now, through=changed or ())
    groups: dict[tuple[Decision, Decision], list[tuple[str, Room, tuple[int, ...]]]] = defaultdict(list)
    for room in everything.rooms:
        outcomes = Outcomes(room, profiles)
        for operation in room.operations:
            for outcome in outcomes.of(operation):
                old, new = outcome.decisions
                if _said(old) != _said(new) and room.exists(outcome.box):
                    groups[old, new].append((operation, room, outcome.box))
    for (old, new), kinds in groups.items():
        yield _difference(class_, old, new, kinds)


def _said(decision: Decision) -> Decision:
    """A decision, but for the name of a default that nobody wrote."""
    policy, rule = decision.rule
    nobody = rule.startswith("default:") and decision.effect is Effect.ALLOW
    return Decision(
        decision.effect, ("", rule) if nobody else (policy, rule), decision.error, decision.also, decision.errno
    )


def _only(class_: Class, policies: Iterable[Policy]) -> list[Policy]:
    """Policies without what they say of other classes, so that those that are equal for this one are one."""
    return [
        Policy(
            name=policy.name,
            scope=(),
            rules=rules_of([policy], class_),
            mode=policy.mode,
            fail_mode=policy.fail_mode,
            defaults=((class_, policy.default(class_)),),
        )
        for policy in policies
    ]


def _changed(class_: Class, before: Sequence[Policy], after: Sequence[Policy]) -> list[Rule] | None:
    """
    Rules that only one side has, if nothing else changed: then whatever none of them matches is decided as it was.

    None: something else changed.
    """
    old, new = ({policy.name: policy for policy in _only(class_, side)} for side in (before, after))
    changed: list[Rule] = []
    for name in old.keys() | new.keys():
        empty = Policy(
            name=name, scope=(), rules=(), defaults=((class_, (old.get(name) or new[name]).default(class_)),)
        )
        a, b = old.get(name, empty), new.get(name, empty)
        missing = name not in old or name not in new
        if (missing and a.default(class_) != "allow") or (not missing and _settings(a) != _settings(b)):
            return None
        ours, theirs = set(a.rules), set(b.rules)
        if [rule for rule in a.rules if rule in theirs] != [rule for rule in b.rules if rule in ours]:
            return None
        changed += [rule for rule in a.rules if rule not in theirs] + [rule for rule in b.rules if rule not in ours]
    return changed


def _settings(policy: Policy) -> tuple[object, ...]:
    return policy.mode, policy.fail_mode, policy.defaults


def _difference(
    class_: Class, old: Decision, new: Decision, kinds: Sequence[tuple[str, Room, tuple[int, ...]]]
) -> Difference:
    order = OPERATIONS[class_]
    ranked = sorted({operation for operation, _, _ in kinds}, key=lambda one: (risk(class_, one), order.index(one)))
    examples = [example(room, box, operation) for operation, room, box in kinds if operation == ranked[0]]
    shown = min((one for one in examples if one), key=lambda one: (not one.told, len(one.text)))
    most = max(sum(operation == one for operation, _, _ in kinds) for one in ranked)
    return Difference(_change(old, new), class_, tuple(ranked), old, new, shown, most - 1)


def _change(old: Decision, new: Decision) -> Change:
    if old.effect == new.effect:
        return Change.OTHER
    if (old.effect >= Effect.DENY) != (new.effect >= Effect.DENY):
        return Change.ALLOWED if old.effect >= Effect.DENY else Change.DENIED
    return Change.WEAKER if new.effect < old.effect else Change.STRICTER
