"""
What the rings carry: `struct rf_event` and `struct rf_name` of `bpf/include/abi.h` as numpy types, and their numbers.

Offsets are what the compiler gives the C structs; a test compares them member by member.
"""

import numpy as np

#: Values of `record`, the first member of both.
RECORD_EVENT = 1
RECORD_NAME = 2

#: Bits of `rf_event.flags`.
PATH_INCOMPLETE = 1 << 0
EXE_INCOMPLETE = 1 << 1
SEEDED = 1 << 2
NAME_APART = 1 << 3

#: Bytes of a name with its NUL; of an object's and an executable's name inside an event; of a task's own name.
PATH_MAX = 4096
EVENT_PATH = 192
EXE_INLINE = 192
COMM = 16

CLASS_FILE, CLASS_EXEC, CLASS_NETWORK, CLASS_SYSCALL = 1, 2, 3, 4
CLASSES = 16
EFFECTS = 5
REASONS = 8

#: `struct rf_event`: 512 bytes.
EVENT = np.dtype(
    [
        ("record", "<u4"),
        ("flags", "<u4"),
        ("token", "<u8"),
        ("boot_ns", "<u8"),
        ("task_start", "<u8"),
        ("generation", "<u8"),
        ("cgroup", "<u8"),
        ("slot", "<u4"),
        ("profile", "<u4"),
        ("rule", "<u4"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("verdict", "<i4"),
        ("class_id", "u1"),
        ("effect", "u1"),
        ("reason", "u1"),
        ("protocol", "u1"),
        ("operations", "<u2"),
        ("port", "<u2"),
        ("family", "<u2"),
        ("syscall", "<u2"),
        ("path_length", "<u2"),
        ("exe_length", "<u2"),
        ("address", "u1", (16,)),
        ("comm", "u1", (COMM,)),
        ("exe", "u1", (EXE_INLINE,)),
        ("path", "u1", (EVENT_PATH,)),
    ]
)

#: `struct rf_name`: 16 bytes, and then `length` bytes of the name.
NAME = np.dtype([("record", "<u4"), ("length", "<u4"), ("token", "<u8")])
