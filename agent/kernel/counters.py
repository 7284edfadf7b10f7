"""Counts that the programs keep: per rule and generation, and totals. Exact, whatever the rings lost."""

import os
from collections.abc import Mapping

import numpy as np

from agent import abi
from agent.kernel.slots import Slot, inner_descriptor
from agent.kernel.syscall import Bpf


def hits_of(bpf: Bpf, outer: int, slot: int, content: Slot) -> list[int]:
    """How often each rule of that slot decided or would have denied, summed over processors."""
    fd = inner_descriptor(bpf, outer, slot) if content.rules else None
    if fd is None:
        return [0] * content.rules
    try:
        data = bpf.map_lookup_batch(fd, content.rules * content.processors, 4, 8)
    finally:
        os.close(fd)
    counts = np.frombuffer(data, "<u8").reshape(content.rules, content.processors).sum(axis=1)
    return [int(count) for count in counts]


def totals_of(bpf: Bpf, fd: int, processors: int) -> Mapping[str, int]:
    """
    Every total by its name in lower case; `undecided:REASON` for each reason.
    """
    totals: dict[str, int] = {}
    for key in range(abi.TOTALS):
        if name := _name(key):
            data = bpf.map_lookup(fd, key.to_bytes(4, "little"), 8 * processors) or b""
            totals[name] = int(np.frombuffer(data, "<u8").sum())
    return totals


def _name(key: int) -> str:
    if key >= abi.Total.UNDECIDED:
        reason = key - abi.Total.UNDECIDED
        return f"undecided:{abi.Reason(reason).name.lower()}" if reason in list(abi.Reason) else ""
    return abi.Total(key).name.lower() if key in list(abi.Total) else ""
