"""Files as the spool needs them: the one place that touches the disk, so that tests can make any step of it fail."""

import fcntl
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """One segment's file; every method raises OSError."""

    def write(self, data: bytes) -> None:
        """Append all of it, or raise with any part of it written."""

    def sync(self) -> None:
        """Everything written is durable when this returns."""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes."""

    def size(self) -> int: ...
    def truncate(self, size: int) -> None: ...
    def close(self) -> None: ...


class Files(Protocol):
    """A directory of the spool alone; every method raises OSError."""

    def names(self) -> list[str]: ...
    def open(self, name: str) -> File:
        """For reading and appending; made if it is not there."""

    def remove(self, name: str) -> None: ...
    def sync(self) -> None:
        """Which names there are is durable when this returns."""

    def close(self) -> None:
        """Let another process have the directory."""


class _OsFile:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._fd, left) :]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self._fd, size, offset)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        os.close(self._fd)


class OsFiles:
    """
    A directory of the operating system, readable by its owner only; made if it is not there.

    Raises OSError, BlockingIOError if another process has it.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    def close(self) -> None:
        os.close(self._lock)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self._directory.iterdir())

    def open(self, name: str) -> File:
        return _OsFile(self._directory / name)

    def remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)

    def sync(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
