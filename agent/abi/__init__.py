"""
The Python mirror of `bpf/include/abi.h`, and nothing else: names without `RF_`, structs as numpy types. A test compares
the two.
"""

from enum import IntEnum, IntFlag

import numpy as np

VERSION = 1

SLOTS = 4
CLASSES = 5
PATH_MAX = 4096
DEPTH_MAX = 256
SCOPE_DEPTH = 64
AUTOMATON_ENTRIES = 1 << 19
WORDS = 1 << 20
ALSO_MAX = 8
SYSCALLS = 512
SCRATCH_SLOTS = 8
EXE_INLINE = 192
EVENT_PATH = 192
COMM = 16
REASONS = 8
LABEL_UNKNOWN = 0
LABEL_NAMELESS = 1
DOMAIN_UNKNOWN = 0
CREDENTIAL_UNKNOWN = 0
CONTROL_KEYS = 2
ENTRY_OWNED = 1 << 31
TOTALS = 16


class ClassNumber(IntEnum):
    """`enum rf_class`"""

    NONE = 0
    FILE = 1
    EXEC = 2
    NETWORK = 3
    SYSCALL = 4


class Operation(IntFlag):
    """`enum rf_operation`: bits, each class counting from its own first."""

    FILE_READ = 1 << 0
    FILE_WRITE = 1 << 1
    FILE_CREATE = 1 << 2
    EXEC_EXEC = 1 << 0
    NETWORK_CONNECT = 1 << 0
    SYSCALL_CALL = 1 << 0


class Effect(IntEnum):
    """`enum rf_effect`"""

    ALLOW = 0
    AUDIT = 1
    WOULD_DENY = 2
    DENY = 3
    KILL = 4


class Reason(IntEnum):
    """`enum rf_reason`"""

    DECIDED = 0
    NAME_TOO_LONG = 1
    NAME_TOO_DEEP = 2
    NAME_MOVING = 3
    NAME_DETACHED = 4
    SCRATCH_BUSY = 5
    SUBJECT_UNKNOWN = 6
    TABLE_MISSING = 7


class Control(IntEnum):
    """`enum rf_control`: keys of the map `control`."""

    LIVE = 0
    OPEN_UNTIL = 1


class Arming(IntEnum):
    """`enum rf_arming`"""

    UNSEEN = 0
    OUTSIDE = 1
    PENDING = 2
    ARMED = 3


class TaskFlag(IntFlag):
    """`RF_TASK_…`"""

    EXEMPT = 1 << 0
    SEEDED = 1 << 1
    EXE_LONG = 1 << 2
    EXE_KNOWN = 1 << 3


class Record(IntEnum):
    """`enum rf_record`"""

    EVENT = 1
    NAME = 2


class EventFlag(IntFlag):
    """`RF_EVENT_…`"""

    PATH_INCOMPLETE = 1 << 0
    EXE_INCOMPLETE = 1 << 1
    SEEDED = 1 << 2
    NAME_APART = 1 << 3


class Total(IntEnum):
    """`enum rf_total`: keys of the map `totals`."""

    VIOLATIONS = 0
    VIOLATIONS_LOST = 1
    OBSERVATIONS = 2
    OBSERVATIONS_LOST = 3
    NAMES_LOST = 4
    TASKS_LOST = 5
    UNDECIDED = 8


def _struct(members: list[tuple[str, str] | tuple[str, str, int]]) -> np.dtype[np.void]:
    """A numpy type laid out as C lays out the same members."""
    return np.dtype(members, align=True)


SLOT = _struct(
    [
        ("generation", "u8"),
        ("epoch", "u8"),
        ("reverts_at", "u8"),
        ("fallback", "u4"),
        ("rules", "u4"),
        ("processors", "u4"),
        ("pad", "u4"),
    ]
)

ENTRY = _struct([("next", "u4"), ("check", "u4")])

PROFILE = _struct(
    [
        ("start", "u4"),
        ("path_labels", "u4"),
        ("path_label_count", "u4"),
        ("domains", "u4"),
        ("credentials", "u4"),
        ("gid_classes", "u4"),
        ("cells", "u4", CLASSES),
        ("labels", "u4", CLASSES),
        ("ports", "u4"),
        ("port_classes", "u4"),
        ("protocols", "u4"),
        ("protocol_classes", "u4"),
        ("peers", "u4"),
        ("address_default", "u4"),
        ("syscalls", "u4"),
        ("has_credentials", "u4"),
        ("byte_classes", "u1", 256),
    ]
)

ADDRESS_KEY = _struct([("prefix_length", "u4"), ("profile", "u4"), ("address", "u1", 16)])

CREDENTIAL_KEY = _struct([("profile", "u4"), ("kind", "u4"), ("id", "u4")])

SCOPE = _struct([("since", "u8"), ("profile", "u4"), ("pad", "u4")])

TASK = _struct(
    [
        ("epoch", "u8"),
        ("cgroup", "u8"),
        ("seen", "u8"),
        ("exec_cgroup", "u8"),
        ("profile", "u4"),
        ("domain", "u4"),
        ("exec_id", "u4"),
        ("flags", "u4"),
        ("arming", "u4"),
        ("exe_length", "u4"),
        ("exe", "u1", EXE_INLINE),
    ]
)

EVENT = _struct(
    [
        ("record", "u4"),
        ("flags", "u4"),
        ("token", "u8"),
        ("boot_ns", "u8"),
        ("task_start", "u8"),
        ("generation", "u8"),
        ("cgroup", "u8"),
        ("slot", "u4"),
        ("profile", "u4"),
        ("rule", "u4"),
        ("tgid", "u4"),
        ("tid", "u4"),
        ("uid", "u4"),
        ("gid", "u4"),
        ("verdict", "i4"),
        ("class_id", "u1"),
        ("effect", "u1"),
        ("reason", "u1"),
        ("protocol", "u1"),
        ("operations", "u2"),
        ("port", "u2"),
        ("family", "u2"),
        ("syscall", "u2"),
        ("path_length", "u2"),
        ("exe_length", "u2"),
        ("address", "u1", 16),
        ("comm", "u1", COMM),
        ("exe", "u1", EXE_INLINE),
        ("path", "u1", EVENT_PATH),
    ]
)

NAME = _struct([("record", "u4"), ("length", "u4"), ("token", "u8")])

#: C's name of each struct.
STRUCTS: dict[str, np.dtype[np.void]] = {
    "rf_slot": SLOT,
    "rf_entry": ENTRY,
    "rf_profile": PROFILE,
    "rf_address_key": ADDRESS_KEY,
    "rf_credential_key": CREDENTIAL_KEY,
    "rf_scope": SCOPE,
    "rf_task": TASK,
    "rf_event": EVENT,
    "rf_name": NAME,
}

#: C's prefix of each group of constants, and the mirror.
ENUMS: tuple[tuple[str, type[IntEnum] | type[IntFlag]], ...] = (
    ("RF_CLASS_", ClassNumber),
    ("RF_", Operation),
    ("RF_EFFECT_", Effect),
    ("RF_REASON_", Reason),
    ("RF_CONTROL_", Control),
    ("RF_TASK_", Arming),
    ("RF_TASK_", TaskFlag),
    ("RF_RECORD_", Record),
    ("RF_EVENT_", EventFlag),
    ("RF_TOTAL_", Total),
)

#: Numbers on their own, as `RF_NAME`.
CONSTANTS: dict[str, int] = {
    name: value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, int) and name != "VERSION"
}
