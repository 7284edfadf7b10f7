"""
From records of a ring to columns.

Nothing that stands in a record raises: what cannot be right is rejected and counted, what is only unknown is kept and
says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.abi.events import (
    CLASS_NETWORK,
    CLASS_SYSCALL,
    CLASSES,
    EFFECTS,
    EVENT_PATH,
    EXE_INCOMPLETE,
    EXE_INLINE,
    NAME_APART,
    PATH_INCOMPLETE,
    REASONS,
    SEEDED,
)
from agent.events.batch import EventBatch
from agent.events.enrich import Places
from agent.events.peers import peer_text
from agent.events.records import Records
from policy.compiler.ruleset import RuleReference
from policy.model.types import Action, Class, Mode

#: Flags that leave the node; NAME_APART is only how the name travelled.
_SHOWN_FLAGS = PATH_INCOMPLETE | EXE_INCOMPLETE | SEEDED
_CLASSES = (Class.FILE, *Class)


@dataclass(frozen=True, slots=True)
class Context:
    """
    What decoding needs to know of the node.

    Attributes:
        rule: What a rule's number means in a generation; None if that is not known (any more). Like the others, it must
            not raise.
        syscall: Name of a system call's number.
        unix_offset_ns: What to add to the boot clock to get Unix time.
    """

    node: str
    boot_id: str
    rule: Callable[[int, int], RuleReference | None]
    places: Places
    syscall: Callable[[int], str]
    unix_offset_ns: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Decoded:
    """
    Attributes:
        batch: Events in the order of the ring.
        rejected: Records left out, by reason: what stood in them cannot be.
        unknown_rules: Events kept although no rule table knows their rule.
    """

    batch: EventBatch
    rejected: dict[str, int]
    unknown_rules: int


class _Names(dict[bytes, int]):
    """Index of every name in a batch; a new name gets the next one."""

    def __missing__(self, name: bytes) -> int:
        index = self[name] = len(self)
        return index

    def column(self, names: list[bytes]) -> NDArray[np.uint32]:
        return np.fromiter(map(self.__getitem__, names), np.uint32, len(names))


def decode(records: Records, ring: int, base: int, context: Context) -> Decoded:
    """
    Columns of all records that can be right.

    Args:
        base: Added to positions to make sequences.
    """
    rejected = dict(records.rejected)
    events, positions = _plausible(records.events, records.positions, rejected)
    names = _Names({b"": 0})
    rules, rule_column, unknown = _rules(events, context)
    flags: NDArray[np.uint32] = events["flags"] & np.uint32(_SHOWN_FLAGS)
    objects = _objects(events, records.names, flags, context)
    exes = _inline(events["exe"], events["exe_length"], EXE_INLINE)
    flags[events["exe_length"] > EXE_INLINE] |= EXE_INCOMPLETE
    columns: dict[str, NDArray[np.generic]] = {
        "sequence": positions + np.uint64(base),
        "generation": events["generation"],
        "unix_ns": events["boot_ns"].astype(np.int64) + context.unix_offset_ns(),
        "cgroup_id": events["cgroup"],
        **_places(events["cgroup"], context.places, names),
        **{name: events[name] for name in ("tgid", "tid", "uid", "gid")},
        "comm": names.column(_comms(events["comm"])),
        "exe": names.column(exes),
        "rule": rule_column,
        "class": events["class_id"],
        **{name: events[name] for name in ("effect", "reason", "operations", "verdict")},
        "object": names.column(objects),
        "protocol": np.where(events["class_id"] == CLASS_NETWORK, events["protocol"], 0),
        "flags": flags,
    }
    batch = EventBatch(context.node, context.boot_id, ring, columns, tuple(names), rules)
    return Decoded(batch, rejected, unknown)


def _plausible(
    events: NDArray[np.void], positions: NDArray[np.uint64], rejected: dict[str, int]
) -> tuple[NDArray[np.void], NDArray[np.uint64]]:
    """Leave out events with numbers that nothing has, each counted under the first of them."""
    class_id, effect, reason = events["class_id"], events["effect"], events["reason"]
    good: NDArray[np.bool_] = np.ones(len(events), np.bool_)
    tests = (
        ("malformed-class", (class_id > 0) & (class_id < CLASSES)),
        ("malformed-effect", effect < EFFECTS),
        ("malformed-reason", reason < REASONS),
    )
    for name, passed in tests:
        if count := int(np.count_nonzero(good & ~passed)):
            rejected[name] = rejected.get(name, 0) + count
        good &= passed
    return (events, positions) if good.all() else (events[good], positions[good])


def _inline(field: NDArray[np.uint8], lengths: NDArray[np.uint16], room: int) -> list[bytes]:
    """Names of which `length` bytes, at most `room`, stand in the event itself."""
    raw = field.tobytes()
    starts = range(0, len(raw), room)
    ends = np.arange(0, len(raw), room, dtype=np.int64) + np.minimum(lengths, room)
    return [raw[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]


def _comms(field: NDArray[np.uint8]) -> list[bytes]:
    """Up to the first NUL."""
    texts: list[bytes] = np.ascontiguousarray(field).view(f"S{field.shape[1]}").ravel().tolist()
    return [text.partition(b"\0")[0] for text in texts]


def _objects(
    events: NDArray[np.void], apart: dict[int, bytes], flags: NDArray[np.uint32], context: Context
) -> list[bytes]:
    """Path, peer or system call; flags a path of which not everything came."""
    objects = _inline(events["path"], events["path_length"], EVENT_PATH)
    incomplete = events["path_length"] > EVENT_PATH
    where = np.flatnonzero(events["flags"] & NAME_APART)
    tokens, lengths = events["token"][where].tolist(), events["path_length"][where].tolist()
    for index, token, length in zip(where.tolist(), tokens, lengths, strict=True):
        name = apart.get(token)
        incomplete[index] = name is None or len(name) != length
        objects[index] = objects[index] if name is None else name
    flags[incomplete] |= PATH_INCOMPLETE
    _network(events, objects)
    for index in np.flatnonzero(events["class_id"] == CLASS_SYSCALL).tolist():
        objects[index] = context.syscall(int(events["syscall"][index])).encode()
    return objects


def _network(events: NDArray[np.void], objects: list[bytes]) -> None:
    """Put the text of its address in the place of each network event without a name; equal ones are spelled once."""
    texts: dict[tuple[int, int, bytes], bytes] = {}
    where = np.flatnonzero((events["class_id"] == CLASS_NETWORK) & (events["path_length"] == 0))
    picked = events[where]
    addresses = picked["address"].tobytes()
    peers = zip(picked["family"].tolist(), picked["port"].tolist(), range(0, len(addresses), 16), strict=True)
    for index, (family, port, at) in zip(where.tolist(), peers, strict=True):
        key = (family, port, addresses[at : at + 16])
        if (text := texts.get(key)) is None:
            text = texts[key] = peer_text(*key)
        objects[index] = text


def _places(ids: NDArray[np.uint64], places: Places, names: _Names) -> dict[str, NDArray[np.generic]]:
    distinct, inverse = np.unique(ids, return_inverse=True)
    found = [places.find(cgroup) for cgroup in distinct.tolist()]
    return {
        "cgroup": names.column([place.cgroup for place in found])[inverse],
        "workload": names.column([place.workload for place in found])[inverse],
    }


def _rules(events: NDArray[np.void], context: Context) -> tuple[tuple[RuleReference, ...], NDArray[np.uint32], int]:
    """What rule numbers mean: the distinct rules, each event's index among them, and how many events' are unknown."""
    generations, which = np.unique(events["generation"], return_inverse=True)
    keys = (
        which.astype(np.uint64) << np.uint64(40) | events["rule"].astype(np.uint64) << np.uint64(8) | events["class_id"]
    )
    distinct, inverse = np.unique(keys, return_inverse=True)
    rules: list[RuleReference] = []
    known: list[bool] = []
    for key in distinct.tolist():
        generation, rule, class_ = int(generations[key >> 40]), key >> 8 & 0xFFFFFFFF, key & 0xFF
        reference = context.rule(generation, rule)
        known.append(reference is not None)
        rules.append(reference or _unknown_rule(generation, rule, class_))
    unknown = int(np.count_nonzero(~np.array(known, np.bool_)[inverse])) if rules else 0
    return tuple(rules), inverse.astype(np.uint32), unknown


def _unknown_rule(generation: int, rule: int, class_: int) -> RuleReference:
    """Stands in for a rule whose table is gone: the event is real all the same."""
    name = f"unknown:{generation}/{rule}"
    return RuleReference("", name, _CLASSES[class_], Action.AUDIT, Mode.ENFORCING, "medium", "")
