"""
The bytes the compiler makes for the kernel, in the shapes of `bpf/include/abi.h`.

Offsets inside a ruleset are indices into `words`; `agent.kernel` writes the arrays into maps as they are.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
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
class ProfileTable:
    """
    `struct rf_profile`, member by member; see there for what each offset leads to.

    Attributes:
        cells, labels: One entry a class number; entry 0 is unused.
        byte_classes: 256 bytes, each 1 or more.
        policies: Names of the profile's policies, sorted; not part of what the kernel gets.
    """

    start: int
    path_labels: int
    path_label_count: int
    domains: int
    credentials: int
    gid_classes: int
    cells: tuple[int, ...]
    labels: tuple[int, ...]
    ports: int
    port_classes: int
    protocols: int
    protocol_classes: int
    peers: int
    address_default: int
    syscalls: int
    has_credentials: int
    byte_classes: bytes
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruleset:
    """
    Everything the kernel needs for one generation.

    Attributes:
        automaton: (next, check) for each entry; uint32, shape (entries, 2).
        words: uint32, shape (words,).
        profiles: In the order of the profiles given to the compiler.
        addresses: (profile, prefix length of 0..128, 16 address bytes, address class).
        credentials: (profile, 0 user or 1 group, id, class).
        rules: What rule numbers mean; one counter each.
    """

    automaton: NDArray[np.uint32]
    words: NDArray[np.uint32]
    profiles: tuple[ProfileTable, ...]
    addresses: tuple[tuple[int, int, bytes, int], ...]
    credentials: tuple[tuple[int, int, int, int], ...]
    rules: tuple[RuleReference, ...]

    def to_bytes(self) -> bytes:
        """This ruleset for another process: a digest, then msgpack; equal rulesets give equal bytes."""
        body = msgpack.packb(
            {
                "format": FORMAT,
                "automaton": self.automaton.astype("<u4").tobytes(),
                "words": self.words.astype("<u4").tobytes(),
                "profiles": [_members(ProfileTable)(profile) for profile in self.profiles],
                "addresses": self.addresses,
                "credentials": self.credentials,
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
            profiles=tuple(ProfileTable(*profile) for profile in found["profiles"]),
            addresses=found["addresses"],
            credentials=found["credentials"],
            rules=tuple(_reference(*rule) for rule in found["rules"]),
        )


#: Version of what `Ruleset.to_bytes` writes.
FORMAT = 1
_DIGEST = 32


class RulesetFormatError(ValueError):
    """Bytes that are not a ruleset of this version."""


def _members(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


def _reference(policy: str, rule: str, class_: str, action: str, mode: str, *rest: Any) -> RuleReference:
    return RuleReference(policy, rule, Class(class_), Action(action), Mode(mode), *rest)
