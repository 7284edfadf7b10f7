"""
bpf(2), and the few other calls beside it: the one place where agent.kernel meets the kernel.

Everything above talks to the Protocol `Bpf`; tests put a failing or a counting one in its place. Layouts are those of
`union bpf_attr` in include/uapi/linux/bpf.h.
"""

import ctypes
import errno
import mmap
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_NUMBERS = {"x86_64": (321, 324, 434, 304), "aarch64": (280, 283, 434, 265)}
_BPF, _MEMBARRIER, _PIDFD_OPEN, _OPEN_BY_HANDLE_AT = _NUMBERS.get(platform.machine(), (0, 0, 0, 0))
_MEMBARRIER_GLOBAL = 1
_KERNFS_HANDLE = 0xFE

_COMMANDS = {
    **{"map create": 0, "map lookup": 1, "map update": 2, "map delete": 3, "map next key": 4, "program load": 5},
    **{"pin": 6, "open pin": 7, "map open by id": 14, "info": 15, "raw tracepoint open": 17, "btf load": 18},
    **{"map freeze": 22, "map lookup batch": 24, "map update batch": 26, "link create": 28, "iterate": 33},
}

#: Kinds of programs, their attach types.
PROGRAM_CGROUP_SOCK_ADDR, PROGRAM_TRACING, PROGRAM_LSM = 18, 26, 29
ATTACH_TRACE_RAW_TP, ATTACH_LSM_MAC, ATTACH_TRACE_ITER = 23, 27, 28

#: How the kernel's BTF names the type of a hook, and its kind (BTF_KIND_FUNC 12, BTF_KIND_TYPEDEF 8), by attach type.
_HOOK_TYPES = {
    ATTACH_LSM_MAC: ("bpf_lsm_", 12),
    ATTACH_TRACE_RAW_TP: ("btf_trace_", 8),
    ATTACH_TRACE_ITER: ("bpf_iter_", 12),
}

_LOG_SIZE, _LOG_STEPS, _LOG_SUMS = 1 << 24, 1, 4
_PROGRAM_NAME = 15


class BpfError(Exception):
    """
    The kernel refused a call.

    Attributes:
        operation: What was attempted: `map create`, `program load` …
        subject: The map, program or path that it was about.
        errno: Its number; `os.strerror` names it.
        log: What the verifier said, if it was asked.
    """

    def __init__(self, operation: str, subject: str, number: int, log: str = "") -> None:
        self.operation, self.subject, self.errno, self.log = operation, subject, number, log
        tail = "".join(f"\n  {line}" for line in log.strip().splitlines()[-20:])
        super().__init__(
            f"{operation} `{subject}`: {os.strerror(number)} ({errno.errorcode.get(number, number)}){tail}"
        )


@dataclass(frozen=True, slots=True)
class MapInfo:
    """What the kernel says of a map; sizes in bytes."""

    type: int
    key: int
    value: int
    entries: int
    flags: int


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """
    Attributes:
        program: Number of the program that it attaches.
        cgroup: Number of the cgroup that it is attached to; 0: that is gone, or it is another kind of link.
    """

    program: int
    cgroup: int


class Bpf(Protocol):
    """Descriptors are plain numbers; who opens one closes it. Every method raises BpfError."""

    def map_create(
        self, name: str, type_: int, key: int, value: int, entries: int, flags: int, inner: int, btf: int
    ) -> int: ...
    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None: ...
    def map_update(self, fd: int, key: bytes, value: bytes) -> None: ...
    def map_delete(self, fd: int, key: bytes) -> bool: ...
    def map_next_key(self, fd: int, key: bytes | None, size: int) -> bytes | None: ...
    def map_update_batch(self, fd: int, keys: bytes, values: bytes, count: int) -> None: ...
    def map_lookup_batch(self, fd: int, count: int, key: int, value: int) -> bytes: ...
    def map_fill(self, fd: int, size: int, data: bytes) -> None: ...
    def map_freeze(self, fd: int) -> None: ...
    def map_info(self, fd: int) -> MapInfo: ...
    def map_open_id(self, number: int) -> int: ...
    def link_info(self, fd: int) -> LinkInfo: ...
    def btf_load(self, data: bytes) -> int: ...
    def btf_ids(self, hooks: Sequence[tuple[str, int]]) -> tuple[int, ...]: ...
    def program_load(self, name: str, type_: int, attach: int, btf_id: int, code: bytes) -> int: ...
    def program_id(self, fd: int) -> int: ...
    def attach_tracing(self, name: str, program: int) -> int: ...
    def attach_cgroup(self, name: str, program: int, cgroup: int, attach: int) -> int: ...
    def iterate(self, name: str, program: int) -> bytes: ...
    def pin(self, fd: int, path: str) -> None: ...
    def open_pin(self, path: str) -> int: ...
    def unpin(self, path: str) -> None: ...
    def open_cgroup(self, mount: int, number: int) -> int: ...
    def open_process(self, tgid: int) -> int: ...
    def wait_for_readers(self) -> None: ...


class Kernel:
    """The running kernel."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long

    def _call(self, operation: str, subject: str, attributes: bytes | ctypes.Array[ctypes.c_char]) -> int:
        buffer = attributes if isinstance(attributes, ctypes.Array) else ctypes.create_string_buffer(attributes, 128)
        result = int(self._libc.syscall(_BPF, _COMMANDS[operation], buffer, len(buffer)))
        if result < 0:
            raise BpfError(operation, subject, ctypes.get_errno())
        return result

    # ---- maps

    def map_create(
        self, name: str, type_: int, key: int, value: int, entries: int, flags: int, inner: int, btf: int
    ) -> int:
        label = name.encode()[:15]
        types = (btf, 1, _BTF_VALUE_ID) if btf else (0, 0, 0)
        attributes = struct.pack("<7I16s5I", type_, key, value, entries, flags, inner, 0, label, 0, *types, 0)
        return self._call("map create", name, attributes)

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        value = ctypes.create_string_buffer(size)
        found = self._element("map lookup", fd, key, ctypes.addressof(value))
        return value.raw if found else None

    def map_update(self, fd: int, key: bytes, value: bytes) -> None:
        buffer = ctypes.create_string_buffer(value, len(value))
        if not self._element("map update", fd, key, ctypes.addressof(buffer)):
            raise BpfError("map update", f"map {fd}", errno.ENOENT)

    def map_delete(self, fd: int, key: bytes) -> bool:
        return self._element("map delete", fd, key, 0)

    def map_next_key(self, fd: int, key: bytes | None, size: int) -> bytes | None:
        following = ctypes.create_string_buffer(size)
        return following.raw if self._element("map next key", fd, key, ctypes.addressof(following)) else None

    def _element(self, operation: str, fd: int, key: bytes | None, value: int) -> bool:
        """One element; False: there is no such one."""
        buffer = ctypes.create_string_buffer(key, len(key)) if key is not None else None
        address = ctypes.addressof(buffer) if buffer else 0
        try:
            self._call(operation, f"map {fd}", struct.pack("<I4xQQQ", fd, address, value, 0))
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def map_update_batch(self, fd: int, keys: bytes, values: bytes, count: int) -> None:
        k, v = ctypes.create_string_buffer(keys, len(keys)), ctypes.create_string_buffer(values, len(values))
        attributes = struct.pack("<QQQQIIQQ", 0, 0, ctypes.addressof(k), ctypes.addressof(v), count, fd, 0, 0)
        self._call("map update batch", f"map {fd}", attributes)

    def map_lookup_batch(self, fd: int, count: int, key: int, value: int) -> bytes:
        """The values of the first `count` elements of an array."""
        following, k = ctypes.create_string_buffer(key), ctypes.create_string_buffer(count * key)
        v = ctypes.create_string_buffer(count * value)
        addresses = (0, ctypes.addressof(following), ctypes.addressof(k), ctypes.addressof(v))
        try:
            self._call("map lookup batch", f"map {fd}", struct.pack("<QQQQIIQQ", *addresses, count, fd, 0, 0))
        except BpfError as error:
            if error.errno != errno.ENOENT:  # the end of the map was reached
                raise
        return v.raw

    def map_fill(self, fd: int, size: int, data: bytes) -> None:
        """
        Write the beginning of the only value of an array, `size` bytes, by mapping it: a tenth of an update's time.
        """
        try:
            with mmap.mmap(fd, size) as memory:
                memory[: len(data)] = data
        except (OSError, ValueError) as error:
            raise BpfError("map fill", f"map {fd}", getattr(error, "errno", None) or errno.EINVAL) from error

    def map_freeze(self, fd: int) -> None:
        self._call("map freeze", f"map {fd}", struct.pack("<I", fd))

    def map_open_id(self, number: int) -> int:
        return self._call("map open by id", f"map number {number}", struct.pack("<III", number, 0, 0))

    # ---- descriptions

    def _info(self, fd: int, subject: str) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        self._call("info", subject, struct.pack("<IIQ", fd, len(buffer), ctypes.addressof(buffer)))
        return buffer.raw

    def map_info(self, fd: int) -> MapInfo:
        type_, _, key, value, entries, flags = struct.unpack_from("<6I", self._info(fd, f"map {fd}"))
        return MapInfo(type_, key, value, entries, flags)

    def link_info(self, fd: int) -> LinkInfo:
        data = self._info(fd, f"link {fd}")
        type_, _, program = struct.unpack_from("<3I", data)
        return LinkInfo(program, struct.unpack_from("<Q", data, 16)[0] if type_ == 3 else 0)

    def program_id(self, fd: int) -> int:
        return int(struct.unpack_from("<2I", self._info(fd, f"program {fd}"))[1])

    def btf_load(self, data: bytes) -> int:
        buffer = ctypes.create_string_buffer(data, len(data))
        return self._call("btf load", "types", struct.pack("<QQIII", ctypes.addressof(buffer), 0, len(data), 0, 0))

    def btf_ids(self, hooks: Sequence[tuple[str, int]]) -> tuple[int, ...]:
        """Numbers of the kernel's types for hooks, each a name and an attach type. Its 6 MB of types are read once."""
        try:
            libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise BpfError("find hook", "libbpf.so.1", errno.ENOENT, str(error)) from error
        libbpf.libbpf_set_print(None)  # it would write to standard error
        libbpf.btf__load_vmlinux_btf.restype = ctypes.c_void_p
        types = ctypes.c_void_p(libbpf.btf__load_vmlinux_btf())
        if not types.value:
            raise BpfError("find hook", "types of the kernel", ctypes.get_errno() or errno.ENOENT)
        try:
            return tuple(self._btf_id(libbpf, types, *hook) for hook in hooks)
        finally:
            libbpf.btf__free(types)

    @staticmethod
    def _btf_id(libbpf: ctypes.CDLL, types: ctypes.c_void_p, name: str, attach: int) -> int:
        prefix, kind = _HOOK_TYPES[attach]
        found = int(libbpf.btf__find_by_name_kind(types, f"{prefix}{name}".encode(), kind))
        if found <= 0:
            raise BpfError("find hook", name, -found or errno.ENOENT)
        return found

    # ---- programs and links

    def program_load(self, name: str, type_: int, attach: int, btf_id: int, code: bytes) -> int:
        """
        Load quietly; on refusal again with the verifier's log, which is slow, or its sums if the program is too large.
        """
        try:
            return self._load(name, type_, attach, btf_id, code, None)
        except BpfError as error:
            log = ctypes.create_string_buffer(_LOG_SIZE)
            level = _LOG_SUMS if error.errno == errno.E2BIG else _LOG_STEPS
            try:
                return self._load(name, type_, attach, btf_id, code, log, level)
            except BpfError as again:
                raise BpfError("program load", name, error.errno, log.value.decode("utf-8", "replace")) from again

    def _load(
        self,
        name: str,
        type_: int,
        attach: int,
        btf_id: int,
        code: bytes,
        log: ctypes.Array[ctypes.c_char] | None,
        level: int = 0,
    ) -> int:
        instructions = ctypes.create_string_buffer(code, len(code))
        licence = ctypes.create_string_buffer(b"GPL")
        asked = (level, len(log), ctypes.addressof(log)) if log else (0, 0, 0)
        head = struct.pack("<IIQQ", type_, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(licence))
        middle = struct.pack("<IIQII16sII", *asked, 0, 0, name.encode()[:_PROGRAM_NAME], 0, attach)
        tail = struct.pack("<IIQIIQII", 0, 0, 0, 0, 0, 0, 0, btf_id)
        return self._call("program load", name, head + middle + tail)

    def attach_tracing(self, name: str, program: int) -> int:
        """Attach a program that names its hook by BTF (LSM, tp_btf); BPF_LINK_CREATE learnt to do that after 5.18."""
        return self._call("raw tracepoint open", name, struct.pack("<QI4x", 0, program))

    def attach_cgroup(self, name: str, program: int, cgroup: int, attach: int) -> int:
        return self._call("link create", name, struct.pack("<4I", program, cgroup, attach, 0))

    def iterate(self, name: str, program: int) -> bytes:
        """Run an iterator to its end; what it printed."""
        link = self._call("link create", name, struct.pack("<4I", program, 0, ATTACH_TRACE_ITER, 0))
        try:
            with os.fdopen(self._call("iterate", name, struct.pack("<2I", link, 0)), "rb") as output:
                return output.read()
        except OSError as error:
            raise BpfError("iterate", name, error.errno or errno.EIO) from error
        finally:
            os.close(link)

    # ---- pins

    def pin(self, fd: int, path: str) -> None:
        self._path("pin", path, fd)

    def open_pin(self, path: str) -> int:
        return self._path("open pin", path, 0)

    def _path(self, operation: str, path: str, fd: int) -> int:
        name = ctypes.create_string_buffer(os.fsencode(path))
        return self._call(operation, path, struct.pack("<QII", ctypes.addressof(name), fd, 0))

    def unpin(self, path: str) -> None:
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            return
        except OSError as error:
            raise BpfError("unpin", path, error.errno or errno.EIO) from error

    # ---- what is not bpf(2)

    def open_cgroup(self, mount: int, number: int) -> int:
        """
        Open the cgroup of that number below an open directory of the cgroup2 mount: its number is its file handle.
        """
        handle = ctypes.create_string_buffer(struct.pack("<IiQ", 8, _KERNFS_HANDLE, number), 16)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        result = int(self._libc.syscall(_OPEN_BY_HANDLE_AT, mount, handle, flags))
        if result < 0:
            raise BpfError("open cgroup", str(number), ctypes.get_errno())
        return result

    def open_process(self, tgid: int) -> int:
        result = int(self._libc.syscall(_PIDFD_OPEN, tgid, 0))
        if result < 0:
            raise BpfError("open process", str(tgid), ctypes.get_errno())
        return result

    def wait_for_readers(self) -> None:
        """Until every program that runs now has ended: membarrier waits for an RCU grace period."""
        if int(self._libc.syscall(_MEMBARRIER, _MEMBARRIER_GLOBAL, 0, 0)) < 0:
            raise BpfError("membarrier", "global", ctypes.get_errno())


_BTF_VALUE_ID = 3


def storage_types(size: int) -> bytes:
    """BTF for a local storage map: 1 int (the key), 2 u8, 3 struct (the value) of `size` bytes, 4 its array."""
    strings = b"\0int\0u8\0value\0bytes\0"
    types = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    types += struct.pack("<IIII", 5, 1 << 24, 1, 8)
    types += struct.pack("<IIIIII", 8, 4 << 24 | 1, size, 14, 4, 0)
    types += struct.pack("<IIIIII", 0, 3 << 24, 0, 2, 1, size)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def close_all(descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        os.close(fd)
