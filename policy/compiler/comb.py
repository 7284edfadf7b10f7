"""
Automata → the one array of `struct rf_entry` that the kernel walks.

A state is a header and its edges at fixed distances from it. States of one shape (the same distances) are laid down
together: where the shape fits is found for all places at once, and taken from the lowest place up.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import AUTOMATON_ENTRIES, CompileError
from policy.compiler.minimal import Minimal

#: Set in the `check` of an edge that is a state's own.
OWNED = 1 << 31
#: Entries past a state that a class can reach.
REACH = 256


class Comb:
    """The array while it is being filled; entry 0 stays free, since no state has the index 0."""

    def __init__(self) -> None:
        self._next = np.zeros(AUTOMATON_ENTRIES, np.uint32)
        self._check = np.zeros(AUTOMATON_ENTRIES, np.uint32)
        self._free = np.ones(AUTOMATON_ENTRIES, np.bool_)
        self._free[0] = False
        self._begin = 1  # nothing is free before
        self._used = 1
        self.end = 1  # nothing is used from here on

    def add(self, automaton: Minimal) -> int:
        """
        Lay an automaton down; returns where its start state is.

        Raises:
            CompileError: There is not room for it.
        """
        states = len(automaton.labels)
        needed = states + len(automaton.edge_targets)
        if self._used + needed > AUTOMATON_ENTRIES - REACH:
            raise full(self._used + needed)
        places = np.zeros(states, np.int64)
        for shape, members in _shapes(automaton):
            places[members] = self._place(shape, len(members))
        self._used += needed
        self._write(automaton, places)
        return int(places[automaton.start])

    def entries(self) -> NDArray[np.uint32]:
        """The array up to the last used entry; shape (entries, 2). States reach up to `REACH` entries further."""
        return np.stack((self._next[: self.end], self._check[: self.end]), axis=1)

    def _place(self, shape: tuple[int, ...], count: int) -> NDArray[np.int64]:
        """The lowest places at which `count` states of a shape fit beside each other."""
        chosen: list[int] = []
        begin, span = self._begin, 1 << 14
        last = AUTOMATON_ENTRIES - REACH
        while len(chosen) < count:
            if begin >= last:
                raise full(AUTOMATON_ENTRIES)
            end = min(begin + span, last)
            begin = self._take(shape, begin, end, count, chosen)
        while self._begin < last and not self._free[self._begin]:
            self._begin += 1
        self.end = max(self.end, chosen[-1] + shape[-1] + 1)
        return np.array(chosen, np.int64)

    def _take(self, shape: tuple[int, ...], begin: int, end: int, count: int, chosen: list[int]) -> int:
        """Take places of a window until `count` are chosen or none is left; returns where to go on."""
        free, wanted = self._free, count - len(chosen)
        fits = free[begin:end].copy()
        for distance in shape[1:]:
            fits &= free[begin + distance : end + distance]
        candidates = np.flatnonzero(fits)
        some = 4 * wanted * len(shape)
        if len(candidates) > some:
            end = begin + int(candidates[some])
            candidates = candidates[:some]
        if not len(candidates):
            return end
        low, high = begin + int(candidates[0]), begin + int(candidates[-1]) + shape[-1] + 1
        mark = bytearray(free[low:high].tobytes())
        for at in (candidates - candidates[0]).tolist():
            for distance in shape:
                if not mark[at + distance]:
                    break
            else:
                for distance in shape:
                    mark[at + distance] = 0
                chosen.append(low + at)
                wanted -= 1
                if not wanted:
                    break
        free[low:high] = np.frombuffer(mark, np.bool_)
        return end

    def _write(self, automaton: Minimal, places: NDArray[np.int64]) -> None:
        self._next[places] = places[automaton.defaults]
        self._check[places] = automaton.labels
        owners = np.repeat(places, np.diff(automaton.first))
        at = owners + automaton.edge_classes
        self._next[at] = places[automaton.edge_targets]
        self._check[at] = owners | OWNED


def _shapes(automaton: Minimal) -> Sequence[tuple[tuple[int, ...], list[int]]]:
    """States by shape, those with the most edges first; a shape is the distances used, the header's 0 among them."""
    groups: dict[tuple[int, ...], list[int]] = {}
    first = automaton.first.tolist()
    classes = automaton.edge_classes.tolist()
    for state in range(len(first) - 1):
        groups.setdefault((0, *classes[first[state] : first[state + 1]]), []).append(state)
    return sorted(groups.items(), key=lambda group: (-len(group[0]), group[0]))


def full(found: int) -> CompileError:
    """The automaton has no room for so many entries."""
    return CompileError(
        f"the paths of all policies need {found:,} entries of the automaton; the limit is {AUTOMATON_ENTRIES:,}",
        hint="join paths of one directory into `DIR/**`, or apply fewer policies to this node",
        limit=AUTOMATON_ENTRIES,
        found=found,
    )
