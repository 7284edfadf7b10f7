"""
The space of requests that policies can tell apart, class by class.

The objects of a class take a few *shapes*; of each, a request is one cell of every dimension (object, subject, time),
and a rule is a box of cells: one where it certainly matches, and one, perhaps larger, where it may. So questions about
all requests become questions about boxes, and every box has a request to show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.answers.boxes import Box, meet
from policy.answers.cells import Aspect, Dimension, bits
from policy.answers.objects import Shape, shapes
from policy.answers.subjects import Lineage, actor, aspects, levels
from policy.model.types import OPERATIONS, Class, Policy, Request, Rule

#: A time at which nothing has ended yet, if nobody says what time it is.
EPOCH = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """
    Where a rule matches.

    Attributes:
        certain: None: nowhere for certain.
        possible: Holds `certain`.
    """

    certain: Box | None
    possible: Box


@dataclass(frozen=True, slots=True)
class Room:
    """
    One shape of one class's requests.

    Attributes:
        dimensions: The object's, those with most cells first; then the subject's.
        extents: Of each rule, by its place among the rules given; None: it never matches here.
        lineage: Which cells of parent and ancestors go together.
    """

    class_: Class
    shape: Shape
    dimensions: tuple[Dimension, ...]
    extents: tuple[Extent | None, ...]
    lineage: Lineage

    @property
    def operations(self) -> tuple[str, ...]:
        return self.shape.operations

    @property
    def whole(self) -> Box:
        """Every request of this shape."""
        return tuple(dimension.full for dimension in self.dimensions)

    @property
    def told(self) -> Box | None:
        """Requests of which everything could be told; None: there are none."""
        box = tuple(dimension.known for dimension in self.dimensions)
        return box if all(box) else None

    def exists(self, box: Box) -> bool:
        """Whether a process can have the parent and the ancestors that a box asks for."""
        return self.lineage.actor(box) is not None

    def request(self, box: Box, operation: str) -> Request | None:
        """A request of a box; None: there is none."""
        line = self.lineage.actor(box)
        if line is None:
            return None
        at = {one.key: one.values[next(iter(bits(mask)))] for one, mask in zip(self.dimensions, box, strict=True)}
        who = actor(at["exe"], at["account"], line)
        return Request(self.class_, (operation,), who, self.shape.object(at), at["time"])

    def unrestricted(self, box: Box) -> frozenset[str]:
        """Dimensions of which a box holds all that can be told."""
        return frozenset(
            one.key for one, mask in zip(self.dimensions, box, strict=True) if mask & one.known == one.known
        )


@dataclass(frozen=True, slots=True)
class Space:
    """
    Attributes:
        rules: The rules of the class, of all policies given, in order.
        rooms: Together all requests of the class.
    """

    class_: Class
    rules: tuple[Rule, ...]
    rooms: tuple[Room, ...]

    def rooms_of(self, operation: str) -> Iterator[Room]:
        return (room for room in self.rooms if operation in room.operations)


def space(
    class_: Class,
    rules: Sequence[Rule],
    *,
    now: int = EPOCH,
    architecture: str = "x86_64",
    through: Sequence[Rule] = (),
) -> Space:
    """
    Everything that rules of one class can tell apart.

    Args:
        rules: Of that class.
        now: Unix seconds; what was before does not count.
        through: If given: only objects that one of these rules matches.

    Raises:
        Undecided: That is too much.
    """
    lowest = [level for rule in rules for level in levels(rule)]
    who = [(aspect, _build(aspect, lowest)) for aspect in aspects(rules, now)]
    rooms = [
        _room(class_, shape, [*_objects(shape, lowest, through), *who], rules)
        for shape in shapes(class_, lowest, architecture)
    ]
    return Space(class_, tuple(rules), tuple(rooms))


def rules_of(policies: Iterable[Policy], class_: Class) -> tuple[Rule, ...]:
    return tuple(rule for policy in policies for rule in policy.rules if rule.class_ is class_)


def classes_of(policies: Sequence[Policy]) -> list[Class]:
    """Classes about which some policy says something."""
    return [
        class_
        for class_ in OPERATIONS
        if rules_of(policies, class_) or any(policy.default(class_) != "allow" for policy in policies)
    ]


def _build(aspect: Aspect, rules: Sequence[Rule], through: Sequence[Rule] = ()) -> Dimension:
    tests = dict.fromkeys(test for rule in rules if (test := aspect.test(rule)) is not None)
    return aspect.build(aspect.key, list(tests), [aspect.test(rule) for rule in through] or None)


def _objects(shape: Shape, rules: Sequence[Rule], through: Sequence[Rule]) -> list[tuple[Aspect, Dimension]]:
    fitting = [rule for rule in rules if shape.applies(rule.selector)]
    goals = [rule for rule in through if shape.applies(rule.selector)]
    return [(aspect, _build(aspect, fitting, goals)) for aspect in shape.aspects]


def _room(class_: Class, shape: Shape, found: Sequence[tuple[Aspect, Dimension]], rules: Sequence[Rule]) -> Room:
    dimensions = tuple(dimension for _, dimension in found)
    extents = tuple(_extent(shape, found, rule) for rule in rules)
    parent = next(at for at, dimension in enumerate(dimensions) if dimension.key == "parent")
    ancestors = [at for at, (aspect, _) in enumerate(found) if aspect.patterns]
    numbers = tuple(dimensions[parent].index[found[at][0].patterns] for at in ancestors)
    return Room(class_, shape, dimensions, extents, Lineage(dimensions[parent], numbers, (parent, *ancestors)))


def _extent(shape: Shape, found: Sequence[tuple[Aspect, Dimension]], rule: Rule) -> Extent | None:
    certain: list[int] = [dimension.full for _, dimension in found]
    possible = list(certain)
    for level in levels(rule):
        if not shape.applies(level.selector):
            return None
        for at, (aspect, dimension) in enumerate(found):
            sure, perhaps = dimension.of(aspect.test(level))
            certain[at] &= sure
            possible[at] &= perhaps
    if not all(possible):
        return None
    return Extent(tuple(certain) if all(certain) else None, tuple(possible))


def overlap(room: Room, a: Extent, b: Extent) -> Box | None:
    """Where two rules certainly match both."""
    if a.certain is None or b.certain is None:
        return None
    both = meet(a.certain, b.certain)
    return both if both and room.exists(both) else None
