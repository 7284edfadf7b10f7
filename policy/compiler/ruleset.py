"""
The bytes the compiler makes for the kernel, in the shapes of `bpf/include/abi.h`.

Offsets inside a ruleset are indices into `words`; `agent.kernel` writes the arrays into maps as they are.
"""

from dataclasses import dataclass

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
