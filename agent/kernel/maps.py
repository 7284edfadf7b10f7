"""Maps: make them, pin them, and take pinned ones back only if they are exactly what the programs expect."""

import os
from collections.abc import Mapping
from pathlib import Path

from agent.kernel.programs_file import MapShape
from agent.kernel.syscall import Bpf, BpfError, storage_types

_TYPES = {
    **{"hash": 1, "array": 2, "percpu_array": 6, "lpm_trie": 11, "array_of_maps": 12, "hash_of_maps": 13},
    **{"ringbuf": 27, "inode_storage": 28, "task_storage": 29},
}
_FLAGS = {"no_prealloc": 1 << 0, "rdonly_prog": 1 << 7, "mmapable": 1 << 10, "inner_map": 1 << 12}
_STORAGE = frozenset(("inode_storage", "task_storage"))


class MapMismatchError(Exception):
    """
    A pinned map is not the one that the programs were compiled for.

    Attributes:
        path, found, required: Where, what it is, what it must be.
    """

    def __init__(self, path: str, found: str, required: str) -> None:
        super().__init__(f"pinned map {path}: found {found}, required {required}")
        self.path, self.found, self.required = path, found, required


def possible_processors(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """
    Processors that the kernel keeps room for: the highest number plus one.

    Raises:
        OSError, ValueError: The kernel's list cannot be read.
    """
    return int(path.read_text().strip().replace(",", "-").split("-")[-1]) + 1


def flags_of(shape: MapShape) -> int:
    """Local storage must not be allocated in advance."""
    named = sum(_FLAGS[flag] for flag in shape.flags)
    return named | _FLAGS["no_prealloc"] if shape.type in _STORAGE else named


def entries_of(shape: MapShape, processors: int) -> int:
    return shape.entries * processors if shape.per_cpu else shape.entries


def create(bpf: Bpf, shape: MapShape, processors: int, entries: int | None = None) -> int:
    """
    A map of that shape.

    Args:
        entries: In place of the shape's.

    Raises:
        BpfError: The kernel refused.
    """
    inner = create(bpf, shape.inner, processors) if shape.inner else 0
    btf = bpf.btf_load(storage_types(shape.value)) if shape.type in _STORAGE else 0
    count = entries_of(shape, processors) if entries is None else entries
    try:
        flags = flags_of(shape)
        return bpf.map_create(shape.name, _TYPES[shape.type], shape.key, shape.value, count, flags, inner, btf)
    finally:
        for fd in filter(None, (inner, btf)):
            os.close(fd)


def check(bpf: Bpf, fd: int, shape: MapShape, processors: int, path: str, deep: bool = True) -> None:
    """
    Args:
        deep: Try an inner map as well; the kernel waits for its readers twice then.

    Raises:
        MapMismatchError: Type, sizes, entries or flags differ, or inner maps of another shape would be wanted.
    """
    info = bpf.map_info(fd)
    value = shape.value
    found = {"type": info.type, "key": info.key, "value": info.value, "entries": info.entries, "flags": info.flags}
    required = {"type": _TYPES[shape.type], "key": shape.key, "value": value}
    required |= {"entries": entries_of(shape, processors), "flags": flags_of(shape)}
    if differing := [name for name in required if found[name] != required[name]]:
        raise MapMismatchError(path, _words(found, differing), _words(required, differing))
    if shape.inner and deep:
        _check_inner(bpf, fd, shape.inner, processors, path)


def _check_inner(bpf: Bpf, outer: int, shape: MapShape, processors: int, path: str) -> None:
    """The kernel does not tell the shape of inner maps, but takes only one that fits: try one in slot 0, never used."""
    inner = create(bpf, shape, processors)
    try:
        bpf.map_update(outer, bytes(4), inner.to_bytes(4, "little"))
        bpf.map_delete(outer, bytes(4))
    except BpfError as error:
        required = _words({"key": shape.key, "value": shape.value, "flags": flags_of(shape)}, ["key", "value", "flags"])
        raise MapMismatchError(path, f"inner maps of another shape ({error})", f"inner {required}") from error
    finally:
        os.close(inner)


def _words(values: Mapping[str, int], names: list[str]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def open_pinned(bpf: Bpf, path: str) -> int | None:
    """The map, program or link pinned there; None: nothing is."""
    if not os.path.lexists(path):
        return None
    return bpf.open_pin(path)


def open_or_create(bpf: Bpf, shape: MapShape, processors: int, path: str, deep: bool = True) -> int:
    """
    The map pinned at `path`, checked; or a new one, pinned there.

    Raises:
        MapMismatchError: Another one is pinned there.
        BpfError: The kernel refused.
    """
    fd = open_pinned(bpf, path)
    if fd is not None:
        try:
            check(bpf, fd, shape, processors, path, deep)
        except (MapMismatchError, BpfError):
            os.close(fd)
            raise
        return fd
    fd = create(bpf, shape, processors)
    try:
        bpf.pin(fd, path)
    except BpfError:
        os.close(fd)
        raise
    return fd
