"""
Which rules of a class an object may be meant by, from what its parts satisfy.

Most rules ask one thing of one part, so sets of rules are kept as lists there; rules that ask several things are bits
of a mask, so that parts can be joined in any number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.compiler.parts import Accepted, Part
from policy.compiler.ranges import bits
from policy.compiler.truth import MAYBE, YES

#: (index of the rule, MAYBE or YES), ascending.
Candidates = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """
    What some parts of an object satisfy together.

    Attributes:
        certain, possible: Masks of the rules that ask several things: all that they ask holds, or may hold.
        alone: Of each part, the rules that ask nothing else.
    """

    certain: int
    possible: int
    alone: tuple[Candidates, ...] = ()

    def and_(self, other: "Joined") -> "Joined":
        alone = tuple(one for one in (*self.alone, *other.alone) if one)
        return Joined(self.certain & other.certain, self.possible & other.possible, alone)


class Rules:
    """
    Args:
        parts: Of the class.
        needs: For each rule the (part, ask) that must hold.
    """

    def __init__(self, parts: Sequence[Part], needs: Sequence[Sequence[tuple[int, int]]]) -> None:
        self.parts = parts
        self._always = [(rule, YES) for rule, one in enumerate(needs) if not one]
        self._alone: list[dict[int, list[int]]] = [{} for _ in parts]
        self._several: list[int] = []
        self._masks: list[dict[tuple[int, ...], int]] = [{} for _ in parts]  # by the asks of one part, usually one
        for rule, one in enumerate(needs):
            if len(one) == 1:
                self._alone[one[0][0]].setdefault(one[0][1], []).append(rule)
            elif one:
                self._add(rule, one)
        self._sets = [[wanted for wanted in masks if len(wanted) > 1] for masks in self._masks]

    def _add(self, rule: int, needs: Sequence[tuple[int, int]]) -> None:
        bit = 1 << len(self._several)
        self._several.append(rule)
        for at, masks in enumerate(self._masks):
            wanted = tuple(ask for part, ask in needs if part == at)
            masks[wanted] = masks.get(wanted, 0) | bit

    def everything(self) -> Joined:
        """What no part narrows down yet."""
        whole = (1 << len(self._several)) - 1
        return Joined(whole, whole)

    def joined(self, part: int, accepted: Accepted) -> Joined:
        """What one part satisfies."""
        found = [(rule, YES) for ask in accepted.yes for rule in self._alone[part].get(ask, ())]
        found += [(rule, MAYBE) for ask in accepted.maybe for rule in self._alone[part].get(ask, ())]
        certain, possible = frozenset(accepted.yes), frozenset((*accepted.yes, *accepted.maybe))
        return Joined(self._mask(part, certain), self._mask(part, possible), (tuple(sorted(found)),))

    def _mask(self, part: int, holds: frozenset[int]) -> int:
        masks = self._masks[part]
        mask = masks.get((), 0)
        for ask in holds:
            mask |= masks.get((ask,), 0)
        for wanted in self._sets[part]:
            mask |= masks[wanted] if holds.issuperset(wanted) else 0
        return mask

    def candidates(self, joined: Joined) -> Candidates:
        """The rules that may be meant, given what all parts satisfy."""
        several = [(self._several[bit], YES) for bit in bits(joined.certain)]
        several += [(self._several[bit], MAYBE) for bit in bits(joined.possible & ~joined.certain)]
        found: Iterable[tuple[int, int]] = (*self._always, *several, *(one for part in joined.alone for one in part))
        return tuple(sorted(found))

    def unknown(self) -> Candidates:
        """If nothing of the object could be told."""
        return self.candidates(self._of_all(Accepted(maybe=tuple(part.asks.values())) for part in self.parts))

    def none(self) -> Candidates:
        """If nothing that asks accepts any part of the object; what has no name is still asked for as such."""
        return self.candidates(self._of_all(Accepted(part.of("fileless")) for part in self.parts))

    def _of_all(self, accepted: Iterable[Accepted]) -> Joined:
        joined = self.everything()
        for part, one in enumerate(accepted):
            joined = joined.and_(self.joined(part, one))
        return joined


def classes_of(rules: Rules) -> Iterator[tuple[Part, list[Joined]]]:
    """Of each part, what each of its classes satisfies."""
    for at, part in enumerate(rules.parts):
        yield part, [rules.joined(at, accepted) for accepted in part.classes]
