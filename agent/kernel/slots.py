"""
Generations in their slots: which one is live, which one comes back, which place is free.

The programs follow `control[LIVE]`; if that slot's lease has run out they take its fallback instead, whether or not an
agent is alive. A fallback is therefore always a confirmed generation.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from agent import abi
from agent.host.clocks import boot_ns
from agent.kernel.syscall import Bpf


@dataclass(frozen=True, slots=True)
class Slot:
    """`struct rf_slot`."""

    generation: int = 0
    epoch: int = 0
    reverts_at: int = 0
    fallback: int = 0
    rules: int = 0
    processors: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Where the next generation goes.

    Attributes:
        slot: A place that no program reads.
        fallback: Slot of the last confirmed generation; 0: none.
        replaced: What was in `slot`; generation 0: nothing.
    """

    slot: int
    fallback: int
    replaced: Slot


class Slots:
    """
    Args:
        maps: Descriptors by name; those of `control` and `slots` are used.

    Attributes:
        unsettled: Slots that a program which began before a switch may still be reading.
    """

    def __init__(self, bpf: Bpf, maps: Mapping[str, int]) -> None:
        self._bpf, self._control, self._slots = bpf, maps["control"], maps["slots"]
        self.unsettled = frozenset(range(1, abi.SLOTS))  # who knows what was switched before us

    def read(self, slot: int) -> Slot:
        data = self._bpf.map_lookup(self._slots, _key(slot), abi.SLOT.itemsize) or bytes(abi.SLOT.itemsize)
        row = np.frombuffer(data, abi.SLOT)[0]
        return Slot(*(int(row[name]) for name in _MEMBERS))

    def write(self, slot: int, content: Slot) -> None:
        row = np.zeros(1, abi.SLOT)
        for name in _MEMBERS:
            row[name] = getattr(content, name)
        self._bpf.map_update(self._slots, _key(slot), row.tobytes())

    def selected(self) -> int:
        """The slot that `control` names, its lease run out or not."""
        data = self._bpf.map_lookup(self._control, _key(abi.Control.LIVE), 8) or bytes(8)
        return int.from_bytes(data, "little") & (abi.SLOTS - 1)

    def select(self, slot: int) -> None:
        """The switch."""
        self.unsettled |= {self.selected(), self.live()}
        self._bpf.map_update(self._control, _key(abi.Control.LIVE), slot.to_bytes(8, "little"))

    def settled(self, slots: frozenset[int]) -> None:
        """Every program that ran when these were `unsettled` has ended since."""
        self.unsettled -= slots

    def live(self) -> int:
        """The slot that the programs follow now; 0: none."""
        selected = self.selected()
        slot = self.read(selected)
        return slot.fallback if selected and slot.reverts_at and boot_ns() >= slot.reverts_at else selected

    def plan(self) -> Plan:
        selected, live = self.selected(), self.live()
        confirmed = self.read(live).fallback if live and self.read(live).reverts_at else live
        free = [slot for slot in range(1, abi.SLOTS) if slot not in (selected, confirmed)]
        slot = min(free, key=lambda number: self.read(number).generation)
        return Plan(slot, confirmed, self.read(slot))

    def previous(self) -> int:
        """The slot to which a rollback leads; 0: there is none."""
        live = self.live()
        slot = self.read(live)
        earlier = self.read(slot.fallback)
        return slot.fallback if live and 0 < earlier.generation < slot.generation else 0

    def needed(self) -> set[int]:
        """
        Slots that are followed now or may be without us: the selected one and, while it has a lease, its fallback.
        """
        selected = self.selected()
        slot = self.read(selected)
        return ({selected, slot.fallback} if slot.reverts_at else {selected}) - {0}

    def next_epoch(self) -> int:
        """A number above every epoch in use."""
        return max(boot_ns(), 1 + max(self.read(slot).epoch for slot in range(abi.SLOTS)))

    def renew(self, slot: int) -> int:
        """Make the programs forget what they know about tasks in that slot; its new epoch."""
        epoch = self.next_epoch()
        self.write(slot, replace(self.read(slot), epoch=epoch))
        return epoch


def inner_descriptor(bpf: Bpf, outer: int, slot: int) -> int | None:
    """Open the map in that slot of a map of maps; None: there is none."""
    number = bpf.map_lookup(outer, _key(slot), 4)
    return bpf.map_open_id(int.from_bytes(number, "little")) if number else None


def classes_of(bpf: Bpf, outer: int, slot: int) -> list[int]:
    """Numbers of the classes about which any profile of that slot decides anything."""
    fd = inner_descriptor(bpf, outer, slot) if slot else None
    if fd is None:
        return []
    try:
        data = bpf.map_lookup_batch(fd, bpf.map_info(fd).entries, 4, abi.PROFILE.itemsize)
    finally:
        os.close(fd)
    labels = np.frombuffer(data, abi.PROFILE)["classes"]["labels"]
    return [int(number) for number in np.flatnonzero(labels.any(axis=0))]


def _key(number: int) -> bytes:
    return int(number).to_bytes(4, "little")


_MEMBERS = ("generation", "epoch", "reverts_at", "fallback", "rules", "processors")
