"""
Which rules of a policy decide what, among the requests of which everything can be told.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from policy.answers.boxes import Box, holds, meet, without
from policy.answers.outcomes import Candidate, Outcomes, operations_of, split
from policy.answers.risk import risk
from policy.answers.space import Room, Space, overlap
from policy.model.types import WITHOUT_DEFAULT, Action, Class, Policy, Rule

#: Boxes that it may take to say which rules hide another.
PIECES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Clash:
    """Where two rules overlap that ask for opposite things."""

    room: Room
    operation: str
    box: Box


@dataclass(slots=True)
class Reach:
    """
    What each rule of a class does in its policy, by its place among the class's rules.

    Attributes:
        matches: Operations at which it matches some request.
        decides: Those at which it decides one.
        useful: Something would be decided otherwise without it.
        heirs: Rules that would decide in its place, all alike; -1 is the default.
        clashes: (deciding rule, later rule) → where both match and ask for opposite things.
    """

    rules: tuple[Rule, ...]
    matches: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    decides: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    useful: set[int] = field(default_factory=set)
    heirs: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    clashes: dict[tuple[int, int], Clash] = field(default_factory=dict)


def reach(policy: Policy, class_: Class, everything: Space) -> Reach:
    """
    What each rule does; the space is that of the policy's rules of the class.

    Raises:
        Undecided: There are too many pieces.
    """
    found = Reach(everything.rules)
    for room in everything.rooms:
        told = room.told
        if told is None:
            continue
        _matches(found, room, told)
        outcomes = Outcomes(room, [[policy]], told)
        for operation in sorted(room.operations, key=lambda one: risk(class_, one)):
            for candidates, mask in outcomes.groups(operation):
                _group(found, policy, room, operation, mask, told, candidates)
    return found


def _matches(found: Reach, room: Room, told: Box) -> None:
    for at, rule in enumerate(found.rules):
        extent = room.extents[at]
        box = meet(extent.certain, told) if extent and extent.certain else None
        if box and room.exists(box):
            found.matches[at] |= operations_of(rule).intersection(room.operations)


def _group(
    found: Reach, policy: Policy, room: Room, operation: str, mask: int, told: Box, candidates: Sequence[Candidate]
) -> None:
    """The objects of one group: all rules that match one match all."""
    for piece, index, _ in split(candidates, told[1:]):
        if index is None or not room.exists((mask, *piece)):
            continue
        found.decides[index].add(operation)
        _clashes(found, room, operation, (mask, *piece), index, candidates)
        if index not in found.useful:
            _heirs(found, _default(policy, room, operation), room, (mask, *piece), index, candidates)


def _default(policy: Policy, room: Room, operation: str) -> Action:
    """What is done where no rule matches."""
    return Action.ALLOW if (room.class_, operation) in WITHOUT_DEFAULT else policy.default(room.class_)


def _heirs(found: Reach, default: Action, room: Room, box: Box, index: int, candidates: Sequence[Candidate]) -> None:
    """Who would decide without the rule."""
    rule = found.rules[index]
    for piece, heir, _ in split([one for one in candidates if one[0] != index], box[1:]):
        other = found.rules[heir] if heir is not None else None
        action = other.action if other else default
        refuses = rule.action is Action.DENY
        same = action is rule.action and (not refuses or rule.errno == (other.errno if other else "EPERM"))
        if not same and room.exists((box[0], *piece)):
            found.useful.add(index)
        found.heirs[index].add(-1 if heir is None else heir)


def _clashes(found: Reach, room: Room, operation: str, box: Box, index: int, candidates: Sequence[Candidate]) -> None:
    for other, certain, _ in candidates:
        if other <= index or certain is None or (index, other) in found.clashes:
            continue
        both = meet(box[1:], certain)
        if both and opposite(found.rules[index], found.rules[other]) and room.exists((box[0], *both)):
            found.clashes[index, other] = Clash(room, operation, (box[0], *both))


def opposite(a: Rule, b: Rule) -> bool:
    """Whether one lets through what the other refuses."""
    return (a.action in (Action.DENY, Action.KILL)) != (b.action in (Action.DENY, Action.KILL))


def contains(everything: Space, outer: int, inner: int, aspects: Callable[[int, str], bool] | None = None) -> bool:
    """
    Whether a rule matches all that another matches, at the operations that both name.

    Args:
        aspects: Only those dimensions count for which this holds, given their place and key, and only where some
            request matches both.
    """
    common = operations_of(everything.rules[outer]) & operations_of(everything.rules[inner])
    for room in everything.rooms:
        if room.told is None or not common.intersection(room.operations):
            continue
        small, large = room.extents[inner], room.extents[outer]
        box = meet(small.certain, room.told) if small and small.certain else None
        if aspects and not (small and large and overlap(room, small, large)):
            continue
        if box and room.exists(box) and not (large and large.certain and _holds(room, large.certain, box, aspects)):
            return False
    return True


def _holds(room: Room, outer: Box, inner: Box, aspects: Callable[[int, str], bool] | None) -> bool:
    if aspects is None:
        return holds(outer, inner)
    places = [at for at, one in enumerate(room.dimensions) if aspects(at, one.key)]
    return holds(tuple(outer[at] for at in places), tuple(inner[at] for at in places))


def overlaps(everything: Space, a: int, b: int) -> bool:
    """Whether some request matches both rules, at an operation that both name."""
    common = operations_of(everything.rules[a]) & operations_of(everything.rules[b])
    for room in everything.rooms:
        one, other = room.extents[a], room.extents[b]
        if common.intersection(room.operations) and one and other and overlap(room, one, other):
            return True
    return False


def hiders(everything: Space, index: int, operations: set[str]) -> list[int]:
    """The earlier rules that together match all that a rule matches: one that does alone, or the fewest in order."""
    earlier = [at for at in range(index) if operations_of(everything.rules[at]) & operations]
    for at in earlier:
        if operations <= operations_of(everything.rules[at]) and contains(everything, at, index):
            return [at]
    found: dict[int, None] = {}
    for room in everything.rooms:
        extent = room.extents[index]
        box = meet(extent.certain, room.told) if extent and extent.certain and room.told else None
        for operation in operations.intersection(room.operations) if box else ():
            found |= dict.fromkeys(_hiding(everything, room, box, operation, earlier) if box else ())
    return sorted(found)


def _hiding(everything: Space, room: Room, box: Box, operation: str, earlier: Sequence[int]) -> Iterator[int]:
    left = [box]
    for at in earlier:
        extent = room.extents[at]
        if not extent or not extent.certain or operation not in operations_of(everything.rules[at]):
            continue
        rest = [piece for one in left for piece in without(one, extent.certain)]
        if rest != left:
            yield at
        left = rest
        if not left or len(left) > PIECES_MAX:
            return
