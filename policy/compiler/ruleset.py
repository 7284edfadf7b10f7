"""
The bytes the compiler makes for the kernel, in the shapes of `bpf/include/abi.h`.

Offsets inside a ruleset are indices into `words`; `agent.kernel` writes the arrays into maps as they are.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from policy.model.types import Action, Class, Mode


@dataclass(frozen=True, slots=True)
class RuleReference:
    """What a rule's number, its index in `Ruleset.rules`, means; a class default has the rule id `default:CLASS`."""

    policy: str
    rule: str
    class_: Class
    action: Action
    mode: Mode
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class ClassTable:
    """
    `struct rf_class`, member by member: how a profile decides about one class.

    Attributes:
        cells: Offset; row = words[cells + (domain * credentials + credential) * labels + label].
        labels: Count, 0 and 1 included; 0: the class decides nothing.
        table: Offset of the label of each combination of the classes of an object's parts; 0: the first part's class
            is the label.
        sizes: Classes of the second, third and fourth part; 1 where there is none.
        asked: Bits of the operations that some rule or default does not simply allow; the kernel asks about no other.
    """

    cells: int = 0
    labels: int = 0
    table: int = 0
    sizes: tuple[int, int, int] = (1, 1, 1)
    asked: int = 0


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """
    `struct rf_profile`, member by member; see there for what each offset leads to.

    Attributes:
        classes: One entry a class number, `CLASSES` of them; entry 0 is unused.
        byte_classes: 256 bytes, each 1 or more; of both automata.
        policies: Names of the profile's policies, sorted; not part of what the kernel gets.
    """

    start: int
    floating: int
    pairs: int
    alone: int
    path_labels: int
    path_label_count: int
    domains: int
    domains_table: int
    parents: int
    credentials: int
    gid_classes: int
    has_credentials: int
    ports: int
    protocols: int
    families: int
    address_default: int
    unix_base: int
    syscalls: int
    classes: tuple[ClassTable, ...]
    byte_classes: bytes
    policies: tuple[str, ...] = ()


class NumberKind(IntEnum):
    """What an entry of `Ruleset.numbers` is the number of."""

    USER = 0
    GROUP = 1
    CAPABILITY = 2
    NAMESPACE = 3
    SIGNAL = 4
    CREDENTIAL = 5
    CHAR_DEVICE = 6
    CHAR_MAJOR = 7
    BLOCK_DEVICE = 8
    BLOCK_MAJOR = 9


#: Columns of a path label's row in `words`.
PATH_COLUMNS = 10
#: Rows of `ProfileTable.classes`.
CLASSES = 16
#: Number of a device is major << MINOR_BITS | minor.
MINOR_BITS = 20
#: Id of kinds CHAR_MAJOR and BLOCK_MAJOR: every device of the kind that no other entry tells apart.
MAJOR_ANY = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Ruleset:
    """
    Everything the kernel needs for one generation.

    Attributes:
        automaton: (next, check) for each entry; uint32, shape (entries, 2).
        words: uint32, shape (words,).
        profiles: In the order of the profiles given to the compiler.
        addresses: (profile, prefix length of 0..128, 16 address bytes, address class).
        numbers: (profile, `NumberKind`, id, class).
        rules: What rule numbers mean; one counter each.
    """

    automaton: NDArray[np.uint32]
    words: NDArray[np.uint32]
    profiles: tuple[ProfileTable, ...]
    addresses: tuple[tuple[int, int, bytes, int], ...]
    numbers: tuple[tuple[int, int, int, int], ...]
    rules: tuple[RuleReference, ...]

    def to_bytes(self) -> bytes:
        """This ruleset for another process: a digest, then msgpack; equal rulesets give equal bytes."""
        body = msgpack.packb(
            {
                "format": FORMAT,
                "automaton": self.automaton.astype("<u4").tobytes(),
                "words": self.words.astype("<u4").tobytes(),
                "profiles": [packed_table(profile) for profile in self.profiles],
                "addresses": self.addresses,
                "numbers": self.numbers,
                "rules": [_members(RuleReference)(rule) for rule in self.rules],
            }
        )
        return hashlib.sha256(body).digest() + bytes(body)

    @staticmethod
    def from_bytes(data: bytes) -> "Ruleset":
        """
        The ruleset that `to_bytes` wrote.

        Raises:
            RulesetFormatError: The bytes are damaged, or another version's.
        """
        if len(data) < _DIGEST or hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
            raise RulesetFormatError("the bytes of a ruleset are damaged: their digest does not fit")
        found = msgpack.unpackb(data[_DIGEST:], use_list=False, strict_map_key=True)
        if found.get("format") != FORMAT:
            raise RulesetFormatError(f"found a ruleset of format {found.get('format')}, required: {FORMAT}")
        return Ruleset(
            automaton=np.frombuffer(found["automaton"], "<u4").reshape(-1, 2),
            words=np.frombuffer(found["words"], "<u4"),
            profiles=tuple(unpacked_table(profile) for profile in found["profiles"]),
            addresses=found["addresses"],
            numbers=found["numbers"],
            rules=tuple(_reference(*rule) for rule in found["rules"]),
        )


#: Version of what `Ruleset.to_bytes` writes.
FORMAT = 3
_DIGEST = 32


class RulesetFormatError(ValueError):
    """Bytes that are not a ruleset of this version."""


def _members(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


def packed_table(profile: ProfileTable) -> dict[str, Any]:
    """What `unpacked_table` reads, for msgpack."""
    members = {field.name: getattr(profile, field.name) for field in fields(ProfileTable)}
    return members | {"classes": [_members(ClassTable)(one) for one in profile.classes]}


def unpacked_table(members: dict[str, Any]) -> ProfileTable:
    """The table that `packed_table` wrote."""
    return ProfileTable(**members | {"classes": tuple(ClassTable(*one) for one in members["classes"])})


def _reference(policy: str, rule: str, class_: str, action: str, mode: str, *rest: Any) -> RuleReference:
    return RuleReference(policy, rule, Class(class_), Action(action), Mode(mode), *rest)
