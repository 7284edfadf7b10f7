"""
The cgroup v2 tree: where it is mounted, and which id belongs to which path.

A cgroup's id is the inode number of its directory (on 64-bit machines, where kernfs uses the id as inode number), the
same number that `bpf_get_current_cgroup_id` gives. Paths are texts from the root of the tree, "/" for the root itself;
bytes that are not UTF-8 are kept by `surrogateescape`.
"""

import ctypes
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from agent.workloads.errors import CgroupError

_HANDLE_KERNFS = 0xFE  # FILEID_KERNFS of linux/exportfs.h: the handle is the 64-bit id alone
_libc = ctypes.CDLL(None, use_errno=True)


def find_mount(mountinfo: str | None = None) -> Path:
    """
    Where cgroup v2 is mounted; /sys/fs/cgroup, or /sys/fs/cgroup/unified on hybrid machines.

    Args:
        mountinfo: Text of /proc/self/mountinfo, see proc_pid_mountinfo(5); None: read it.

    Raises:
        CgroupError: It is not mounted.
    """
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.partition(" ")[0] == "cgroup2":
            return Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
    types = {line.partition(" - ")[2].partition(" ")[0] for line in mountinfo.splitlines()}
    found = "cgroup v1 only" if "cgroup" in types else "no cgroup file system"
    raise CgroupError("cgroup v2 is not mounted", found=found, required="a mount of type cgroup2")


def id_of(directory: Path | str) -> int:
    """Id of the cgroup with this directory. Raises OSError: there is none."""
    return os.stat(directory).st_ino  # noqa: PTH116


def children(root: Path, path: str) -> Iterator[tuple[str, int]]:
    """Paths and ids of the cgroups directly below one; nothing if it is gone."""
    try:
        with os.scandir(root / path.lstrip("/")) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield f"{path.rstrip('/')}/{entry.name}", entry.inode()
    except OSError:
        return


def walk(root: Path, path: str = "/") -> Iterator[tuple[str, int]]:
    """
    Paths and ids of a cgroup and all below it, each before those below it; ones that go meanwhile may be left out.
    """
    try:
        yield path, id_of(root / path.lstrip("/"))
    except OSError:
        return
    waiting = [path]
    while waiting:
        for child, number in children(root, waiting.pop()):
            yield child, number
            waiting.append(child)


class ById:
    """Finds a cgroup by its id, without a walk: by a file handle that names nothing but the id (needs root)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mount = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def path(self, number: int) -> str | None:
        """Path of the cgroup with this id; None: there is none any more, or we may not ask."""
        handle = ctypes.create_string_buffer(struct.pack("=IiQ", 8, _HANDLE_KERNFS, number))
        descriptor = _libc.open_by_handle_at(self._mount, handle, os.O_PATH | os.O_CLOEXEC)
        if descriptor < 0:
            return None
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        finally:
            os.close(descriptor)
        return _below(str(self._root), target)

    def close(self) -> None:
        os.close(self._mount)


def _below(root: str, directory: str) -> str | None:
    if directory == root:
        return "/"
    inside = directory.removeprefix(root)
    return inside if inside != directory and inside.startswith("/") and not inside.endswith(" (deleted)") else None
