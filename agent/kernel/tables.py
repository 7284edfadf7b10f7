"""The arrays of a ruleset as the bytes that its maps hold. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent import abi
from policy.compiler.comb import OWNED
from policy.compiler.ruleset import ProfileTable, Ruleset


class RulesetLimitError(Exception):
    """
    A ruleset, or its scopes, is past what the maps hold.

    Attributes:
        what, found, limit: Of what there is too much, how much, how much may be.
    """

    def __init__(self, what: str, found: int, limit: int) -> None:
        super().__init__(f"too many {what}: found {found}, at most {limit}")
        self.what, self.found, self.limit = what, found, limit


@dataclass(frozen=True, slots=True)
class Table:
    """
    Content of an inner map.

    Attributes:
        entries: For how many elements the map is to be made; at least 1.
        count: Elements given; those of an array count from 0.
        keys, values: Each `count` of them, one after the other.
    """

    entries: int
    count: int
    keys: bytes
    values: bytes


def tables_of(ruleset: Ruleset, processors: int) -> dict[str, Table]:
    """
    What to write into a slot, by the name of the outer map; scopes apart.

    Raises:
        RulesetLimitError: A table is past the size of its map.
    """
    _limit("automaton entries", len(ruleset.automaton), abi.AUTOMATON_ENTRIES)
    _limit("words", len(ruleset.words), abi.WORDS)
    return {
        "automatons": Table(1, 1, bytes(4), _entries(ruleset.automaton).tobytes()),
        "words": Table(1, 1, bytes(4), np.ascontiguousarray(ruleset.words, dtype="<u4").tobytes()),
        "profiles": _profiles(ruleset.profiles, ruleset.words),
        "addresses": _addresses(ruleset.addresses),
        "numbers": _numbers(ruleset.numbers),
        "counters": Table(max(1, len(ruleset.rules) * processors), 0, b"", b""),
    }


def scope_table(scopes: Mapping[int, int], since: Mapping[int, int], epoch: int, profiles: int, limit: int) -> Table:
    """
    Args:
        scopes: Profile by cgroup number.
        since: Epoch by cgroup number, of those that have been scopes before.
        epoch: For the others.

    Raises:
        RulesetLimitError: There are more than `limit`, or one names a profile past the ruleset's.
    """
    _limit("scopes", len(scopes), limit)
    _limit("profiles", max(scopes.values(), default=-1) + 1, profiles)
    ordered = sorted(scopes)
    values = np.zeros(len(ordered), abi.SCOPE)
    values["since"] = [since.get(cgroup, epoch) for cgroup in ordered]
    values["profile"] = [scopes[cgroup] for cgroup in ordered]
    return Table(limit, len(ordered), np.array(ordered, "<u8").tobytes(), values.tobytes())


def _limit(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise RulesetLimitError(what, found, limit)


def _profiles(profiles: tuple[ProfileTable, ...], words: NDArray[np.uint32]) -> Table:
    rows = np.zeros(len(profiles), abi.PROFILE)
    for row, profile in zip(rows, profiles, strict=True):
        for name in _PLAIN:
            row[name] = getattr(profile, name)
        row["unix_base"] = profile.unix_base if _names_sockets(profile, words) else 0
        for number, one in enumerate(profile.classes):
            row["classes"][number] = (one.cells, one.labels, one.table, one.sizes, one.asked)
        row["byte_classes"] = np.frombuffer(profile.byte_classes, "u1")
    keys = np.arange(len(profiles), dtype="<u4").tobytes()
    return Table(max(1, len(profiles)), len(profiles), keys, rows.tobytes())


def _entries(automaton: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """
    The automaton as the programs read it: states are byte offsets, and a check that is odd is a label.

    Args:
        automaton: (next, check) counted in entries, shape (entries, 2); a check with OWNED is a state, else a label.
    """
    entries = np.empty(automaton.shape, "<u4")
    np.left_shift(automaton, abi.LABEL_SHIFT, out=entries)  # OWNED falls off at the top
    entries[:, 1] |= automaton[:, 1] < OWNED
    return entries


def _names_sockets(profile: ProfileTable, words: NDArray[np.uint32]) -> bool:
    """Whether a rule asks for names of unix sockets: then some name means more to it than none does."""
    end = profile.path_labels + abi.PATH_COLUMNS * profile.path_label_count
    column = words[profile.path_labels + abi.Column.UNIX : end : abi.PATH_COLUMNS]
    return bool((column > abi.LABEL_NAMELESS).any())


def _addresses(addresses: tuple[tuple[int, int, bytes, int], ...]) -> Table:
    keys = np.zeros(len(addresses), abi.ADDRESS_KEY)
    for key, (profile, length, address, _) in zip(keys, addresses, strict=True):
        key["prefix_length"], key["profile"] = 32 + length, profile
        key["address"] = np.frombuffer(address, "u1")
    # The trie compares bits in the order of memory: the profile's 32 come first, as the programs write them.
    values = np.array([class_ for *_, class_ in addresses], "<u4")
    return Table(max(1, len(addresses)), len(addresses), keys.tobytes(), values.tobytes())


def _numbers(numbers: tuple[tuple[int, int, int, int], ...]) -> Table:
    keys = np.zeros(len(numbers), abi.NUMBER_KEY)
    if numbers:
        keys["profile"], keys["kind"], keys["id"] = zip(*[entry[:3] for entry in numbers], strict=True)
    values = np.array([class_ for *_, class_ in numbers], "<u4")
    return Table(max(1, len(numbers)), len(numbers), keys.tobytes(), values.tobytes())


_PLAIN = tuple(name for name in abi.PROFILE.names or () if name not in ("classes", "byte_classes"))
