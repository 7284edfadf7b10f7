"""
A ring buffer of the kernel as memory: two positions and the bytes between them.

The layout is that of kernel/bpf/ringbuf.c: a page whose first word is the consumer's position (ours to write), a page
whose first word is the producer's, and the data mapped twice in a row, so that a record that wraps around is still one
piece.
"""

import mmap
import os
import threading
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PAGE = mmap.PAGESIZE


class RingError(Exception):
    """
    A ring cannot be mapped, or its positions contradict each other.

    Attributes:
        found, required: What stands in the ring, and what would have to.
    """

    def __init__(self, what: str, found: str, required: str) -> None:
        super().__init__(f"{what}: found {found}, required {required}")
        self.found = found
        self.required = required


class RingMemory(Protocol):
    """
    What a reader needs of a ring.

    Attributes:
        size: Bytes of data, a power of two.
        data: The data twice in a row; uint8, shape (2 * size,).
        identity: Tells one ring from another that took its place; the kernel's map id.
    """

    @property
    def size(self) -> int: ...
    @property
    def data(self) -> NDArray[np.uint8]: ...
    @property
    def identity(self) -> int: ...
    def fileno(self) -> int:
        """What to wait on."""

    def consumer(self) -> int: ...
    def producer(self) -> int: ...
    def advance(self, position: int) -> None:
        """Give everything before `position` back to the producer."""


class MappedRing:
    """
    A `BPF_MAP_TYPE_RINGBUF`, or a file of the same layout, mapped.

    The descriptor is duplicated by mmap and by `wake`; the caller may close his.
    """

    def __init__(self, fd: int, size: int, identity: int = 0, wake: int | None = None) -> None:
        if size < PAGE or size & (size - 1):
            raise RingError("ring size", str(size), "a power of two, a page or more")
        self.size = size
        self.identity = identity
        try:
            self._wake = os.dup(fd if wake is None else wake)
            writable = mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
            readable = mmap.mmap(fd, PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=PAGE)
        except (OSError, ValueError) as error:
            raise RingError("map a ring", str(error), f"a ring buffer of {size} bytes") from error
        self._consumer = np.frombuffer(writable, np.uint64, 1)
        self._producer = np.frombuffer(readable, np.uint64, 1)
        self.data: NDArray[np.uint8] = np.frombuffer(readable, np.uint8, 2 * size, PAGE)
        self._fence = threading.Lock()

    def fileno(self) -> int:
        return self._wake

    def close(self) -> None:
        os.close(self._wake)

    def consumer(self) -> int:
        return int(self._consumer[0])

    def producer(self) -> int:
        """The producer's position; what lies before it is read after it."""
        position = int(self._producer[0])
        self._order()
        return position

    def advance(self, position: int) -> None:
        self._order()
        self._consumer[0] = position
        self._order()

    def _order(self) -> None:
        """Keep loads and stores on either side apart: taking a lock is a barrier, and Python has no cheaper one."""
        with self._fence:
            pass


def map_ring(fd: int) -> MappedRing:
    """Map the ring buffer behind a map descriptor; size and id are read from its fdinfo. Raises RingError."""
    try:
        text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    except OSError as error:
        raise RingError("map a ring", str(error), "an open map descriptor") from error
    facts = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    try:
        size, identity = int(facts["max_entries"]), int(facts.get("map_id", "0"))
    except (KeyError, ValueError) as error:
        raise RingError("map a ring", f"descriptor {fd} without map facts", "a BPF map descriptor") from error
    return MappedRing(fd, size, identity)
