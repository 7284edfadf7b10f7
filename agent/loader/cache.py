"""Compiled programs on disk, found by the digest of what they were made from."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent.kernel.programs_file import ProgramsFile, ProgramsFileError, parse


def find(directories: Sequence[Path], key: str) -> bytes | None:
    """The programs with that key; what cannot be read, or is something else, counts as not there."""
    for directory in directories:
        try:
            data = (directory / f"{key}.programs").read_bytes()
            if parse(data).key == key:
                return data
        except (OSError, ProgramsFileError):
            continue
    return None


def store(directories: Sequence[Path], file: ProgramsFile, data: bytes) -> Path | None:
    """Keep them in the first directory that can be written; where they are now."""
    for directory in directories:
        try:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            path = directory / f"{file.key}.programs"
            write(path, data)
        except OSError:
            continue
        return path
    return None


def write(path: Path, data: bytes) -> None:
    """
    Write the whole file or nothing.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
