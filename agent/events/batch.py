"""
A batch of events as columns: what is spooled, streamed and shown.

Columns are those of `ringfence.v1.Columns`, one entry an event. The packed form is msgpack: columns as little-endian
bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgpack
import numpy as np
from numpy.typing import NDArray

from policy.compiler.ruleset import RuleReference
from policy.model.types import Action, Class, Mode

VERSION = 1

VIOLATIONS = 0
OBSERVATIONS = 1

#: Columns and their types; `ring` is one number for the whole batch.
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "sequence": np.dtype("<u8"),
    "generation": np.dtype("<u8"),
    "unix_ns": np.dtype("<i8"),
    "cgroup_id": np.dtype("<u8"),
    "cgroup": np.dtype("<u4"),
    "workload": np.dtype("<u4"),
    "tgid": np.dtype("<u4"),
    "tid": np.dtype("<u4"),
    "uid": np.dtype("<u4"),
    "gid": np.dtype("<u4"),
    "comm": np.dtype("<u4"),
    "exe": np.dtype("<u4"),
    "rule": np.dtype("<u4"),
    "class": np.dtype("u1"),
    "effect": np.dtype("u1"),
    "reason": np.dtype("u1"),
    "operations": np.dtype("<u2"),
    "verdict": np.dtype("<i4"),
    "object": np.dtype("<u4"),
    "protocol": np.dtype("u1"),
    "flags": np.dtype("<u4"),
}

#: Columns that are indices into `names`.
NAMED = ("cgroup", "workload", "comm", "exe", "object")

_RULE_FIELDS = 7


class BatchError(Exception):
    """Bytes that are no batch."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """
    Events of one ring and one boot.

    Attributes:
        ring: VIOLATIONS or OBSERVATIONS.
        columns: One array for each of COLUMNS, all of one length.
        names: Raw bytes as the kernel has them; index 0 is the empty name.
        rules: What the column `rule` refers to.
    """

    node: str
    boot_id: str
    ring: int
    columns: dict[str, NDArray[np.generic]]
    names: tuple[bytes, ...]
    rules: tuple[RuleReference, ...]

    def __len__(self) -> int:
        return len(self.columns["sequence"])


def pack(batch: EventBatch) -> bytes:
    columns = {name: batch.columns[name].astype(kind, copy=False).tobytes() for name, kind in COLUMNS.items()}
    rules = [
        (r.policy, r.rule, r.class_.value, r.action.value, r.mode.value, r.severity, r.message) for r in batch.rules
    ]
    body = (VERSION, batch.node, batch.boot_id, batch.ring, columns, batch.names, rules)
    packed: bytes = msgpack.packb(body, use_bin_type=True)
    return packed


def unpack(payload: bytes) -> EventBatch:
    """The inverse of `pack`. Raises BatchError for anything that `pack` cannot have written."""
    try:
        version, node, boot_id, ring, raw, names, rules = msgpack.unpackb(payload, raw=False, use_list=False)
        if version != VERSION:
            raise BatchError(f"batch version: found {version}, required {VERSION}")
        columns = {name: np.frombuffer(raw[name], kind) for name, kind in COLUMNS.items()}
        batch = EventBatch(str(node), str(boot_id), int(ring), columns, tuple(names), tuple(map(_rule, rules)))
    except BatchError:
        raise
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise BatchError(f"bytes that are no batch: {error}") from error
    _check(batch)
    return batch


def _rule(fields: tuple[str, ...]) -> RuleReference:
    if len(fields) != _RULE_FIELDS:
        raise BatchError(f"rule with {len(fields)} fields, required {_RULE_FIELDS}")
    policy, rule, class_, action, mode, severity, message = fields
    return RuleReference(policy, rule, Class(class_), Action(action), Mode(mode), severity, message)


def _check(batch: EventBatch) -> None:
    if len({len(column) for column in batch.columns.values()}) != 1:
        raise BatchError("columns of different lengths")
    if not all(isinstance(name, bytes) for name in batch.names):
        raise BatchError("a name that is not bytes")
    limits: Iterable[tuple[str, int]] = [(name, len(batch.names)) for name in NAMED] + [("rule", len(batch.rules))]
    for name, limit in limits:
        column = batch.columns[name]
        if len(column) and int(column.max()) >= limit:
            raise BatchError(f"column `{name}` points past its {limit} entries")


def event_id(node: str, boot_id: str, ring: int, sequence: int) -> str:
    """The one name of an event that alert, CLI, console and SIEM all show."""
    return f"{node}:{boot_id[:8]}:{'v' if ring == VIOLATIONS else 'o'}{sequence}"
