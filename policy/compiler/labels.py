"""
Labels of one class's objects: two objects have one label if every kind of subject gets the same rows for both.
"""

import numpy as np
from numpy.typing import NDArray

from policy.compiler.decisions import Candidate, Decisions
from policy.compiler.limits import WORDS, CompileError
from policy.compiler.rules import Candidates
from policy.compiler.subjects import Subjects
from policy.compiler.truth import YES

UNKNOWN, NONE = 0, 1


class Labels:
    """
    Args:
        name: Of the class, for messages.
        who: Index among the kinds of subjects' truths for each rule, -1 for anyone.
        unknown, none: The rules that an object may be meant by of which nothing could be told, or nothing is asked.
    """

    def __init__(
        self, name: str, decisions: Decisions, subjects: Subjects, who: list[int], unknown: Candidates, none: Candidates
    ) -> None:
        self._name = name
        self._decisions = decisions
        self._subjects = subjects
        self._who = who
        self._columns = [self._column(unknown), self._column(none)]
        self._numbers = {self._columns[NONE].tobytes(): NONE}
        self._seen = {none: NONE}

    def label(self, candidates: Candidates) -> int:
        """
        The label of an object.

        Raises:
            CompileError: There are more labels than words for their rows.
        """
        found = self._seen.get(candidates)
        if found is None:
            found = self._seen[candidates] = self._label(candidates)
        return found

    def cells(self) -> NDArray[np.uint32]:
        """Row offsets; shape (kinds of subjects, labels)."""
        return np.stack(self._columns, axis=1)

    def _label(self, candidates: Candidates) -> int:
        column = self._column(candidates)
        label = self._numbers.setdefault(column.tobytes(), len(self._columns))
        if label == len(self._columns):
            self._columns.append(column)
        if self._subjects.kinds * len(self._columns) > WORDS:
            raise self._too_large()
        return label

    def _column(self, candidates: Candidates) -> NDArray[np.uint32]:
        """The rows for every kind of subject, given which rules the object may be meant by."""
        concerned = tuple(sorted({self._who[rule] for rule, _ in candidates} - {-1}))
        if not concerned:
            row = self._decisions.row(tuple(self._candidate(rule, truth) for rule, truth in candidates))
            return np.full(self._subjects.kinds, row, np.uint32)
        kinds, inverse = self._subjects.told_apart(concerned)
        places = {who: at for at, who in enumerate(concerned)}
        which = [places.get(self._who[rule], -1) for rule, _ in candidates]
        anyone = np.full((len(kinds), 1), YES, np.int8)
        truths = np.minimum(np.concatenate((kinds, anyone), axis=1)[:, which], [truth for _, truth in candidates])
        rows = [self._row(candidates, found) for found in truths]
        return np.array(rows, np.uint32)[inverse]

    def _row(self, candidates: Candidates, truths: NDArray[np.int8]) -> int:
        found = np.flatnonzero(truths)
        some = zip(found.tolist(), truths[found].tolist(), strict=True)
        return self._decisions.row(tuple(self._candidate(candidates[at][0], truth) for at, truth in some))

    def _candidate(self, rule: int, truth: int) -> Candidate:
        return rule, truth, self._decisions.literals[rule]

    def _too_large(self) -> CompileError:
        subjects, labels = self._subjects.kinds, len(self._columns)
        return CompileError(
            f"class `{self._name}`: {subjects:,} kinds of subjects times {labels:,} or more kinds of objects are more "
            f"than the {WORDS:,} words of a ruleset",
            hint="let rules share their subjects, or split the policy between scopes",
            limit=WORDS,
            found=subjects * labels,
            policy=self._decisions.only_policy,
        )
