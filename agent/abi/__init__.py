"""
The Python mirror of `bpf/include/abi.h`, and nothing else: names without `RF_`, structs as numpy types. A test compares
the two.
"""

from enum import IntEnum, IntFlag

import numpy as np

VERSION = 2

SLOTS = 4
CLASSES = 16
PATH_MAX = 4096
DEPTH_MAX = 256
SCOPE_DEPTH = 64
AUTOMATON_ENTRIES = 1 << 19
AUTOMATON_SLACK = 512
WORDS = 1 << 20
PATH_COLUMNS = 10
OPERATIONS = 16
DECISION_STEPS = 128
PAIR_STEPS = 18
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
CONTROL_KEYS = 3
TYPES = 7
MINOR_BITS = 20
MAJOR_ANY = (1 << 32) - 1
RANK_TEST = 0xFF
LABEL_SHIFT = 3
TOTALS = 16


class ClassNumber(IntEnum):
    """`enum rf_class_id`"""

    NONE = 0
    FILE = 1
    EXEC = 2
    NETWORK = 3
    SYSCALL = 4
    CAPABILITY = 5
    DEVICE = 6
    MOUNT = 7
    NAMESPACE = 8
    PTRACE = 9
    SIGNAL = 10
    BPF = 11
    MODULE = 12
    CREDENTIAL = 13
    KEYRING = 14
    IO_URING = 15


class Operation(IntFlag):
    """`enum rf_operation`: bits, each class counting from its own first."""

    FILE_READ = 1 << 0
    FILE_WRITE = 1 << 1
    FILE_CREATE = 1 << 2
    FILE_DELETE = 1 << 3
    FILE_RENAME = 1 << 4
    FILE_LINK = 1 << 5
    FILE_ATTR = 1 << 6
    FILE_TRUNCATE = 1 << 7
    FILE_MAPEXEC = 1 << 8
    EXEC_EXEC = 1 << 0
    NETWORK_CONNECT = 1 << 0
    NETWORK_BIND = 1 << 1
    NETWORK_LISTEN = 1 << 2
    NETWORK_ACCEPT = 1 << 3
    NETWORK_SEND = 1 << 4
    NETWORK_CREATE = 1 << 5
    SYSCALL_CALL = 1 << 0
    CAPABILITY_USE = 1 << 0
    DEVICE_READ = 1 << 0
    DEVICE_WRITE = 1 << 1
    DEVICE_CREATE = 1 << 2
    MOUNT_MOUNT = 1 << 0
    MOUNT_UMOUNT = 1 << 1
    MOUNT_MOVE = 1 << 2
    MOUNT_PIVOT = 1 << 3
    NAMESPACE_CREATE = 1 << 0
    PTRACE_ATTACH = 1 << 0
    PTRACE_READ = 1 << 1
    SIGNAL_SEND = 1 << 0
    BPF_LOAD = 1 << 0
    BPF_MAP = 1 << 1
    BPF_ATTACH = 1 << 2
    BPF_USE = 1 << 3
    MODULE_LOAD = 1 << 0
    MODULE_REQUEST = 1 << 1
    CREDENTIAL_SETUID = 1 << 0
    CREDENTIAL_SETGID = 1 << 1
    KEYRING_CREATE = 1 << 0
    KEYRING_VIEW = 1 << 1
    KEYRING_READ = 1 << 2
    KEYRING_WRITE = 1 << 3
    KEYRING_SEARCH = 1 << 4
    KEYRING_LINK = 1 << 5
    KEYRING_SETATTR = 1 << 6
    IO_URING_CREATE = 1 << 0
    IO_URING_POLL = 1 << 1
    IO_URING_CREDENTIALS = 1 << 2
    IO_URING_COMMAND = 1 << 3


class FileType(IntEnum):
    """`enum rf_file_type`"""

    UNKNOWN = 0
    REGULAR = 1
    DIRECTORY = 2
    DEVICE = 3
    SOCKET = 4
    FIFO = 5
    SYMLINK = 6


class Column(IntEnum):
    """`enum rf_column`"""

    FILE = 0
    EXEC = 1
    UNIX = 2
    MOUNT_SOURCE = 3
    MOUNT_TARGET = 4
    MOUNT_TYPE = 5
    EXE = 6
    PARENT = 7
    ANCESTOR_LOW = 8
    ANCESTOR_HIGH = 9


class NumberKind(IntEnum):
    """`enum rf_number_kind`"""

    USER = 0
    GROUP = 1
    CAPABILITY = 2
    NAMESPACE = 3
    SIGNAL = 4
    CREDENTIAL = 5
    CHAR_DEVICE = 6
    CHAR_MAJOR = 7
    BLOCK_DEVICE = 8
    BLOCK_MAJOR = 9


class Test(IntEnum):
    """`enum rf_test`"""

    BEFORE = 1
    ANCESTOR = 2


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
    WALL = 2


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


def _struct(members: "list[tuple[str, str] | tuple[str, str | np.dtype[np.void], int]]") -> np.dtype[np.void]:
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

CLASS = _struct([("cells", "u4"), ("labels", "u4"), ("table", "u4"), ("sizes", "u4", 3), ("asked", "u4")])

PROFILE = _struct(
    [
        ("start", "u4"),
        ("floating", "u4"),
        ("pairs", "u4"),
        ("alone", "u4"),
        ("path_labels", "u4"),
        ("path_label_count", "u4"),
        ("domains", "u4"),
        ("domains_table", "u4"),
        ("parents", "u4"),
        ("credentials", "u4"),
        ("gid_classes", "u4"),
        ("has_credentials", "u4"),
        ("ports", "u4"),
        ("protocols", "u4"),
        ("families", "u4"),
        ("address_default", "u4"),
        ("unix_base", "u4"),
        ("syscalls", "u4"),
        ("classes", CLASS, CLASSES),
        ("byte_classes", "u1", 256),
    ]
)

ADDRESS_KEY = _struct([("prefix_length", "u4"), ("profile", "u4"), ("address", "u1", 16)])

NUMBER_KEY = _struct([("profile", "u4"), ("kind", "u4"), ("id", "u4")])

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
    "rf_class": CLASS,
    "rf_profile": PROFILE,
    "rf_address_key": ADDRESS_KEY,
    "rf_number_key": NUMBER_KEY,
    "rf_scope": SCOPE,
    "rf_task": TASK,
    "rf_event": EVENT,
    "rf_name": NAME,
}

#: C's prefix of each group of constants, and the mirror.
ENUMS: tuple[tuple[str, type[IntEnum] | type[IntFlag]], ...] = (
    ("RF_CLASS_", ClassNumber),
    ("RF_", Operation),
    ("RF_TYPE_", FileType),
    ("RF_COLUMN_", Column),
    ("RF_NUMBER_", NumberKind),
    ("RF_TEST_", Test),
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
