"""
What profiles decide, for every request of a room at once: disjoint boxes, each with one decision a profile.

The meaning is that of `policy.compiler.verdicts`, lifted from one request to sets of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.answers.boxes import Box, meet, without
from policy.answers.cells import bits
from policy.answers.names import Undecided
from policy.answers.space import Extent, Room, rules_of
from policy.answers.subjects import levels
from policy.compiler.verdicts import rank
from policy.model.types import (
    WITHOUT_DEFAULT,
    Action,
    Class,
    Decision,
    Effect,
    Errno,
    FailMode,
    Mode,
    Policy,
    Rule,
)

#: Boxes that the requests of one operation may fall into, for one set of objects.
BOXES_MAX = 20_000

_EFFECTS = {Action.ALLOW: Effect.ALLOW, Action.AUDIT: Effect.AUDIT, Action.DENY: Effect.DENY, Action.KILL: Effect.KILL}


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Attributes:
        box: Of a room; its requests are all decided alike.
        decisions: One a profile.
    """

    box: Box
    decisions: tuple[Decision, ...]


#: A rule's place in its room, and where it matches among the objects of one group.
Candidate = tuple[int, Box | None, Box]
#: Policies that apply together; an empty one allows everything.
Profile = Sequence[Policy]


def operations_of(rule: Rule) -> frozenset[str]:
    """Operations at which a rule can match: its own, and those of the rules it lies within."""
    return frozenset.intersection(*(frozenset(level.selector.operations) for level in levels(rule)))


def together(profiles: Iterable[Profile]) -> list[Policy]:
    """The different policies of some profiles: those whose rules a space must tell apart, in this order."""
    found: list[Policy] = []
    for policy in (policy for profile in profiles for policy in profile):
        if policy not in found:
            found.append(policy)
    return found


class Outcomes:
    """
    The decisions of profiles in one room; its rules are those of `together(profiles)`.

    Args:
        within: Only requests of this box.
    """

    def __init__(self, room: Room, profiles: Sequence[Profile], within: Box | None = None) -> None:
        self._room = room
        self._within = within or room.whole
        self._policies = together(profiles)
        self._profiles = [[self._policies.index(one) for one in _in_order(profile)] for profile in profiles]
        self._rules: dict[int, tuple[int, Rule]] = {}
        for place, policy in enumerate(self._policies):
            for rule in rules_of([policy], room.class_):
                self._rules[len(self._rules)] = (place, rule)
        self._operations = {at: operations_of(rule) for at, (_, rule) in self._rules.items()}
        self._memo: dict[tuple[tuple[Candidate, ...], bool], list[tuple[Box, tuple[Decision, ...]]]] = {}

    def of(self, operation: str) -> list[Outcome]:
        """
        Every outcome of one operation; the boxes are disjoint and make up all that was asked for.

        Raises:
            Undecided: There are too many.
        """
        no_default = (self._room.class_, operation) in WITHOUT_DEFAULT
        return [
            Outcome((mask, *rest), decisions)
            for candidates, mask in self.groups(operation)
            for rest, decisions in self._decide(candidates, no_default)
        ]

    def groups(self, operation: str) -> list[tuple[tuple[Candidate, ...], int]]:
        """Cells of the first dimension, by the rules that may match there."""
        cells: dict[int, list[Candidate]] = {cell: [] for cell in bits(self._within[0])}
        for at in sorted(self._rules):
            extent = self._room.extents[at]
            if extent is None or operation not in self._operations[at]:
                continue
            for cell in bits(extent.possible[0] & self._within[0]):
                cells[cell].append((at, _rest(extent, cell), extent.possible[1:]))
        groups: dict[tuple[Candidate, ...], int] = {}
        for cell, candidates in cells.items():
            key = tuple(candidates)
            groups[key] = groups.get(key, 0) | 1 << cell
        return list(groups.items())

    def _decide(self, candidates: tuple[Candidate, ...], no_default: bool) -> list[tuple[Box, tuple[Decision, ...]]]:
        key = (candidates, no_default)
        if key not in self._memo:
            self._memo[key] = self._decided(candidates, no_default)
        return self._memo[key]

    def _decided(self, candidates: Sequence[Candidate], no_default: bool) -> list[tuple[Box, tuple[Decision, ...]]]:
        pieces: list[tuple[Box, tuple[Decision, ...]]] = [(self._within[1:], ())]
        for place, policy in enumerate(self._policies):
            mine = [one for one in candidates if self._rules[one[0]][0] == place]
            pieces = [
                (box, (*said, decision))
                for whole, said in pieces
                for box, decision in self._of_policy(policy, mine, whole, no_default)
            ]
            if len(pieces) > BOXES_MAX:
                raise Undecided(f"the rules of class `{self._room.class_}` cut requests into too many pieces")
        return [(box, tuple(self._of_profiles(said))) for box, said in pieces]

    def _of_policy(
        self, policy: Policy, candidates: Sequence[Candidate], whole: Box, no_default: bool
    ) -> list[tuple[Box, Decision]]:
        found = []
        for box, index, perhaps in split(candidates, whole):
            rule = None if index is None else self._rules[index][1]
            named = [self._rules[at][1] for at in perhaps]
            found.append((box, decide(policy, self._room.class_, rule, named, no_default=no_default)))
        return found

    def _of_profiles(self, said: Sequence[Decision]) -> Iterator[Decision]:
        return (strictest(self._room.class_, [said[at] for at in places]) for places in self._profiles)


def _in_order(profile: Profile) -> list[Policy]:
    return sorted(profile, key=lambda policy: policy.name)


def _rest(extent: Extent, cell: int) -> Box | None:
    """Where a rule certainly matches, given the cell of the first dimension."""
    return extent.certain[1:] if extent.certain and extent.certain[0] >> cell & 1 else None


def split(candidates: Sequence[Candidate], whole: Box) -> list[tuple[Box, int | None, tuple[int, ...]]]:
    """
    A box by the first rule that certainly matches (None: none does), with those before it that may match.

    Raises:
        Undecided: There are too many pieces.
    """
    done: list[tuple[Box, int | None, tuple[int, ...]]] = []
    pending: list[tuple[Box, tuple[int, ...]]] = [(whole, ())]
    for index, certain, possible in candidates:
        following: list[tuple[Box, tuple[int, ...]]] = []
        for box, perhaps in pending:
            hit = meet(box, certain) if certain else None
            if hit:
                done.append((hit, index, perhaps))
            for part in without(box, certain) if certain and hit else [box]:
                maybe = meet(part, possible)
                following += [(maybe, (*perhaps, index))] if maybe else []
                following += [(rest, perhaps) for rest in without(part, possible)] if maybe else [(part, perhaps)]
        pending = following
        if len(done) + len(pending) > BOXES_MAX:
            raise Undecided("the rules cut requests into too many pieces")
    return done + [(box, None, perhaps) for box, perhaps in pending]


def decide(policy: Policy, class_: Class, rule: Rule | None, perhaps: Sequence[Rule], *, no_default: bool) -> Decision:
    """
    What a policy says, given its first rule that certainly matches and those before it that may.

    Args:
        rule: None: no rule certainly matches, and the default speaks.
        no_default: The class default does not reach the operation.
    """
    default = Action.ALLOW if no_default else policy.default(class_)
    action = default if rule is None else rule.action
    if any(one.action is not action for one in perhaps):
        effect = _effect(policy, Action.DENY) if policy.fail_mode is FailMode.CLOSED else Effect.ALLOW
        return Decision(effect, (policy.name, perhaps[0].id), error=True)
    effect = _effect(policy, action)
    errno = rule.errno if rule is not None and effect is Effect.DENY else Errno.EPERM
    return Decision(effect, (policy.name, rule.id if rule else f"default:{class_}"), errno=errno)


def _effect(policy: Policy, action: Action) -> Effect:
    effect = _EFFECTS[action]
    return Effect.WOULD_DENY if policy.mode is Mode.PERMISSIVE and effect >= Effect.DENY else effect


def strictest(class_: Class, said: Sequence[Decision]) -> Decision:
    """The decision of a profile from those of its policies, in the order of their names."""
    if not said:
        return Decision(Effect.ALLOW, ("", f"default:{class_}"))
    winner = max(said, key=lambda one: rank(one.effect, one.error))
    also = tuple(one.rule for one in said if one is not winner and one.effect is Effect.WOULD_DENY)
    return Decision(winner.effect, winner.rule, winner.error, also, winner.errno)
