"""
A ring buffer as the kernel writes it, in a file in memory: the same pages, headers and positions, and a descriptor to
wait on.

The data lies in the file twice; the kernel maps one copy twice, this writes both.
"""

import mmap
import os
import struct
from contextlib import suppress
from types import TracebackType

import numpy as np

from agent.abi.events import EVENT, NAME_APART, RECORD_EVENT, RECORD_NAME
from agent.events.memory import PAGE, MappedRing
from agent.events.records import BUSY, DISCARD, HEADER


class _Memory(MappedRing):
    """Its descriptor is readable only while there is something to read, as the kernel's is."""

    def advance(self, position: int) -> None:
        super().advance(position)
        if self.producer() == position:
            with suppress(BlockingIOError):
                os.eventfd_read(self.fileno())


class FakeRing:
    """
    The kernel's end of a ring.

    Attributes:
        lost: Records it had no room for.
    """

    def __init__(self, size: int = 1 << 16, identity: int = 1) -> None:
        self.size = size
        self.identity = identity
        self.lost = 0
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * PAGE + 2 * size)
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._map = mmap.mmap(self.fd, 2 * PAGE + 2 * size)
        self.words = np.frombuffer(self._map, np.uint64)
        self.bytes = np.frombuffer(self._map, np.uint8)[2 * PAGE :]

    def __enter__(self) -> "FakeRing":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.wake)

    def map(self) -> MappedRing:
        """The reader's end."""
        return _Memory(self.fd, self.size, self.identity, self.wake)

    @property
    def consumer(self) -> int:
        return int(self.words[0])

    @property
    def producer(self) -> int:
        return int(self.words[PAGE // 8])

    @producer.setter
    def producer(self, position: int) -> None:
        self.words[PAGE // 8] = position

    def start_at(self, position: int) -> None:
        """As if so much had been written and read before."""
        self.words[0] = position
        self.producer = position

    def reserve(self, length: int) -> int | None:
        """Room for a record, marked as being written; None if there is none."""
        step = (length + HEADER + 7) & ~7
        position = self.producer
        if position + step - self.consumer > self.size:
            self.lost += 1
            return None
        self.put(position, struct.pack("<II", length | BUSY, 0))
        self.producer = position + step
        return position

    def finish(self, position: int, discard: bool = False) -> None:
        """The record is written: wake the reader as the kernel does, only if this is where it stopped."""
        at = position & (self.size - 1)
        (header,) = struct.unpack_from("<I", self.bytes, at)
        self.put(position, struct.pack("<I", header & ~BUSY | (DISCARD if discard else 0)))
        if position == self.consumer:
            os.eventfd_write(self.wake, 1)

    def write(self, body: bytes, discard: bool = False) -> int | None:
        """A whole record; its position."""
        position = self.reserve(len(body))
        if position is not None:
            self.put(position + HEADER, body)
            self.finish(position, discard)
        return position

    def put(self, position: int, data: bytes) -> None:
        """Bytes at a position, in both copies."""
        at = position & (self.size - 1)
        raw = np.frombuffer(data, np.uint8)
        for start in (at, at + self.size, at - self.size):
            low, high = max(start, 0), min(start + len(raw), 2 * self.size)
            if low < high:
                self.bytes[low:high] = raw[low - start : high - start]


def event(path: bytes = b"/etc/shadow", exe: bytes = b"/usr/bin/cat", **members: object) -> bytes:
    """`struct rf_event`; what does not fit of a name is cut off, its length stays."""
    record = np.zeros((), EVENT)
    record["record"] = RECORD_EVENT
    given = {"class_id": 1, "effect": 3, "operations": 1, "verdict": -1, "generation": 1, "rule": 0, "cgroup": 7}
    given |= {"tgid": 100, "tid": 100, "boot_ns": 1_000_000_000, "path_length": len(path), "exe_length": len(exe)}
    for name, value in (given | members).items():
        record[name] = value
    for name, text in (("path", path), ("exe", exe)):
        cut = np.frombuffer(text[: record[name].shape[0]], np.uint8)
        record[name][: len(cut)] = cut
    if "comm" not in members:
        record["comm"][:3] = np.frombuffer(b"cat", np.uint8)
    return record.tobytes()


def name_record(token: int, name: bytes) -> bytes:
    return struct.pack("<IIQ", RECORD_NAME, len(name), token) + name


def write_long(ring: FakeRing, path: bytes, token: int, **members: object) -> int | None:
    """An event whose name comes apart, before it."""
    ring.write(name_record(token, path))
    return ring.write(event(path, token=token, flags=NAME_APART, **members))
