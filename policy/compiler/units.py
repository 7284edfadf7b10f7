"""
A unit: one profile compiled by itself, as if there were no other.

Its automaton, words and rule numbers count from its own beginning; `policy.compiler.linking` puts units behind each
other. So a profile whose policies did not change need not be compiled again: units are kept as bytes, by a key made
of all that they depend on.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Protocol

import msgpack
import numpy as np
from numpy.typing import NDArray

from policy.compiler.ruleset import ProfileTable, packed_table, unpacked_table
from policy.model.types import Policy

#: Changed with whatever makes the same policies other units.
FORMAT = 2
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Unit:
    """
    Attributes:
        automaton: (next, check) for each entry, entry 0 unused; uint32, shape (entries, 2).
        words: uint32, shape (words,); word 0 is unused.
        kinds: `words.Kind` of each word; uint8.
        tables: (offset, length) of words that are numbers only and may stand anywhere, ascending.
        table: Offsets and states are the unit's own.
        addresses, numbers: As in `Ruleset`, without the profile.
    """

    automaton: NDArray[np.uint32]
    words: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    tables: tuple[tuple[int, int], ...]
    table: ProfileTable
    addresses: tuple[tuple[int, bytes, int], ...]
    numbers: tuple[tuple[int, int, int], ...]

    def to_bytes(self) -> bytes:
        """This unit for later; equal units give equal bytes."""
        body = msgpack.packb(
            {
                "format": FORMAT,
                "automaton": self.automaton.astype("<u4").tobytes(),
                "words": self.words.astype("<u4").tobytes(),
                "kinds": self.kinds.tobytes(),
                "tables": self.tables,
                "table": packed_table(self.table),
                "addresses": self.addresses,
                "numbers": self.numbers,
            }
        )
        return hashlib.sha256(body).digest() + bytes(body)

    @staticmethod
    def from_bytes(data: bytes) -> "Unit | None":
        """The unit that `to_bytes` wrote; None: the bytes are damaged, or another version's."""
        if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
            return None
        found = msgpack.unpackb(data[_DIGEST:], use_list=False)
        if found.pop("format") != FORMAT:
            return None
        arrays = {
            "automaton": np.frombuffer(found["automaton"], "<u4").reshape(-1, 2),
            "words": np.frombuffer(found["words"], "<u4"),
            "kinds": np.frombuffer(found["kinds"], np.uint8),
        }
        return Unit(**found | arrays | {"table": unpacked_table(found["table"])})


class Cache(Protocol):
    """Bytes by key, kept for as long as there is room. It may forget, and give back what is damaged."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, data: bytes) -> None: ...


def key(policies: Sequence[Policy], architecture: str, known: dict[int, bytes]) -> str:
    """
    What a unit depends on, as a digest in hexadecimal.

    Args:
        known: Digests of policies by identity, filled here: a policy is often part of many profiles.
    """
    digest = hashlib.sha256(repr((FORMAT, architecture, len(policies))).encode())
    for policy in policies:
        if id(policy) not in known:
            known[id(policy)] = hashlib.sha256(msgpack.packb(policy, default=_members)).digest()
        digest.update(known[id(policy)])
    return digest.hexdigest()


def _members(value: Any) -> tuple[Any, ...]:
    """A value of the model as msgpack takes it: its kind and its members, but for where it stands in a file."""
    kind = type(value)
    if kind not in _READERS:
        _READERS[kind] = attrgetter("__class__.__name__", *(one.name for one in fields(kind) if one.name != "position"))
    members: tuple[Any, ...] = _READERS[kind](value)
    return members


_READERS: dict[type, Callable[[Any], Any]] = {}
