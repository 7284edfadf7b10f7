"""
What a directory of segments amounts to, after whatever ended the last process.

The ledger comes from the newest segment whose beginning can be read, and what follows it is replayed. A tail that is
no frame is cut off; numbers that may have been in it are never given out again.
"""

import secrets
import time
from dataclasses import dataclass

from agent.spool import frames
from agent.spool.files import Files
from agent.spool.frames import HEADER, Frame
from agent.spool.ledger import Ledger, ledger_of
from agent.spool.segment import Index, Segment, segment_names


@dataclass(slots=True)
class Recovered:
    """
    Attributes:
        segments: Oldest first; the last one may be appended to.
        torn: Bytes cut off the last one.
    """

    segments: list[Segment]
    ledger: Ledger
    torn: int


def first_number() -> int:
    """
    Number of the first batch of a new spool: larger than any that an earlier spool of this node gave out, if the
        clock went
    on, because no node spools a million batches a second. It stays below 2^53.
    """
    return (int(time.time()) << 20) + 1


def recover(files: Files) -> Recovered:
    """Read a spool's directory and put its end in order. Raises OSError."""
    segments = [Segment(files, name) for name in segment_names(files.names())]
    heads = [_head(segment) for segment in segments]
    newest = max((at for at, head in enumerate(heads) if head is not None), default=0)
    ledger = (heads[newest] if heads else None) or Ledger(secrets.token_hex(8), 0)
    ends = [_replay(segment, ledger) for segment in segments[newest:]]
    _bound(segments[: newest + 1], heads)
    while ends and ends[-1] == 0:
        ends.pop()
        _forget(files, segments.pop(), ledger)
    torn = _cut(segments[-1], ends[-1], ledger) if ends else 0
    if not ledger.came:
        ledger.next_number = max(ledger.next_number, first_number())
        ledger.floor = ledger.next_number - 1
    return Recovered(segments, ledger, torn)


def _forget(files: Files, segment: Segment, ledger: Ledger) -> None:
    """A segment that holds nothing: its beginning was not finished."""
    ledger.next_number += segment.file.size() // HEADER
    segment.close()
    files.remove(segment.name)


def _head(segment: Segment) -> Ledger | None:
    body = segment.head()
    try:
        return None if body is None else ledger_of(frames.content(body))
    except ValueError:
        return None


def _replay(segment: Segment, ledger: Ledger) -> int:
    """Bring the ledger to the end of a segment and index it; the offset behind its last whole frame."""
    segment.first, segment.before = ledger.next_number, ledger.came
    segment.index = Index()
    data, found = segment.all_frames()
    for frame in found:
        try:
            _apply(frame, frames.content(data[frame.body : frame.end]), segment.index, ledger)
        except (ValueError, TypeError):
            continue
    segment.last, segment.after = ledger.next_number - 1, ledger.came
    segment.size = found[-1].end if found else 0
    return segment.size


def _apply(frame: Frame, content: tuple[object, ...], index: Index, ledger: Ledger) -> None:
    """
    Raises ValueError or TypeError for a frame of which nothing was applied.

    Without any ledger, what came before the first batch is taken to have been acknowledged.
    """
    if frame.kind == frames.KIND_LEDGER:
        known = ledger_of(content)
        for name in Ledger.__slots__:
            setattr(ledger, name, getattr(known, name))
        return
    boot_id, ring, identity, base, end, rejected, _ = content
    if frame.kind == frames.KIND_BATCH and frame.number < ledger.next_number:
        return
    if frame.kind == frames.KIND_BATCH and not ledger.next_number:
        ledger.next_number, ledger.floor = frame.number, frame.number - 1
        ledger.came = ledger.floor_events = ledger.out = frame.before
    entry = ledger.add(ring, boot_id, identity, base, end, rejected)  # type: ignore[arg-type]
    if frame.kind == frames.KIND_BATCH:
        entry.spooled += max(0, frame.before - ledger.came) + frame.events
        ledger.next_number, ledger.came = frame.number + 1, frame.before + frame.events
        index.add(frame)


def _bound(segments: list[Segment], heads: list[Ledger | None]) -> None:
    """
    First and last of the segments that were not replayed (all but the last given): each ends where the next begins.
    """
    for at in range(len(segments) - 2, -1, -1):
        segment, following, head = segments[at], segments[at + 1], heads[at]
        segment.last, segment.after = following.first - 1, following.before
        segment.size = segment.file.size()
        if head is not None:
            segment.first, segment.before = head.next_number, head.came
            continue
        _, found = segment.all_frames()
        batches = [frame for frame in found if frame.kind == frames.KIND_BATCH and frame.number <= segment.last]
        segment.first = batches[0].number if batches else segment.last + 1
        segment.before = batches[0].before if batches else segment.after


def _cut(segment: Segment, end: int, ledger: Ledger) -> int:
    """Cut off what is no frame and make the rest durable: until now it may have been in memory only."""
    torn = segment.file.size() - end
    if torn > 0:
        segment.file.truncate(end)
        ledger.next_number += torn // HEADER + 1
        segment.last = ledger.next_number - 1
        note = frames.encode(frames.KIND_LEDGER, 0, ledger.came, 0, ledger.content(), segment.salt)
        segment.file.write(note)
        segment.size = end + len(note)
    segment.file.sync()
    return max(torn, 0)
