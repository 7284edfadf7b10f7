"""
A ring of the kernel itself, and a program that writes events into it: needs root, and nothing of a compiler.

The program is assembled by hand: it puts an event on its stack, with the boot clock in its place, and outputs it.
"""

import ctypes
import errno
import os
import platform
import struct

from agent.abi.events import EVENT
from agent.events.memory import MappedRing, map_ring

_MAP_CREATE, _PROGRAM_LOAD, _TEST_RUN = 0, 5, 10
_RINGBUF, _SOCKET_FILTER = 27, 1
_CALL_NUMBERS = {"x86_64": 321, "aarch64": 280}

_STORE_W, _STORE_DW, _STORE_R_DW = 0x62, 0x7A, 0x7B
_MOVE_R, _MOVE_K, _ADD_K, _LOAD_MAP, _CALL, _EXIT = 0xBF, 0xB7, 0x07, 0x18, 0x85, 0x95
_RINGBUF_OUTPUT, _KTIME_BOOT = 130, 125


class BpfRefusedError(Exception):
    """This kernel, or these rights, do not allow it."""


def _bpf(command: int, attributes: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = int(libc.syscall(_CALL_NUMBERS[platform.machine()], command, buffer, len(buffer)))
    if result < 0:
        raise BpfRefusedError(f"bpf({command}): {errno.errorcode.get(ctypes.get_errno())}")
    return result


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | to, offset, value)


def _program(ring: int, event: bytes) -> bytes:
    """Write `event` with the current time into the ring."""
    code = _instruction(_CALL, value=_KTIME_BOOT)
    stack = -len(event)
    for at in range(0, len(event), 8):
        low, high = struct.unpack_from("<ii", event, at)
        if high == 0 and low >= 0:
            code += _instruction(_STORE_DW, 10, 0, stack + at, low)
        else:
            code += _instruction(_STORE_W, 10, 0, stack + at, low) + _instruction(_STORE_W, 10, 0, stack + at + 4, high)
    code += _instruction(_STORE_R_DW, 10, 0, stack + EVENT.fields["boot_ns"][1])
    code += _instruction(_LOAD_MAP, 1, 1, 0, ring) + _instruction(0)
    code += _instruction(_MOVE_R, 2, 10) + _instruction(_ADD_K, 2, 0, 0, stack)
    code += _instruction(_MOVE_K, 3, 0, 0, len(event)) + _instruction(_MOVE_K, 4, 0, 0, 0)
    code += _instruction(_CALL, value=_RINGBUF_OUTPUT)
    return code + _instruction(_MOVE_K, 0, 0, 0, 0) + _instruction(_EXIT)


class KernelRing:
    """
    A ring buffer map and its writer. Raises BpfRefusedError if the kernel does not let us.

    Args:
        event: What `write` writes; `boot_ns` is the time at which it does.
    """

    def __init__(self, size: int, event: bytes) -> None:
        self.fd = _bpf(_MAP_CREATE, struct.pack("<5I", _RINGBUF, 0, 0, size, 0))
        code = ctypes.create_string_buffer(_program(self.fd, event))
        licence = ctypes.create_string_buffer(b"GPL")
        count = (len(code) - 1) // 8
        addresses = ctypes.addressof(code), ctypes.addressof(licence)
        attributes = struct.pack("<IIQQIIQI", _SOCKET_FILTER, count, *addresses, 0, 0, 0, 0)
        try:
            self._program = _bpf(_PROGRAM_LOAD, attributes)
        except BpfRefusedError:
            os.close(self.fd)
            raise
        self._packet = ctypes.create_string_buffer(64)

    def map(self) -> MappedRing:
        return map_ring(self.fd)

    def write(self, times: int = 1) -> None:
        """Run the program so often, inside the kernel."""
        attributes = struct.pack("<IIIIQQII", self._program, 0, 64, 0, ctypes.addressof(self._packet), 0, times, 0)
        _bpf(_TEST_RUN, attributes)

    def close(self) -> None:
        os.close(self._program)
        os.close(self.fd)
