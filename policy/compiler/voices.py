"""
Which of two signatures decides, when one name has both: by numbers, for many pairs at once.

One decides alone in two cases. Either it hides the other: at every place (policy, part, operation) its rules come
before the other's and ask nothing else. Or each of them is the *voice* of one policy wherever it says anything at all,
and then the stricter voice is heard, or of one policy the earlier rule.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from policy.compiler.asks import Ask
from policy.compiler.subsets import Precedence
from policy.compiler.verdicts import effect_of, rank
from policy.model.types import Class, Effect, Policy, Rule

#: Who decides a pair: the floating signature, the anchored one, or perhaps neither alone.
FLOATING, ANCHORED, OPEN = 0, -1, 1

_NEVER = np.iinfo(np.int32).max
_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Sides:
    """
    Signatures as numbers, a row each. `NEVER` stands for no rule.

    Attributes:
        needs: Earliest rule that it may matter to, by place.
        hides: Rule from which on nothing matters, given it, by place.
        rules: Rule that it is the voice of, by part and operation.
        policies: That rule's policy; -1: it says nothing.
        orders: How strict that is: the least is heard.
        single: Whether it is one policy's voice wherever it says anything; shape (signatures,).
    """

    needs: NDArray[np.int32]
    hides: NDArray[np.int32]
    rules: NDArray[np.int32]
    policies: NDArray[np.int32]
    orders: NDArray[np.int64]
    single: NDArray[np.bool_]

    def __getitem__(self, some: NDArray[np.int64] | slice) -> "Sides":
        return Sides(*(getattr(self, one.name)[some] for one in fields(Sides)))

    def order(self) -> NDArray[np.int64]:
        """The signatures in an order in which those that win against the same others stand together."""
        heard = np.where(self.single[:, None] & (self.policies >= 0), self.orders, _NEVER)
        return np.lexsort(np.concatenate((heard, self.rules, self.needs), axis=1).T[::-1])


class Ranks:
    """
    Precedence as arrays.

    Attributes:
        places: How many; the last is for what nothing hides.
        columns: How many parts and operations are told apart.
    """

    def __init__(self, precedence: Precedence, joined: Precedence) -> None:
        """`joined`: as of `Precedence.joined`."""
        self._precedence = precedence
        places = _numbered(chain.from_iterable(one or () for one in (*joined.needs, *joined.hides)))
        self.places = len(places) + 1
        self._needs, self._hides = (_table(some, places, self.places) for some in (joined.needs, joined.hides))
        self._needs[[atom for atom, needs in enumerate(precedence.needs) if needs is None], -1] = 0
        parts = self._columns()
        self.columns = len(parts)
        self._voices(parts)

    def of(self, signatures: Sequence[Sequence[int]]) -> Sides:
        """All of each signature's atoms together; the first signature is the empty one."""
        atoms = np.array([atom for signature in signatures for atom in signature], np.int64)
        lengths = np.array([len(signature) for signature in signatures], np.int64)
        begins = (np.cumsum(lengths) - lengths)[1:]

        def least(table: NDArray[np.int32]) -> NDArray[np.int32]:
            found = np.full((len(signatures), table.shape[1]), _NEVER, np.int32)
            if len(atoms):
                found[1:] = np.minimum.reduceat(table[atoms], begins, axis=0)
            return found

        needs, rules, low, high = map(least, (self._needs, self._rules, self._low, self._high))
        silent = rules == _NEVER
        orders = np.where(silent, -1, self._orders[np.arange(self.columns), np.where(silent, 0, rules)])
        single = silent | ((low == -high) & (rules == least(self._sure)) & (orders >= 0))
        alone = single.all(axis=1) & (needs[:, -1] == _NEVER)
        return Sides(needs, least(self._hides), rules, np.where(silent, -1, low), orders, alone)

    def _columns(self) -> dict[tuple[str, str], int]:
        """Number of each (part, operation); of those that all atoms treat alike the first stands for all."""
        said: dict[tuple[str, str], list[tuple[int, ...]]] = {}
        for atom, (needs, hides) in enumerate(zip(self._precedence.needs, self._precedence.hides, strict=True)):
            for place, rule in (needs or {}).items():
                entry = (atom, place[0], rule, hides.get(place, -1))
                said.setdefault((place[1], place[2]), []).append(entry)
        first: dict[tuple[object, ...], tuple[str, str]] = {}
        for column, entries in said.items():
            first.setdefault((column[0], *entries), column)
        return _numbered(first.values())

    def _voices(self, columns: Mapping[tuple[str, str], int]) -> None:
        """By atom and column: its earliest rule, its earliest that asks nothing else, and the span of its policies."""
        shape = (len(self._precedence.needs), self.columns)
        self._rules, self._sure, self._low, self._high = (np.full(shape, _NEVER, np.int32) for _ in range(4))
        for atom, (needs, hides) in enumerate(zip(self._precedence.needs, self._precedence.hides, strict=True)):
            for place, rule in (needs or {}).items():
                column = columns.get(place[1:])
                if column is None:
                    continue
                at = atom, column
                self._rules[at] = min(self._rules[at], rule)
                self._sure[at] = min(self._sure[at], hides.get(place, _NEVER))
                self._low[at] = min(self._low[at], place[0])
                self._high[at] = min(self._high[at], -place[0])
        width = max((len(orders) for orders in self._precedence.orders.values()), default=0) or 1
        self._orders = np.full((self.columns, width), -1, np.int64)
        for (part, _), column in columns.items():
            orders = self._precedence.orders.get(part, ())
            self._orders[column, : len(orders)] = orders


def hidden(upper: Sides, lower: Sides) -> NDArray[np.int8]:
    """Who decides each pair, as far as one hides the other; shape (anchored, floating)."""
    above = np.ones((len(upper.needs), len(lower.needs)), np.bool_)
    below = above.copy()
    for place in range(upper.needs.shape[1]):
        above &= lower.needs[None, :, place] >= upper.hides[:, None, place]
        below &= upper.needs[:, None, place] >= lower.hides[None, :, place]
    return _decided(above, below)


def heard(upper: Sides, lower: Sides) -> NDArray[np.int8]:
    """Who decides each pair, as far as both are voices; shape (anchored, floating)."""
    above = upper.single[:, None] & lower.single[None, :]
    below = above.copy()
    for column in range(upper.rules.shape[1]):
        policy, other = upper.policies[:, None, column], lower.policies[None, :, column]
        first = upper.rules[:, None, column] <= lower.rules[None, :, column]
        stricter = upper.orders[:, None, column] < lower.orders[None, :, column]
        wins = np.where(policy == other, first, stricter)
        above &= (other < 0) | ((policy >= 0) & wins)
        below &= (policy < 0) | ((other >= 0) & ~wins)
    return _decided(above, below)


def _decided(above: NDArray[np.bool_], below: NDArray[np.bool_]) -> NDArray[np.int8]:
    return np.where(below, FLOATING, np.where(above, ANCHORED, OPEN)).astype(np.int8)


def orders_of(
    rules: Mapping[Class, Sequence[tuple[int, Rule, tuple[Ask, ...]]]], policies: Sequence[Policy]
) -> dict[str, list[int]]:
    """
    How strict each rule is, by part and the rule's index in its class: the least is heard; -1: that depends.

    It depends where a policy has rules that do not ask for the name; where the rule is less strict than what its
    policy says without it; and for would-denies, which are counted though others are heard.
    """
    found = {}
    for class_, of_class in rules.items():
        for part in {ask.part for _, _, asks in of_class for ask in asks if ask.patterns}:
            named = [any(ask.patterns and ask.part == part for ask in asks) for _, _, asks in of_class]
            vague = {place for (place, _, _), one in zip(of_class, named, strict=True) if not one}
            found[f"{class_}.{part}"] = [
                -1 if place in vague else _order(policies, place, class_, rule) for place, rule, _ in of_class
            ]
    return found


def _order(policies: Sequence[Policy], place: int, class_: Class, rule: Rule) -> int:
    policy = policies[place]
    effect, without = effect_of(policy, rule.action), effect_of(policy, policy.default(class_))
    if effect is Effect.WOULD_DENY or effect < without:
        return -1
    return (rank(Effect.KILL, False) - rank(effect, False)) * len(policies) + place


def _numbered(things: Iterable[_Thing]) -> dict[_Thing, int]:
    """In the order met."""
    return {thing: at for at, thing in enumerate(dict.fromkeys(things))}


def _table(
    atoms: Sequence[Mapping[tuple[int, str, str], int] | None], places: Mapping[tuple[int, str, str], int], width: int
) -> NDArray[np.int32]:
    table = np.full((len(atoms), width), _NEVER, np.int32)
    for at, one in enumerate(atoms):
        for place, rule in (one or {}).items():
            table[at, places[place]] = rule
    return table
