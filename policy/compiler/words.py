"""
The array `words` of a ruleset while it is being filled.

Word 0 is reserved: an offset of 0 means that a table is absent.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import WORDS, CompileError
from policy.compiler.verdicts import Verdict, rank


class Words:
    def __init__(self) -> None:
        self._parts: list[NDArray[np.uint32]] = [np.zeros(1, np.uint32)]
        self._length = 1
        self._offsets: dict[bytes, int] = {}

    def add(self, values: Sequence[int] | NDArray[np.uint32]) -> int:
        """
        The offset of these words; equal ones are stored once.

        Raises:
            CompileError: There is not room for them.
        """
        part = np.asarray(values, np.uint32)
        key = part.tobytes()
        found = self._offsets.get(key)
        if found is not None:
            return found
        if self._length + len(part) > WORDS:
            raise CompileError(
                f"the tables of all policies need {self._length + len(part):,} words; the limit is {WORDS:,}",
                hint="let rules share their subjects, or apply fewer policies to this node",
                limit=WORDS,
                found=self._length + len(part),
            )
        offset = self._offsets[key] = self._length
        self._parts.append(part)
        self._length += len(part)
        return offset

    def verdict(self, verdict: Verdict) -> int:
        """The offset of a decision. Beside what the kernel needs, the top byte has the decision's rank."""
        head = verdict.effect | verdict.error << 8 | len(verdict.also) << 16 | rank(verdict.effect, verdict.error) << 24
        return self.add((head, verdict.rule, *verdict.also))

    def array(self) -> NDArray[np.uint32]:
        return np.concatenate(self._parts)
