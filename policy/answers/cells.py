"""
Cells: what the rules tell apart of one aspect of a request (a name, a port, a user …), with something that stands for
each.

A set of cells is an int, bit `n` for the cell `n`. Rules see a cell in three values, as the compiler does: certainly,
perhaps (it could not be told), or not.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

from policy.answers.names import KNOWN, Kind, Names, Undecided
from policy.model.types import Nameless

NO, MAYBE, YES = 0, 1, 2

#: Something a rule asks of one aspect; None: nothing.
Test = Hashable
#: What a test makes of a value.
Truth = Callable[[Any, Any], int]

#: Values times tests that are tried for one aspect.
TRIED_MAX = 4_000_000


class Unknown:
    """Stands for what could not be told."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Dimension:
    """
    The cells of one aspect.

    Attributes:
        values: What stands for each cell; those that people know best first, what could not be told last.
        masks: (cells where it certainly holds, cells where it may hold) of each test.
        known: Cells of what could be told.
        index: Number of each list of patterns, as `Kind.matched` has it.
    """

    key: str
    values: tuple[Any, ...]
    masks: Mapping[Test, tuple[int, int]]
    known: int
    index: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    @property
    def full(self) -> int:
        return (1 << len(self.values)) - 1

    def of(self, test: Test | None) -> tuple[int, int]:
        return (self.full, self.full) if test is None else self.masks[test]


@dataclass(frozen=True, slots=True)
class Aspect:
    """
    How one aspect of requests becomes cells.

    Attributes:
        test: What a rule asks of it (of the rule itself, not of those it lies within).
        truth: What a test makes of a value.
        build: Its cells, given its key, all tests, and the tests of which one must hold (None: any cell).
        patterns: Of an aspect that is whether some ancestor matches them.
    """

    key: str
    test: Callable[[Any], Test | None]
    truth: Truth
    build: Callable[[str, Sequence[Test], Sequence[Test | None] | None], Dimension]
    patterns: tuple[str, ...] = ()


def bits(mask: int) -> Iterable[int]:
    """The cells of a set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def listed(
    key: str, test: Callable[[Any], Test | None], truth: Truth, candidates: Iterable[Any] | Callable[[], Iterable[Any]]
) -> Aspect:
    """An aspect whose values can be listed: those that all tests see alike are one cell, the first stands for it."""

    def build(key: str, tests: Sequence[Test], through: Sequence[Test | None] | None) -> Dimension:  # noqa: ARG001
        return _sorted_out(key, tests, truth, candidates() if callable(candidates) else candidates)

    return Aspect(key, test, truth, build)


def _sorted_out(key: str, tests: Sequence[Test], truth: Truth, candidates: Iterable[Any]) -> Dimension:
    found: dict[tuple[int, ...], Any] = {}
    for count, value in enumerate(candidates):
        if count * max(len(tests), 1) > TRIED_MAX:
            raise Undecided(f"the rules tell too many values of `{key}` apart")
        column = tuple(truth(test, value) for test in tests)
        found.setdefault((*column, -1) if value is UNKNOWN else column, value)  # what is no value stays apart
    return _dimension(key, found, tests)


def _dimension(key: str, found: Mapping[tuple[int, ...], Any], tests: Sequence[Test]) -> Dimension:
    masks = {}
    columns = list(found)
    for at, test in enumerate(tests):
        certain = sum(1 << cell for cell, column in enumerate(columns) if column[at] == YES)
        possible = sum(1 << cell for cell, column in enumerate(columns) if column[at] != NO)
        masks[test] = (certain, possible)
    values = tuple(found.values())
    known = sum(1 << cell for cell, value in enumerate(values) if value is not UNKNOWN)
    return Dimension(key, values, masks, known)


@dataclass(frozen=True, slots=True)
class NameTest:
    """
    What a rule asks of a name.

    Attributes:
        wanted, unwanted: Patterns; empty: asks nothing.
        nameless: Only what has no name.
    """

    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    nameless: bool = False


def named(
    key: str,
    test: Callable[[Any], Test | None],
    known: str = KNOWN,
    *,
    nameless: bool = False,
    abstract: bool = False,
    extra: Sequence[tuple[str, ...]] = (),
) -> Aspect:
    """
    An aspect that is a name.

    Args:
        nameless: There are objects without one.
        extra: Further lists of patterns to tell apart.
    """

    def build(key: str, tests: Sequence[Test], through: Sequence[Test | None] | None) -> Dimension:
        asked = [test for test in tests if isinstance(test, NameTest)]
        lists = [patterns for test in asked for patterns in (test.wanted, test.unwanted) if patterns]
        automaton = Names(list(dict.fromkeys([*lists, *extra])), known, abstract=abstract)
        kinds = _liked(known, automaton.kinds(_goals(automaton, through)))
        values = (*kinds, *((Nameless(),) * nameless), UNKNOWN)
        masks: dict[Test, tuple[int, int]] = {test: _name_masks(test, values, automaton.index) for test in asked}
        return Dimension(key, values, masks, (1 << len(values)) - 1 >> 1, automaton.index)

    return Aspect(key, test, fits_name, build)


def _goals(automaton: Names, through: Sequence[Test | None] | None) -> list[int] | None:
    """Numbers of the lists of which one must match; None: any name will do."""
    if through is None:
        return None
    wanted = [test.wanted if isinstance(test, NameTest) else () for test in through]
    return [automaton.index[patterns] for patterns in wanted] if all(wanted) else None


def fits_name(test: Any, value: Any) -> int:
    """What a test makes of a name (bytes, `Nameless` or `UNKNOWN`)."""
    if value is UNKNOWN:
        return MAYBE
    if isinstance(value, Nameless):
        return YES if test.nameless or not test.wanted else NO
    wanted = not test.wanted or bool(_matcher(test.wanted).matched(value))
    return (
        YES if wanted and not test.nameless and not (test.unwanted and _matcher(test.unwanted).matched(value)) else NO
    )


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Names:
    return Names([patterns])


def _liked(known: str, kinds: Sequence[Kind]) -> list[Kind]:
    """Kinds in the order of the names that people know, then the others, shortest first."""
    order = {name.encode(): at for at, name in enumerate(known.split())}
    return sorted(kinds, key=lambda kind: (order.get(kind.name, len(order)), len(kind.name), kind.name))


def _name_masks(test: NameTest, values: Sequence[Any], index: Mapping[tuple[str, ...], int]) -> tuple[int, int]:
    certain = 0
    wanted, unwanted = index.get(test.wanted, -1), index.get(test.unwanted, -1)
    for cell, value in enumerate(values):
        match value:
            case Kind(matched):
                fits = (wanted < 0 or wanted in matched) and unwanted not in matched and not test.nameless
            case Nameless():
                fits = test.nameless or not test.wanted
            case _:
                fits = False
        certain |= fits << cell
    return certain, certain | 1 << len(values) - 1


def numbered(
    key: str,
    test: Callable[[Any], Test | None],
    size: int,
    known: Sequence[int] = (),
    near: Callable[[int, int], int] | None = None,
) -> Aspect:
    """
    An aspect that is a number below `size`; tests are tuples of inclusive (first, last).

    Args:
        known: Numbers that people know; they stand for their cells.
        near: Which number of an interval stands for it; by default the first.
    """

    def build(key: str, tests: Sequence[Test], through: Sequence[Test | None] | None) -> Dimension:  # noqa: ARG001
        return _sorted_out(key, tests, _within, (*known, *_intervals(tests, size, near)))

    return Aspect(key, test, _within, build)


def _intervals(tests: Sequence[Any], size: int, near: Callable[[int, int], int] | None) -> list[int]:
    """A number of each interval at whose ends a test begins or stops to hold."""
    ends = {0, size}
    for test in tests:
        for first, last in test:
            ends |= {first, last + 1}
    ordered = sorted(end for end in ends if end <= size)
    return [near(first, end - 1) if near else first for first, end in pairwise(ordered)]


def _within(test: Any, value: Any) -> int:
    if value is UNKNOWN:
        return MAYBE
    return YES if any(first <= value <= last for first, last in test) else NO


def untold(key: str, test: Callable[[Any], Test | None]) -> Aspect:
    """What could not be told at all: every test may hold."""

    def build(key: str, tests: Sequence[Test], through: Sequence[Test | None] | None) -> Dimension:  # noqa: ARG001
        return Dimension(key, (UNKNOWN,), dict.fromkeys(tests, (0, 1)), 0)

    return Aspect(key, test, lambda _test, _value: MAYBE, build)
