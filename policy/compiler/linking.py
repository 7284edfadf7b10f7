"""
Units → the one ruleset of a node: their automata and words behind each other, their rules by the node's numbers.

Moving a unit is adding: to every state where its automaton begins, to every offset where what it points to went.
Automata and tables of numbers that several units share stand there once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy.compiler.comb import OWNED, REACH, full
from policy.compiler.limits import AUTOMATON_ENTRIES, WORDS
from policy.compiler.ruleset import ProfileTable, RuleReference, Ruleset
from policy.compiler.units import Unit
from policy.compiler.words import Kind
from policy.compiler.words import full as words_full

#: Members of `ProfileTable` that are states of the automaton, and those that are offsets; 0 is none in both.
STATES = ("start", "floating")
OFFSETS = ("pairs", "alone", "path_labels", "domains_table", "ports", "protocols", "families", "syscalls")


def link(units: Sequence[Unit], places: Mapping[str, int], rules: tuple[RuleReference, ...]) -> Ruleset:
    """
    The ruleset of some profiles.

    Args:
        units: Of the profiles, in their order.
        places: Number of each policy's first rule among `rules`; its others and its defaults follow.

    Raises:
        CompileError: Together they are more than a ruleset can hold.
    """
    automata, words = _Automata(), _AllWords()
    counts = _counts(rules)
    tables = []
    for unit in units:
        numbers = [np.arange(places[name], places[name] + counts[name]) for name in unit.table.policies]
        moved = words.add(unit, np.concatenate(numbers).astype(np.uint32))
        tables.append(_moved(unit.table, automata.add(unit.automaton), moved))
    addresses = ((at, *entry) for at, unit in enumerate(units) for entry in unit.addresses)
    given = ((at, *entry) for at, unit in enumerate(units) for entry in unit.numbers)
    return Ruleset(automata.array(), words.array(), tuple(tables), tuple(addresses), tuple(given), rules)


def _counts(rules: Sequence[RuleReference]) -> dict[str, int]:
    """How many rules and defaults each policy has."""
    counts: dict[str, int] = {}
    for rule in rules:
        counts[rule.policy] = counts.get(rule.policy, 0) + 1
    return counts


class _Automata:
    """The node's automaton; entry 0 stays free."""

    def __init__(self) -> None:
        self._parts = [np.zeros((1, 2), np.uint32)]
        self._known: dict[bytes, int] = {}
        self._length = 1

    def add(self, part: NDArray[np.uint32]) -> int:
        """What is to be added to the unit's states."""
        key = part.tobytes()
        if key in self._known:
            return self._known[key]
        base = self._known[key] = self._length - 1  # the part's own entry 0 is left out
        self._length += len(part) - 1
        if self._length > AUTOMATON_ENTRIES - REACH:
            raise full(self._length)
        following, check = part[1:, 0], part[1:, 1]
        used, owned = check > 0, check >= OWNED
        self._parts.append(np.stack((following + used * np.uint32(base), check + owned * np.uint32(base)), axis=1))
        return base

    def array(self) -> NDArray[np.uint32]:
        """With what the last state reaches."""
        return np.concatenate((*self._parts, np.zeros((REACH, 2), np.uint32)))


class _AllWords:
    """The node's words; word 0 stays free."""

    def __init__(self) -> None:
        self._parts = [np.zeros(1, np.uint32)]
        self._known: dict[bytes, int] = {}
        self._length = 1

    def add(self, unit: Unit, numbers: NDArray[np.uint32]) -> "_Moved":
        """Where the unit's words went. `numbers`: by the unit's own number of a rule."""
        moved = self._place(unit)
        words = unit.words.copy()
        offsets, rules = unit.kinds == Kind.OFFSET, unit.kinds == Kind.RULE
        words[offsets] = moved(words[offsets])
        words[rules] = numbers[words[rules]]
        for begin, end in moved.kept:
            self._parts.append(words[begin:end])
        return moved

    def _place(self, unit: Unit) -> "_Moved":
        """Give every piece of the unit its place; tables that are there already keep theirs."""
        begins, goes, kept, at = [0], [0], [], 1
        for offset, length in (*unit.tables, (len(unit.words), 0)):
            if offset > at:
                begins.append(at)
                goes.append(self._length)
                kept.append((at, offset))
                self._length += offset - at
            if length:
                key = unit.words[offset : offset + length].tobytes()
                begins.append(offset)
                goes.append(self._known.setdefault(key, self._length))
                if goes[-1] == self._length:
                    kept.append((offset, offset + length))
                    self._length += length
            at = offset + length
        if self._length > WORDS:
            raise words_full(self._length)
        return _Moved(np.array(begins), np.array(goes), tuple(kept))

    def array(self) -> NDArray[np.uint32]:
        return np.concatenate(self._parts)


class _Moved:
    """
    A unit's offsets as the node's.

    Attributes:
        kept: Begin and end of the unit's words that were laid down, in order.
    """

    def __init__(self, begins: NDArray[np.int64], goes: NDArray[np.int64], kept: tuple[tuple[int, int], ...]) -> None:
        self._begins = begins
        self._shifts = goes - begins
        self.kept = kept

    def __call__(self, offsets: NDArray[np.uint32]) -> NDArray[np.uint32]:
        pieces = np.searchsorted(self._begins, offsets, side="right") - 1
        return (offsets + self._shifts[pieces]).astype(np.uint32)


def _moved(table: ProfileTable, base: int, moved: _Moved) -> ProfileTable:
    offsets = [getattr(table, name) for name in OFFSETS]
    offsets += [offset for one in table.classes for offset in (one.cells, one.table)]
    found = moved(np.array(offsets, np.uint32)).tolist()
    classes = zip(table.classes, found[len(OFFSETS) :: 2], found[len(OFFSETS) + 1 :: 2], strict=True)
    members: dict[str, Any] = dict(zip(OFFSETS, found, strict=False))
    members |= {name: getattr(table, name) and getattr(table, name) + base for name in STATES}
    members["classes"] = tuple(replace(one, cells=cells, table=at) for one, cells, at in classes)
    return replace(table, **members)
