"""
The array `words` of a ruleset while it is being filled.

Word 0 is reserved: an offset of 0 means that a table is absent. Beside each word stands its kind, so that the words of
profiles that were compiled apart can be moved behind each other (`policy.compiler.linking`).
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import WORDS, CompileError
from policy.compiler.verdicts import Verdict, rank


class Kind(IntEnum):
    """What a word is: a plain number, the offset of other words (0: of none), or the number of a rule."""

    NUMBER = 0
    OFFSET = 1
    RULE = 2


#: A run of plain numbers that is at least so long is worth sharing between profiles.
_TABLE = 32


class Words:
    """
    Attributes:
        tables: (offset, length) of long runs of plain numbers, ascending; profiles can share them.
    """

    def __init__(self) -> None:
        self.tables: list[tuple[int, int]] = []
        self._parts: list[NDArray[np.uint32]] = [np.zeros(1, np.uint32)]
        self._kinds: list[bytes] = [b"\0"]
        self._length = 1
        self._offsets: dict[tuple[bytes, bytes], int] = {}

    def add(self, values: Sequence[int] | NDArray[np.uint32], kind: Kind = Kind.NUMBER) -> int:
        """
        The offset of these words, all of one kind; equal ones are stored once.

        Raises:
            CompileError: There is not room for them.
        """
        return self.mixed(values, bytes((kind,)) * len(values))

    def mixed(self, values: Sequence[int] | NDArray[np.uint32], kinds: bytes) -> int:
        """The offset of these words, each with the kind beside it. Raises as `add`."""
        part = np.asarray(values, np.uint32)
        key = part.tobytes(), kinds
        found = self._offsets.get(key)
        if found is not None:
            return found
        if self._length + len(part) > WORDS:
            raise full(self._length + len(part))
        offset = self._offsets[key] = self._length
        if len(part) >= _TABLE and not any(kinds):
            self.tables.append((offset, len(part)))
        self._parts.append(part)
        self._kinds.append(kinds)
        self._length += len(part)
        return offset

    def verdict(self, verdict: Verdict) -> int:
        """The offset of a decision. Beside what the kernel needs, the top byte has the decision's rank."""
        top = rank(verdict.effect, verdict.error) << 24 | verdict.errno.number << 16
        head = top | len(verdict.also) << 8 | verdict.error << 4 | verdict.effect
        kinds = bytes((Kind.NUMBER, *[Kind.RULE] * (1 + len(verdict.also))))
        return self.mixed((head, verdict.rule, *verdict.also), kinds)

    def array(self) -> NDArray[np.uint32]:
        return np.concatenate(self._parts)

    def kinds(self) -> NDArray[np.uint8]:
        """The `Kind` of each word of `array`."""
        return np.frombuffer(b"".join(self._kinds), np.uint8)


def full(found: int) -> CompileError:
    """There is no room for so many words."""
    return CompileError(
        f"the tables of all policies need {found:,} words; the limit is {WORDS:,}",
        hint="let rules share their subjects, or apply fewer policies to this node",
        limit=WORDS,
        found=found,
    )
