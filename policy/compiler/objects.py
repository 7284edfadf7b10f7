"""
The objects of one class: numbers for the values of their parts, and the label of each combination of these.

If an object has one part, the number of a value is the label itself. Otherwise it is a class of the part, and a table
leads from the classes to the label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from policy.compiler.asks import PARTS, Ask
from policy.compiler.labels import Labels
from policy.compiler.limits import COMBINATIONS, CompileError
from policy.compiler.parts import UNKNOWN, Accepted, Part, Values, values_of
from policy.compiler.rules import Candidates, Joined, Rules, classes_of
from policy.compiler.ruleset import ClassTable
from policy.compiler.words import Kind, Words
from policy.model.types import Class

#: Makes the labels of a class, given the rules that an object may be meant by of which nothing could be told, or that
#: nothing asks for.
Labelling = Callable[[Candidates, Candidates], Labels]


@dataclass(frozen=True, slots=True)
class _Kinds:
    """
    Combinations of parts.

    Attributes:
        of: Which of `found` each combination is; int64, one dimension a part.
        found: What the combinations satisfy, each once.
    """

    of: NDArray[np.int64]
    found: list[Joined]


class Objects:
    """
    Args:
        asked: What each rule of the class asks.
        labelling: None: the class decides nothing, and every number is 1.
    """

    def __init__(self, class_: Class, asked: Sequence[Sequence[Ask]], labelling: Labelling | None) -> None:
        self.class_ = class_
        self.active = labelling is not None
        names = PARTS[class_]
        if class_ is Class.FILE and not any(ask.part for asks in asked for ask in asks):
            names = names[:1]
        self.parts = [Part(name) for name in names]
        needs = [[(ask.part, self.parts[ask.part].ask(ask)) for ask in asks] for asks in asked]
        self._rules = Rules(self.parts, needs)
        self._labels: Labels | None = None
        if labelling is not None:
            self._labels = labelling(self._rules.unknown(), self._rules.none())

    def values(self, part: int, *what: str) -> tuple[Values, int]:
        """
        Numbers of further values of a part, and what to add to them to have the part's classes.

        Objects with one part get labels; then what can be added is 0.

        Args:
            what: If such a value could not be told, only these asks might accept it; left out: all.
        """
        one = self.parts[part]
        unknown = Accepted(maybe=one.of(*what) if what else tuple(one.asks.values()))
        none = Accepted(one.of("fileless"))
        if len(self.parts) == 1:
            return Values(none, self._label), 0
        return values_of(one, unknown, none)

    def _label(self, accepted: Accepted) -> int:
        if self._labels is None:
            return 1
        return self._labels.label(self._rules.candidates(self._rules.joined(0, accepted)))

    def table(self, words: Words) -> ClassTable:
        """
        What the kernel gets.

        Raises:
            CompileError: There are too many combinations.
        """
        if self._labels is None:
            return ClassTable()
        table, sizes = 0, [1, 1, 1]
        if self.parts and self.parts[0].classes:
            labels = self._combined(self._labels)
            if labels.ndim > 1 or labels.tolist() != list(range(len(labels))):
                table = words.add(labels.reshape(-1).astype(np.uint32))
            sizes[: labels.ndim - 1] = labels.shape[1:]
        cells = self._labels.cells()
        at = words.add(cells.reshape(-1), Kind.OFFSET)
        return ClassTable(at, cells.shape[1], table, (sizes[0], sizes[1], sizes[2]))

    def _combined(self, labels: Labels) -> NDArray[np.int64]:
        """The label of each combination."""
        self._check()
        kinds = _Kinds(np.zeros((), np.int64), [self._rules.everything()])
        for _, classes in classes_of(self._rules):
            kinds = _joined(kinds, classes)
        of_kinds = np.array([labels.label(self._rules.candidates(one)) for one in kinds.found], np.int64)
        found = of_kinds[kinds.of]
        found[(UNKNOWN,) * found.ndim] = UNKNOWN
        return found

    def _check(self) -> None:
        counts = [len(part.classes) for part in self.parts]
        if prod(counts) <= COMBINATIONS:
            return
        several = [(count, part.name) for count, part in zip(counts, self.parts, strict=True) if count > 2]
        listed = " times ".join(f"{count:,} kinds of {name}" for count, name in several)
        raise CompileError(
            f"class `{self.class_}`: {listed} are {prod(counts):,} kinds of objects; the limit is {COMBINATIONS:,}",
            hint="let rules share their lists, or split the policy between scopes",
            limit=COMBINATIONS,
            found=prod(counts),
        )


def _joined(kinds: _Kinds, classes: Sequence[Joined]) -> _Kinds:
    """Join one more part, what satisfies the same being one."""
    different: dict[Joined, int] = {}
    of = np.array([different.setdefault(one, len(different)) for one in classes], np.int64)
    found: dict[Joined, int] = {}
    table = [[found.setdefault(one.and_(other), len(found)) for other in different] for one in kinds.found]
    return _Kinds(np.array(table, np.int64)[kinds.of[..., None], of], list(found))
