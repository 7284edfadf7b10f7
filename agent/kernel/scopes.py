"""Which cgroups a generation confines: the inner maps of `scopes`, the one table that changes while it is live."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from agent import abi
from agent.kernel.slots import inner_descriptor
from agent.kernel.syscall import Bpf, BpfError
from agent.kernel.tables import RulesetLimitError


class NoGenerationError(Exception):
    """
    What was asked for needs a generation that is not there.

    Attributes:
        operation, required: What was asked for, and what it needs.
    """

    def __init__(self, operation: str, required: str) -> None:
        super().__init__(f"cannot {operation}: found no generation for it, required {required}")
        self.operation, self.required = operation, required


def scopes_of(bpf: Bpf, outer: int, slot: int) -> dict[int, tuple[int, int]]:
    """(profile, since) by cgroup number, of one slot."""
    fd = inner_descriptor(bpf, outer, slot) if slot else None
    if fd is None:
        return {}
    try:
        found: dict[int, tuple[int, int]] = {}
        key = bpf.map_next_key(fd, None, 8)
        while key is not None:
            if value := bpf.map_lookup(fd, key, abi.SCOPE.itemsize):
                row = np.frombuffer(value, abi.SCOPE)[0]
                found[int.from_bytes(key, "little")] = (int(row["profile"]), int(row["since"]))
            key = bpf.map_next_key(fd, key, 8)
        return found
    finally:
        os.close(fd)


def put(bpf: Bpf, outer: int, slot: int, cgroup: int, profile: int) -> None:
    """
    Take a cgroup into a slot. One that is there keeps the epoch since which it is a scope; a new one has none.

    Raises:
        NoGenerationError: The slot is empty.
        RulesetLimitError: There is no room for a further one.
        BpfError: The kernel refused.
    """
    with _opened(bpf, outer, slot, "set a scope") as fd:
        row, key = np.zeros(1, abi.SCOPE), cgroup.to_bytes(8, "little")
        if before := bpf.map_lookup(fd, key, abi.SCOPE.itemsize):
            row["since"] = np.frombuffer(before, abi.SCOPE)[0]["since"]
        row["profile"] = profile
        try:
            bpf.map_update(fd, key, row.tobytes())
        except BpfError as error:
            if error.errno != errno.E2BIG:
                raise
            limit = bpf.map_info(fd).entries
            raise RulesetLimitError("scopes", limit + 1, limit) from error


def take(bpf: Bpf, outer: int, slot: int, cgroup: int) -> None:
    """
    Raises:
        NoGenerationError: The slot is empty.
        BpfError: The kernel refused.
    """
    with _opened(bpf, outer, slot, "remove a scope") as fd:
        bpf.map_delete(fd, cgroup.to_bytes(8, "little"))


def check_profile(bpf: Bpf, profiles: int, slot: int, profile: int) -> None:
    """
    Raises:
        RulesetLimitError: The slot's ruleset has no profile of that number.
        NoGenerationError: The slot is empty.
    """
    with _opened(bpf, profiles, slot, "set a scope") as fd:
        limit = bpf.map_info(fd).entries
    if profile >= limit:
        raise RulesetLimitError("profiles", profile + 1, limit)


@contextmanager
def _opened(bpf: Bpf, outer: int, slot: int, operation: str) -> Iterator[int]:
    fd = inner_descriptor(bpf, outer, slot) if slot else None
    if fd is None:
        raise NoGenerationError(operation, "a live one")
    try:
        yield fd
    finally:
        os.close(fd)
