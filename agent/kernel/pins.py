"""
Where things are pinned, and taking them away again.

    ROOT/maps/NAME              one of each, for every version of the programs
    ROOT/programs/SET/NAME      SET names the compiled programs and the mode
    ROOT/links/SET/NAME         what is attached to the whole kernel
    ROOT/links/SET/NAME-CGROUP  what is attached to one cgroup, its number in hexadecimal

The file system takes no dots in names.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.kernel.programs_file import ProgramsFile
from agent.kernel.syscall import Bpf, BpfError

ROOT = Path("/sys/fs/bpf/ringfence")
_MAGIC = 0xCAFE4A11


class PinError(Exception):
    """
    The BPF file system cannot be used.

    Attributes:
        path, reason: Where and why.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot pin below {path}: {reason}")
        self.path, self.reason = path, reason


@dataclass(frozen=True, slots=True)
class Pins:
    """The paths of one root."""

    root: Path

    def map(self, name: str) -> str:
        return str(self.root / "maps" / name)

    def program(self, set_: str, name: str) -> str:
        return str(self.root / "programs" / set_ / name)

    def link(self, set_: str, name: str) -> str:
        return str(self.root / "links" / set_ / name)

    def sets(self) -> list[str]:
        """Every set of which anything is pinned."""
        found = {p.name for kind in ("links", "programs") for p in _children(self.root / kind)}
        return sorted(found)

    def programs(self, set_: str) -> list[str]:
        return [path.name for path in _children(self.root / "programs" / set_)]

    def links(self, set_: str) -> list[str]:
        return [path.name for path in _children(self.root / "links" / set_)]

    def prepare(self, set_: str) -> None:
        """
        Make the directories, readable by root alone.

        Raises:
            PinError: They cannot be made, or are on no BPF file system.
        """
        try:
            for path in (self.root, self.root / "maps", *(self.root / kind / set_ for kind in ("programs", "links"))):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PinError(self.root, str(error)) from error
        if not is_bpf_filesystem(self.root):
            raise PinError(self.root, "found another file system, required bpf")

    def remove_set(self, bpf: Bpf, set_: str) -> None:
        """
        Detach and unload one set.

        Raises:
            BpfError: A pin stays.
        """
        for kind in ("links", "programs"):
            self._remove(bpf, self.root / kind / set_)

    def remove_empty(self) -> None:
        """Take away the directories that hold nothing."""
        for kind in ("links", "programs", "maps"):
            for directory in (*_children(self.root / kind), self.root / kind):
                with contextlib.suppress(OSError):
                    directory.rmdir()
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def remove_all(self, bpf: Bpf) -> None:
        """
        Take everything away, what decides first.

        Raises:
            BpfError: A pin stays.
        """
        for kind in ("links", "programs"):
            for directory in _children(self.root / kind):
                self._remove(bpf, directory)
            self._remove(bpf, self.root / kind)
        self._remove(bpf, self.root / "maps")
        self._remove(bpf, self.root)

    def _remove(self, bpf: Bpf, directory: Path) -> None:
        for path in _children(directory):
            bpf.unpin(str(path))
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise BpfError("unpin", str(directory), error.errno or 0) from error


def set_name(file: ProgramsFile, mode: str) -> str:
    return f"{file.key[:16]}-{mode}"


def _children(directory: Path) -> Iterator[Path]:
    try:
        yield from sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return


def is_bpf_filesystem(path: Path) -> bool:
    """statfs(2): its type is the first word, on every architecture we know."""
    buffer = ctypes.create_string_buffer(256)
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(path), buffer):
        return False
    return int.from_bytes(buffer.raw[:8], "little") == _MAGIC


def ensure_mounted(mount: Path = Path("/sys/fs/bpf")) -> bool:
    """
    Mount the BPF file system where it is not; True: this was done now.

    Raises:
        PinError: It cannot be mounted.
    """
    if is_bpf_filesystem(mount):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 1 << 1 | 1 << 2 | 1 << 3  # nosuid, nodev, noexec
    if libc.mount(b"bpf", os.fsencode(mount), b"bpf", flags, b"mode=0700"):
        raise PinError(mount, f"cannot mount the bpf file system: {os.strerror(ctypes.get_errno())}")
    return True
