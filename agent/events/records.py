"""
From the bytes between two positions of a ring to records.

A record is a header of 8 bytes (length, with two flags in its top bits; then the kernel's own) and its body, rounded up
to 8 bytes together. Runs of events are taken as one strided array; only what stands between runs is looked at singly.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.abi.events import EVENT, NAME, PATH_MAX, RECORD_EVENT, RECORD_NAME

HEADER = 8
BUSY = 1 << 31
DISCARD = 1 << 30
LENGTH = DISCARD - 1
STEP = HEADER + EVENT.itemsize

#: Events looked at as one run after one that ended early; doubled while runs stay whole, so that a mixed ring is not
#: looked at again and again.
FIRST_RUN = 32

_HEADER = struct.Struct("<I")
_NAME = struct.Struct("<IIQ")


@dataclass(slots=True)
class Records:
    """
    What lies between two positions of a ring. Arrays may be views of the ring: use them before its consumer advances.

    Attributes:
        start, end: Positions; `end` stays behind where a record is still being written or the limit was reached.
        events: `struct rf_event`, shape (n,).
        positions: Of the events' headers; uint64, shape (n,).
        names: Names that came apart, by token.
        discarded: Records the kernel took back.
        rejected: Events that cannot be right, by reason.
        strange: Records that are neither event nor name, or a name that cannot be right.
        damaged: Bytes skipped because a header cannot be right.
    """

    start: int
    end: int
    events: NDArray[np.void]
    positions: NDArray[np.uint64]
    names: dict[int, bytes] = field(default_factory=dict)
    discarded: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    strange: int = 0
    damaged: int = 0


def walk(data: NDArray[np.uint8], start: int, producer: int, limit: int) -> Records:
    """
    Read records from `start` to `producer`, to the first that is still being written, or until there are `limit`
    events.

    Args:
        data: The ring's data twice in a row; uint8, shape (2 * size,).
    """
    records = Records(start, start, np.empty(0, EVENT), np.empty(0, np.uint64))
    runs: list[NDArray[np.void]] = []
    positions: list[NDArray[np.uint64]] = []
    room = window = limit
    while room > 0 and producer - records.end >= HEADER:
        run = _run(data, records.end, min(window, room, (producer - records.end) // STEP))
        if len(run):
            runs.append(run)
            positions.append(np.arange(records.end, records.end + len(run) * STEP, STEP, dtype=np.uint64))
            records.end += len(run) * STEP
            room -= len(run)
            window = window * 2 if len(run) == window else FIRST_RUN
        elif not _single(data, records, producer):
            break
    if runs:
        records.events = runs[0] if len(runs) == 1 else np.concatenate(runs)
        records.positions = positions[0] if len(positions) == 1 else np.concatenate(positions)
    return records


def _run(data: NDArray[np.uint8], position: int, count: int) -> NDArray[np.void]:
    """Events from `position` on, at most `count`, up to the first record that is not a finished event."""
    at = position & (len(data) // 2 - 1)
    headers: NDArray[np.uint32] = np.ndarray((count,), "<u4", data.data, at, (STEP,))
    kinds: NDArray[np.uint32] = np.ndarray((count,), "<u4", data.data, at + HEADER, (STEP,))
    bad = np.flatnonzero((headers != EVENT.itemsize) | (kinds != RECORD_EVENT))
    whole = int(bad[0]) if len(bad) else count
    return np.ndarray((whole,), EVENT, data.data, at + HEADER, (STEP,))


def _single(data: NDArray[np.uint8], records: Records, producer: int) -> bool:
    """Step over one record that is no event; False if it is still being written or the rest cannot be read."""
    at = records.end & (len(data) // 2 - 1)
    (header,) = _HEADER.unpack_from(data.data, at)
    if header & BUSY:
        return False
    length = header & LENGTH
    step = (HEADER + length + 7) & ~7
    if step > producer - records.end:
        records.damaged = producer - records.end
        records.end = producer
        return False
    if header & DISCARD:
        records.discarded += 1
    else:
        _take_other(data[at + HEADER : at + HEADER + length].tobytes(), records)
    records.end += step
    return True


def _take_other(body: bytes, records: Records) -> None:
    """A name, or a record that is none of ours."""
    kind, length, token = _NAME.unpack_from(body.ljust(NAME.itemsize, b"\0"))
    if kind == RECORD_EVENT:
        records.rejected["malformed-event"] = records.rejected.get("malformed-event", 0) + 1
    elif kind != RECORD_NAME or length > min(PATH_MAX, len(body) - NAME.itemsize):
        records.strange += 1
    else:
        records.names[token] = body[NAME.itemsize : NAME.itemsize + length]


def count_events(data: NDArray[np.uint8], start: int, producer: int) -> int:
    """Finished events between two positions: what a ring holds back when nobody reads it."""
    return sum(len(part.events) for part in _parts(data, start, producer))


def _parts(data: NDArray[np.uint8], start: int, producer: int) -> Iterator[Records]:
    while start < producer:
        part = walk(data, start, producer, 4096)
        if part.end == start:
            return
        yield part
        start = part.end
