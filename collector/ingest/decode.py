"""
A batch off the wire → a block of events that the store can trust, or one error that says why not.

Pure. Nothing here believes the sender: lengths, indexes and numbers are checked for the whole batch before any of it is
kept.
"""

import re
from dataclasses import fields
from typing import Any

import numpy as np
from ringfence.v1 import stream_pb2

from collector.store.events import Columns, EventBlock, Int64Array, RuleReference

#: A batch may hold this many events, names and rules.
EVENTS_LIMIT = 65_536
NAMES_LIMIT = 1 + 5 * EVENTS_LIMIT
RULES_LIMIT = 4_096
#: A name may be this long, bytes: a path of the kernel's own limit, with room to spare.
NAME_LIMIT = 16_384
TEXT_LIMIT = 4_096

_NODE = re.compile(r"[A-Za-z0-9._-]{1,253}")
_BOOT_ID = re.compile(r"[0-9a-f-]{8,64}")
_SPOOL = re.compile(r"[A-Za-z0-9-]{0,64}")
_INDEXES = ("cgroup", "workload", "comm", "exe", "object")
#: Columns that hold more than a flag or an index: bits they may use.
_BITS = {"ring": 1, "class": 8, "effect": 8, "reason": 8, "protocol": 16}
_FIELDS = tuple((field.name, field.name.rstrip("_")) for field in fields(Columns))


class BatchError(Exception):
    """A batch that breaks the format; `events` of them are lost with it."""

    def __init__(self, number: int, problem: str, events: int) -> None:
        super().__init__(f"batch {number}: {problem}")
        self.number = number
        self.problem = problem
        self.events = events


class HelloError(Exception):
    """A stream that does not begin as it must."""


def check_hello(hello: stream_pb2.Hello) -> None:
    """Refuse names that could not stand in an event's id. Raises HelloError."""
    if not _NODE.fullmatch(hello.node):
        raise HelloError("a node's name is 1 to 253 letters, digits, `.`, `_` or `-`")
    if not _BOOT_ID.fullmatch(hello.boot_id):
        raise HelloError("a boot id is 8 to 64 hexadecimal digits and `-`")
    if not _SPOOL.fullmatch(hello.spool_id):
        raise HelloError("a spool's id is at most 64 letters, digits and `-`")
    if max(len(hello.version), len(hello.kernel)) > TEXT_LIMIT:
        raise HelloError("version or kernel is too long")


def decode(batch: stream_pb2.Batch, node: str, spool: str = "", after: int = 0) -> EventBlock:
    """Check a batch of `node` and turn it into columns; see EventBlock for `spool`, `after`. Raises BatchError."""
    count = max(len(getattr(batch.columns, name)) for _, name in _FIELDS)
    try:
        _check_frame(batch, node, count)
        arrays = {ours: _column(batch.columns, name, count) for ours, name in _FIELDS}
        for name in _INDEXES:
            _below(name, arrays[name], max(1, len(batch.names)))
        _below("rule", arrays["rule"], len(batch.rules))
    except ValueError as error:
        raise BatchError(batch.number, str(error), min(count, EVENTS_LIMIT)) from None
    return EventBlock(
        node=node,
        boot_id=batch.boot_id,
        spool=spool,
        number=batch.number,
        after=after,
        columns=Columns(**arrays),
        names=tuple(batch.names) or (b"",),
        rules=tuple(RuleReference(r.policy, r.rule, r.action, r.mode, r.severity, r.message) for r in batch.rules),
    )


def _check_frame(batch: stream_pb2.Batch, node: str, count: int) -> None:
    if batch.node != node:
        raise ValueError("it is of another node than the stream")
    if not _BOOT_ID.fullmatch(batch.boot_id):
        raise ValueError("a boot id is 8 to 64 hexadecimal digits and `-`")
    if not 0 < batch.number < 2**63:
        raise ValueError("a batch's number counts from 1")
    for what, found, limit in (
        ("events", count, EVENTS_LIMIT),
        ("names", len(batch.names), NAMES_LIMIT),
        ("rules", len(batch.rules), RULES_LIMIT),
    ):
        if found > limit:
            raise ValueError(f"{found} {what}, allowed {limit}")
    if batch.names and batch.names[0]:
        raise ValueError("the first name is not the empty one")
    if max(map(len, batch.names), default=0) > NAME_LIMIT:
        raise ValueError(f"a name of more than {NAME_LIMIT} bytes")
    for rule in batch.rules:
        texts = (rule.policy, rule.rule, rule.action, rule.mode, rule.severity, rule.message)
        if max(map(len, texts)) > TEXT_LIMIT:
            raise ValueError(f"a rule's text of more than {TEXT_LIMIT} characters")


def _column(columns: stream_pb2.Columns, name: str, count: int) -> Int64Array:
    values: Any = getattr(columns, name)
    if len(values) != count:
        raise ValueError(f"column `{name}` has {len(values)} entries, another {count}")
    array: np.ndarray[Any, np.dtype[Any]] = np.array(values) if count else np.zeros(0, np.int64)
    if name == "cgroup_id":
        return array.view(np.int64)
    if array.dtype == np.uint64 and count and int(array.max()) >= 2**63:
        raise ValueError(f"column `{name}` has a number of 2^63 or more")
    if name == "unix_ns" and count and int(array.min()) < 0:
        raise ValueError("column `unix_ns` has a time before 1970")
    if (bits := _BITS.get(name)) and count and int(array.max()) >> bits:
        raise ValueError(f"column `{name}` has a number of 2^{bits} or more")
    return array.astype(np.int64)


def _below(name: str, array: Int64Array, limit: int) -> None:
    if len(array) and int(array.max()) >= limit:
        raise ValueError(f"column `{name}` refers to entry {int(array.max())} of {limit}")
