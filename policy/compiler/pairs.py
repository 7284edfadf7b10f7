"""
Two automata read every name: one of the patterns that are anchored at the root, one of those that float (`/**/name`).
Together in one automaton every floating pattern would multiply with every directory. Here what a name matches is a
pair of signatures, and a *row* for each anchored one says what each floating one beside it amounts to.

Nearly always one of the two decides alone, which `policy.compiler.voices` tells of all pairs at once. Other pairs are
written out one by one, which is bounded.

A name that the anchored automaton knows letter by letter has one floating signature, which is looked up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import PAIR_STEPS, PAIRS
from policy.compiler.subsets import Automaton, Explosion, Precedence
from policy.compiler.voices import FLOATING, OPEN, Ranks, Sides, heard, hidden

#: Runs of a row: (end, value), ascending; the end is exclusive.
Runs = tuple[tuple[int, int], ...]

_CHUNK = 1 << 20  # comparisons made at once


@dataclass(frozen=True, slots=True)
class Pairs:
    """
    What pairs of an anchored and a floating signature amount to.

    Attributes:
        labels: Label of each floating signature, from 1, which is nothing matched; int64.
        rows: Of each anchored signature, by the floating label; values are `voices.FLOATING`, `voices.ANCHORED`, or
            1 + an index into `written`.
        written: Joint signatures of the pairs that neither decides alone.
    """

    labels: NDArray[np.int64]
    rows: tuple[Runs, ...]
    written: tuple[tuple[int, ...], ...]


def pair(anchored: Automaton, floating: Automaton, precedence: Precedence, joined: Precedence) -> Pairs:
    """
    Args:
        joined: As of `Precedence.joined`.

    Raises:
        Explosion: More pairs are to be written out, or compared, than `limits` allows.
    """
    if len(floating.signatures) == 1:
        return Pairs(np.ones(1, np.int64), (((2, FLOATING),),) * len(anchored.signatures), ())
    ranks = Ranks(precedence, joined)
    upper, lower = ranks.of(anchored.signatures), ranks.of(floating.signatures)
    order = np.concatenate(([0], 1 + lower[1:].order()))
    labels = np.empty(len(order), np.int64)
    labels[order] = np.arange(1, len(order) + 1)
    below = lower[order]
    joint = _Joint(anchored.signatures, [floating.signatures[at] for at in order.tolist()])
    known = _literal(anchored, floating)
    rows: list[Runs] = [((len(order) + 1, FLOATING),)] * len(anchored.signatures)
    for at, values in _Comparison(joint, ranks, upper, below).of(np.flatnonzero(~known.only)):
        rows[at] = _runs(joint.values(at, values))
    for at, seen in known.beside.items():
        rows[at] = _literal_row(joint, at, np.unique(labels[seen]), len(order), upper, below)
    return Pairs(labels, tuple(rows), joint.written())


class _Comparison:
    """Who decides the pairs of many anchored signatures and all floating ones, some at a time."""

    def __init__(self, joint: "_Joint", ranks: Ranks, upper: Sides, below: Sides) -> None:
        self._joint, self._ranks, self._upper, self._below = joint, ranks, upper, below
        self._steps = 0

    def of(self, wild: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int8]]]:
        """Of each of these anchored signatures, by the floating label less 1."""
        count = len(self._below.single)
        size = max(1, _CHUNK // count)
        for begin in range(0, len(wild), size):
            some = wild[begin : begin + size]
            self._spend(len(some) * count * self._ranks.columns)
            decided = heard(self._upper[some], self._below)
            rest = np.flatnonzero((decided == OPEN).any(axis=1))
            self._spend(len(rest) * count * self._ranks.places)
            again = hidden(self._upper[some[rest]], self._below)
            decided[rest] = np.where(decided[rest] == OPEN, again, decided[rest])
            yield from zip(some.tolist(), decided, strict=True)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > PAIR_STEPS:
            raise self._joint.explosion(f"{PAIR_STEPS:,} comparisons of pairs", PAIR_STEPS)


class _Joint:
    """Pairs that are written out."""

    def __init__(self, anchored: Sequence[tuple[int, ...]], floating: Sequence[tuple[int, ...]]) -> None:
        self._anchored = anchored
        self._floating = floating
        self._numbers: dict[tuple[int, ...], int] = {}
        self._above: Counter[int] = Counter()
        self._below: Counter[int] = Counter()

    def values(self, at: int, decided: NDArray[np.int8]) -> NDArray[np.int32]:
        """A row's values, by the floating label less 1."""
        values = decided.astype(np.int32)
        values[0] = values[1] if len(values) > 1 else FLOATING  # nobody asks when nothing floating is matched
        open_ = np.flatnonzero(decided[1:] == OPEN) + 1
        self._above[at] += len(open_)
        self._below.update(open_.tolist())
        if len(self._numbers) + len(open_) > PAIRS:
            raise self.explosion(f"{PAIRS:,} pairs", PAIRS)
        for label in open_.tolist():
            values[label] = self._number(at, label)
        values[0] = values[1] if len(values) > 1 else FLOATING
        return values

    def _number(self, at: int, label: int) -> int:
        signature = tuple(sorted({*self._anchored[at], *self._floating[label]}))
        return self._numbers.setdefault(signature, len(self._numbers) + 1)

    def written(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._numbers)

    def explosion(self, passed: str, limit: int) -> Explosion:
        """The atoms of those that stand in the most pairs, one of each kind first."""
        above = [at for at, _ in self._above.most_common(3) if self._anchored[at]] or [len(self._anchored) - 1]
        below = [at for at, _ in self._below.most_common(2)] or [len(self._floating) - 1]
        atoms = [self._anchored[above[0]][0], *(self._floating[at][0] for at in below)]
        return Explosion(list(dict.fromkeys(atoms)), passed, limit)


def _runs(values: NDArray[np.int32]) -> Runs:
    """Values by label, from label 1, as runs."""
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 2, len(values) + 1)
    return tuple(zip(ends.tolist(), values[ends - 2].tolist(), strict=True))


def _literal_row(joint: _Joint, at: int, labels: NDArray[np.int64], count: int, upper: Sides, below: Sides) -> Runs:
    """The row of an anchored signature that only meets some floating labels, the same in as few runs as can be."""
    some = np.concatenate(([1], labels[labels > 1])) - 1
    decided = np.full(count, FLOATING, np.int8)
    decided[some] = hidden(upper[at : at + 1], below[some])[0]
    values = joint.values(at, decided)
    for before, label in zip(some.tolist(), [*some[1:].tolist(), count], strict=True):
        values[before:label] = values[before]
    return _runs(values)


@dataclass(frozen=True, slots=True)
class _Literal:
    """
    Attributes:
        only: Whether an anchored signature is found at literal names only; bool, shape (signatures,).
        beside: For those of them that meet floating signatures: which.
    """

    only: NDArray[np.bool_]
    beside: Mapping[int, NDArray[np.int64]]


def _literal(anchored: Automaton, floating: Automaton) -> _Literal:
    """Read every name of the anchored trie with the floating automaton, a letter of all of them at a time."""
    begin = anchored.levels[0]
    only = np.ones(len(anchored.signatures), np.bool_)
    only[anchored.accepts[:begin]] = False
    owners = np.repeat(np.arange(len(floating.defaults)), np.diff(floating.first))
    keys = owners << 8 | floating.edge_classes
    states = np.full(len(anchored.accepts), floating.start, np.int64)
    for low, high in zip(anchored.levels[:-1], anchored.levels[1:], strict=True):
        edges = slice(anchored.first[low], anchored.first[high])
        targets = anchored.edge_targets[edges]
        inside = targets >= begin
        source = np.repeat(np.arange(low, high), np.diff(anchored.first[low : high + 1]))[inside]
        states[targets[inside]] = _step(floating, keys, states[source], anchored.edge_classes[edges][inside])
    mine, theirs = anchored.accepts[begin:], floating.accepts[states[begin:]]
    met = np.unique(np.stack((mine, theirs))[:, only[mine] & (theirs > 0)], axis=1)
    rows, firsts = np.unique(met[0], return_index=True)
    return _Literal(only, dict(zip(rows.tolist(), np.split(met[1], firsts[1:]), strict=True)) if len(rows) else {})


def _step(
    automaton: Automaton, keys: NDArray[np.int64], states: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where each of the states goes with the class beside it; `keys`: (state << 8 | class) of every edge."""
    wanted = states << 8 | classes
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[at] == wanted, automaton.edge_targets[at], automaton.defaults[states])
