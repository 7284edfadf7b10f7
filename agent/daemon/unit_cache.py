"""
Compiled profiles on disk, so that a push compiles only those whose policies changed.

A cache of what can be made again: nothing here raises, what cannot be read or written is as if it were not there, and
`policy.compiler` checks what it gets back by a digest. Files are written beside their place and renamed. They are not
synced: one that a crash leaves damaged is found to be, and made again.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

#: Of all files together; some ten thousand profiles of ordinary size.
BYTES_MAX = 64 << 20


def code_digest(directories: Sequence[Path] = ()) -> str:
    """Of the sources of the compiler and the model, or of these directories: other code makes other units."""
    from policy import compiler, model

    digest = hashlib.sha256()
    for directory in directories or (Path(compiler.__path__[0]), Path(model.__path__[0])):
        for path in sorted(directory.glob("*.py")):
            digest.update(f"{path.name}:{path.stat().st_size}:".encode() + path.read_bytes())
    return digest.hexdigest()


class UnitCache:
    """
    A directory that only root can read; names of files are the keys.

    Args:
        code: Digest of the code that makes the units; part of a file's name, so that no release reads another's.
        bytes_max: What files may take together; those that were not used for longest go.
    """

    def __init__(self, directory: Path, code: str = "", bytes_max: int = BYTES_MAX) -> None:
        self._directory = directory
        self._prefix = code[:16]
        self._bytes_max = bytes_max
        self._grown = False

    def get(self, key: str) -> bytes | None:
        """What was kept for a key; it counts as used now."""
        path = self._directory / f"{self._prefix}{key}"
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep it, if there is room on the disk."""
        with suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._directory, prefix=".", delete=False) as file:
                try:
                    file.write(data)
                    file.flush()
                    Path(file.name).replace(self._directory / f"{self._prefix}{key}")
                    self._grown = True
                except OSError:
                    Path(file.name).unlink(missing_ok=True)
                    raise

    def shrink(self) -> None:
        """If anything was put, remove what is past the bound, and what a process that died began to write."""
        if not self._grown:
            return
        room = self._bytes_max
        for path, size in self._newest_first():
            room -= size
            if room < 0:
                with suppress(OSError):
                    path.unlink()
        self._grown = False

    def _newest_first(self) -> list[tuple[Path, int]]:
        """Path and size of every file."""
        found = []
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError):  # another push removed it
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, entry.path, status.st_size))
        return [(Path(path), size) for _, path, size in sorted(found, reverse=True)]
