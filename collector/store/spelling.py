"""
A violation spelled out: columns and rows → the words of `ringfence.v1.Violation`.

The same words go to the webhook, the REST API and the event stream.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from collector.store.events import EventBlock, RuleReference
from collector.store.text import printable, printable_text, rfc3339

ClassName = Literal[
    "file",
    "exec",
    "network",
    "syscall",
    "capability",
    "device",
    "mount",
    "namespace",
    "ptrace",
    "signal",
    "bpf",
    "module",
    "credential",
    "keyring",
    "ioUring",
]
#: By number; 0 is none.
CLASSES = ("", *get_args(ClassName))
EFFECTS = ("allow", "audit", "would-deny", "deny", "kill")
REASONS = (
    "decided",
    "name-too-long",
    "name-too-deep",
    "name-moving",
    "name-detached",
    "scratch-busy",
    "subject-unknown",
    "table-missing",
)
#: By class number; the position is the bit.
OPERATIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("read", "write", "create", "delete", "rename", "link", "attr", "truncate", "mapExec"),
    ("exec",),
    ("connect", "bind", "listen", "accept", "send", "create"),
    ("call",),
    ("use",),
    ("read", "write", "create"),
    ("mount", "umount", "move", "pivot"),
    ("create",),
    ("attach", "read"),
    ("send",),
    ("load", "map", "attach", "use"),
    ("load", "request"),
    ("setuid", "setgid"),
    ("create", "view", "read", "write", "search", "link", "setattr"),
    ("create", "poll", "credentials", "command"),
)
FLAGS = ("path-incomplete", "exe-incomplete", "seeded")
RINGS = "vo"
_ID = re.compile(r"(?P<node>[^:]+):(?P<boot>[^:]+):(?P<ring>[vo])(?P<sequence>[0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Violation:
    """One event in words; every string is printable."""

    id: str
    node: str
    time: str
    unix_ns: str
    generation: int
    policy: str
    rule: str
    class_: str
    operations: tuple[str, ...]
    effect: str
    reason: str
    verdict: int
    object: str
    exe: str
    comm: str
    tgid: int
    tid: int
    uid: int
    gid: int
    cgroup: str
    workload: str
    severity: str
    message: str
    flags: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields under the names they have in JSON."""
        return {name.rstrip("_"): getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event as the store keeps it: numbers and raw bytes."""

    node: str
    boot_id: str
    ring: int
    sequence: int
    unix_ns: int
    generation: int
    rule: RuleReference
    class_: int
    effect: int
    reason: int
    verdict: int
    operations: int
    flags: int
    tgid: int
    tid: int
    uid: int
    gid: int
    object: bytes
    exe: bytes
    comm: bytes
    cgroup: bytes
    workload: bytes


def event_id(node: str, boot_id: str, ring: int, sequence: int) -> str:
    """The one id of an event, e.g. `web-1:4f1c09aa:v6720`."""
    return f"{node}:{boot_id[:8]}:{RINGS[ring]}{sequence}"


def parse_event_id(text: str) -> tuple[str, str, int, int] | None:
    """Node, first eight characters of the boot id, ring and sequence of an id; None if it is not one."""
    if (match := _ID.fullmatch(text)) is None or int(match["sequence"]) >= 2**63:
        return None
    return match["node"], match["boot"], RINGS.index(match["ring"]), int(match["sequence"])


def spell(event: RawEvent) -> Violation:
    """Put an event into words."""
    return Violation(
        id=event_id(event.node, event.boot_id, event.ring, event.sequence),
        node=printable_text(event.node),
        time=rfc3339(event.unix_ns),
        unix_ns=str(event.unix_ns),
        generation=event.generation,
        policy=printable_text(event.rule.policy),
        rule=printable_text(event.rule.rule),
        class_=_word(CLASSES, event.class_, "class"),
        operations=operations_of(event.class_, event.operations),
        effect=_word(EFFECTS, event.effect, "effect"),
        reason=_word(REASONS, event.reason, "reason"),
        verdict=event.verdict,
        object=printable(event.object),
        exe=printable(event.exe),
        comm=printable(event.comm),
        tgid=event.tgid,
        tid=event.tid,
        uid=event.uid,
        gid=event.gid,
        cgroup=printable(event.cgroup),
        workload=printable(event.workload),
        severity=printable_text(event.rule.severity),
        message=printable_text(event.rule.message),
        flags=tuple(name for bit, name in enumerate(FLAGS) if event.flags >> bit & 1),
    )


def raw_event(block: EventBlock, position: int) -> RawEvent:
    """One event of a block."""
    columns, names = block.columns, block.names
    return RawEvent(
        node=block.node,
        boot_id=block.boot_id,
        ring=int(columns.ring[position]),
        sequence=int(columns.sequence[position]),
        unix_ns=int(columns.unix_ns[position]),
        generation=int(columns.generation[position]),
        rule=block.rules[columns.rule[position]],
        class_=int(columns.class_[position]),
        effect=int(columns.effect[position]),
        reason=int(columns.reason[position]),
        verdict=int(columns.verdict[position]),
        operations=int(columns.operations[position]),
        flags=int(columns.flags[position]),
        tgid=int(columns.tgid[position]),
        tid=int(columns.tid[position]),
        uid=int(columns.uid[position]),
        gid=int(columns.gid[position]),
        object=names[columns.object[position]],
        exe=names[columns.exe[position]],
        comm=names[columns.comm[position]],
        cgroup=names[columns.cgroup[position]],
        workload=names[columns.workload[position]],
    )


def operations_of(class_: int, bits: int) -> tuple[str, ...]:
    """Names of the operations in a class's bits; a bit without a name is `bit-N`."""
    names = OPERATIONS[class_] if class_ < len(OPERATIONS) else ()
    return tuple(
        names[bit] if bit < len(names) else f"bit-{bit}" for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def _word(words: tuple[str, ...], number: int, kind: str) -> str:
    return words[number] if 0 <= number < len(words) else f"{kind}-{number}"
