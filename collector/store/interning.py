"""
Give what many events share a number: subjects and outcomes.

Within a block the distinct ones are found with numpy; each is then looked up in a cache, and only those not in it ask
the database.
"""

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np

from collector.store.events import EventBlock, Int64Array

Key = tuple[int | bytes | str, ...]

#: A cache beyond this many entries is emptied; the database still knows them.
CACHE_LIMIT = 200_000

_SUBJECT = ("exe", "comm", "cgroup_id", "uid", "gid", "cgroup", "workload")
_OUTCOME = (
    "generation",
    "policy",
    "rule",
    "class",
    "effect",
    "reason",
    "verdict",
    "protocol",
    "action",
    "mode",
    "severity",
    "message",
)
#: Odd multipliers, one a column, so that sums of products differ where rows do (checked, not trusted).
_MULTIPLIERS = np.random.default_rng().integers(1, 2**62, size=16, dtype=np.int64) * 2 + 1


def distinct(arrays: Sequence[Int64Array]) -> tuple[Int64Array, Int64Array]:
    """
    Find the distinct rows of some columns of equal length.

    Returns:
        Positions of the first of each distinct row, and for every row the index of its own in those.
    """
    mixed = sum((array * multiplier for array, multiplier in zip(arrays, _MULTIPLIERS, strict=False)), np.int64(0))
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if not all(np.array_equal(array[first][inverse], array) for array in arrays):
        _, first, inverse = np.unique(np.column_stack(arrays), axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


class Interner:
    """Numbers for rows of one table, remembered."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        conditions = " AND ".join(f"{name} = ?" for name in columns)
        self._select = f"SELECT id FROM {table} WHERE {conditions}"  # noqa: S608 - names are ours
        self._insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names are ours
        self._cache: dict[Key, int] = {}

    def number(self, connection: sqlite3.Connection, key: Key) -> int:
        """The number of `key`, given now if it has none."""
        if (known := self._cache.get(key)) is not None:
            return known
        if len(self._cache) >= CACHE_LIMIT:
            self._cache.clear()
        row = connection.execute(self._select, key).fetchone()
        number = int(row[0] if row else connection.execute(self._insert, key).lastrowid or 0)
        self._cache[key] = number
        return number

    def forget(self) -> None:
        """Empty the cache: what it learned may have been rolled back, or removed."""
        self._cache.clear()


def subjects() -> Interner:
    """The interner of who acted."""
    return Interner("subjects", _SUBJECT)


def outcomes() -> Interner:
    """The interner of what was decided."""
    return Interner("outcomes", _OUTCOME)


def subject_numbers(connection: sqlite3.Connection, interner: Interner, block: EventBlock) -> Int64Array:
    """The subject's number of every event of a block."""
    columns, names = block.columns, block.names

    def key(position: int) -> Key:
        return (
            names[columns.exe[position]],
            names[columns.comm[position]],
            int(columns.cgroup_id[position]),
            int(columns.uid[position]),
            int(columns.gid[position]),
            names[columns.cgroup[position]],
            names[columns.workload[position]],
        )

    arrays = [getattr(columns, name) for name in _SUBJECT]
    return _numbers(connection, interner, arrays, key)


def outcome_numbers(connection: sqlite3.Connection, interner: Interner, block: EventBlock) -> Int64Array:
    """The outcome's number of every event of a block."""
    columns = block.columns

    def key(position: int) -> Key:
        rule = block.rules[columns.rule[position]]
        return (
            int(columns.generation[position]),
            rule.policy,
            rule.rule,
            int(columns.class_[position]),
            int(columns.effect[position]),
            int(columns.reason[position]),
            int(columns.verdict[position]),
            int(columns.protocol[position]),
            rule.action,
            rule.mode,
            rule.severity,
            rule.message,
        )

    arrays = [
        columns.generation,
        columns.rule,
        columns.class_,
        columns.effect,
        columns.reason,
        columns.verdict,
        columns.protocol,
    ]
    return _numbers(connection, interner, arrays, key)


def _numbers(
    connection: sqlite3.Connection, interner: Interner, arrays: Sequence[Int64Array], key: Callable[[int], Key]
) -> Int64Array:
    first, inverse = distinct(arrays)
    numbers = np.array([interner.number(connection, key(int(position))) for position in first], dtype=np.int64)
    return numbers[inverse]
