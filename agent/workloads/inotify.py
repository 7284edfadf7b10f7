"""inotify(7) through libc: which directories appear and go."""

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

CREATE = 0x100
DELETE = 0x200
OVERFLOW = 0x4000
IGNORED = 0x8000
IS_DIRECTORY = 0x40000000
_ONLY_DIRECTORIES = 0x01000000
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_READ_BYTES = 64 << 10

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """
    Attributes:
        watch: Number of the watch; -1 for OVERFLOW.
        name: In the watched directory.
    """

    watch: int
    mask: int
    name: str


class Inotify:
    """Watches on directories. `fileno` becomes readable when events wait."""

    def __init__(self) -> None:
        """Raises OSError: the user's limit of instances is reached."""
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        return self._descriptor

    def add(self, directory: str) -> int:
        """
        Watch a directory for directories made and removed. Raises OSError: it is gone, or no watch is left (ENOSPC).
        """
        mask = CREATE | DELETE | _ONLY_DIRECTORIES
        return _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(directory), ctypes.c_uint32(mask)))

    def read(self) -> Iterator[Event]:
        """The events that wait; none if none does."""
        while True:
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                return
            yield from _parsed(data)

    def close(self) -> None:
        os.close(self._descriptor)


def _parsed(data: bytes) -> Iterator[Event]:
    offset = 0
    while offset < len(data):
        watch, mask, _, length = _HEADER.unpack_from(data, offset)
        offset += _HEADER.size
        name = data[offset : offset + length].rstrip(b"\0")
        offset += length
        yield Event(watch, mask, os.fsdecode(name))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
