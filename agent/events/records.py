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

#: Events looked at as one run at first, then four times as many; a run that is shorter shows that the ring is mixed,
#: and so many of the next events are looked at one by one.
FIRST_RUN = 32

_HEADER = struct.Struct("<I")
#: A header's length and flags, and the kind of the record behind it.
_FIRST = struct.Struct("<I4xI")
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
    runs: list[tuple[int, int]] = []
    found = 0
    while found < limit and producer - records.end >= HEADER:
        at = records.end
        count = _run(data, at, min(limit - found, (producer - at) // STEP))
        if count:
            runs.append((at, count))
            found += count
            records.end += count * STEP
        if count < FIRST_RUN and found < limit:
            more, going = _step(data, records, producer, min(limit - found, FIRST_RUN))
            runs += [(position, 1) for position in more]
            found += len(more)
            if not going:
                break
    _gather(data, records, runs)
    return records


def _run(data: NDArray[np.uint8], position: int, count: int) -> int:
    """How many finished events follow each other from `position` on, at most `count`."""
    at = position & (len(data) // 2 - 1)
    whole = 0
    window = FIRST_RUN
    while whole < count:
        window = min(window, count - whole)
        headers: NDArray[np.uint32] = np.ndarray((window,), "<u4", data.data, at + whole * STEP, (STEP,))
        kinds: NDArray[np.uint32] = np.ndarray((window,), "<u4", data.data, at + whole * STEP + HEADER, (STEP,))
        good = (headers == EVENT.itemsize) & (kinds == RECORD_EVENT)
        if not good.all():
            return whole + int(good.argmin())
        whole += window
        window *= 4
    return whole


def _step(data: NDArray[np.uint8], records: Records, producer: int, limit: int) -> tuple[list[int], bool]:
    """
    Read one by one until there are `limit` events.

    Returns:
        Positions of the events; and False if nothing more can be read now.
    """
    found: list[int] = []
    mask, raw = len(data) // 2 - 1, data.data
    while len(found) < limit and producer - records.end >= HEADER:
        header, kind = _FIRST.unpack_from(raw, records.end & mask)
        if header == EVENT.itemsize and kind == RECORD_EVENT and producer - records.end >= STEP:
            found.append(records.end)
            records.end += STEP
        elif not _single(data, records, producer):
            return found, False
    return found, True


def _gather(data: NDArray[np.uint8], records: Records, runs: list[tuple[int, int]]) -> None:
    """Events and positions of all runs: a view of the ring if they are one, else a copy."""
    if not runs:
        return
    mask = len(data) // 2 - 1
    if len(runs) == 1:
        start, count = runs[0]
        records.events = np.ndarray((count,), EVENT, data.data, (start & mask) + HEADER, (STEP,))
        records.positions = np.arange(start, start + count * STEP, STEP, dtype=np.uint64)
        return
    starts = np.array([start for start, _ in runs], np.uint64)
    counts = np.array([count for _, count in runs], np.int64)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    records.positions = np.repeat(starts, counts) + (within * STEP).astype(np.uint64)
    offsets = (records.positions & np.uint64(mask)).astype(np.intp) + HEADER
    rows = np.lib.stride_tricks.sliding_window_view(data, EVENT.itemsize)[offsets]
    records.events = rows.view(EVENT)[:, 0]


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
