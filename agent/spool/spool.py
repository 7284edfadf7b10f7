"""
The durable queue on the node: batches wait here until the collector has stored them.

Batches are appended to the newest segment, one fsync a call, and deleted by whole segments from the oldest on. A new
segment begins with a ledger of everything before it, so that deleting never loses a number or a sum.
"""

import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from agent.spool import frames
from agent.spool.files import Files, OsFiles
from agent.spool.ledger import Ledger
from agent.spool.recover import recover
from agent.spool.segment import Index, Segment, new_name
from agent.spool.types import Entry, RingPosition, SpoolAccount, SpoolError, SpoolLimits, Stored

#: Segments that are acknowledged and kept, for whoever asks what happened last.
HISTORY = 1


class Spool:
    """
    For any threads. Appending waits for the disk; reading and acknowledging never wait for an append.

    Attributes:
        torn: Bytes of an unfinished write that were cut off when it was opened.
    """

    def __init__(self, files: Files, limits: SpoolLimits) -> None:
        self._files = files
        self._limits = limits
        self._segment_bytes = min(limits.segment_bytes, limits.total_bytes // 4)
        self._writing = threading.Lock()
        self._state = threading.Lock()
        try:
            recovered = recover(files)
        except OSError as error:
            files.close()
            raise SpoolError("open", error) from error
        self._segments, self._ledger = recovered.segments, recovered.ledger
        self.torn = recovered.torn
        self._forgotten: dict[int, str] = {}
        self._broken = False
        self._ordinal = max((segment.ordinal for segment in self._segments), default=0)

    @classmethod
    def open(cls, directory: Path, limits: SpoolLimits | None = None) -> "Spool":
        """The spool in a directory, made if it is not there. Raises SpoolError, also if another process has it open."""
        try:
            files = OsFiles(directory)
        except OSError as error:
            raise SpoolError(f"open {directory}", error) from error
        return cls(files, limits or SpoolLimits())

    def close(self) -> None:
        with self._writing, self._state:
            for segment in self._segments:
                segment.close()
            self._files.close()

    # ---- rings -------------------------------------------------------------------------------------------------------

    def ring_position(self, boot_id: str, ring: int, identity: int) -> RingPosition:
        """Where to read a ring on. Another ring that had its number in the same boot pushes its sequences up."""
        with self._state:
            entry = self._ledger.rings.get(ring)
            if entry is None or entry.boot_id != boot_id:
                return RingPosition(0, 0, False)
            if entry.identity != identity:
                return RingPosition(entry.base + entry.end, 0, False)
            return RingPosition(entry.base, entry.end, True)

    def adopt_ring(self, boot_id: str, ring: int, identity: int, already: int) -> None:
        """Count events of a ring that were read before this spool existed. Raises SpoolError."""
        with self._writing:
            self._writable()
            place = self.ring_position(boot_id, ring, identity)
            ledger = self._copy()
            rejected = {"before-this-spool": already} if already > 0 else {}
            ledger.add(ring, boot_id, identity, place.base, 0, rejected)
            self._write_ledger(ledger)
            with self._state:
                self._ledger.rings[ring] = ledger.rings[ring]

    def ring_totals(self, boot_id: str, ring: int) -> tuple[int, Mapping[str, int]]:
        """Events spooled from that ring since it was made, and those left out, by reason."""
        with self._state:
            entry = self._ledger.rings.get(ring)
            if entry is None or entry.boot_id != boot_id:
                return 0, {}
            return entry.spooled, dict(entry.rejected)

    # ---- in ----------------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """
        Make batches durable, in their order, with one fsync; their numbers.

        An entry without events moves its ring's position and gets no number. Raises SpoolError: then none of them
        counts.
        """
        with self._writing:
            segment = self._writable()
            numbers, chunks, found = self._encode(entries, segment)
            try:
                segment.file.write(b"".join(chunks))
                segment.file.sync()
            except OSError as error:
                self._give_up(segment)
                raise SpoolError("append", error) from error
            with self._state:
                self._publish(entries, segment, found)
            self._collect()
        return numbers

    def _encode(self, entries: Sequence[Entry], segment: Segment) -> tuple[list[int], list[bytes], list[frames.Frame]]:
        """Frames of all entries; the last list has one header an entry, as it will stand in the segment."""
        number, before, offset = self._ledger.next_number, self._ledger.came, segment.size
        numbers: list[int] = []
        chunks: list[bytes] = []
        found: list[frames.Frame] = []
        for entry in entries:
            kind = frames.KIND_BATCH if entry.events else frames.KIND_NOTE
            given = number if entry.events else 0
            place = (entry.boot_id, entry.ring, entry.identity, entry.base, entry.end, dict(entry.rejected))
            chunk = frames.encode(kind, given, before, entry.events, (*place, entry.payload), segment.salt)
            found.append(frames.Frame(offset, len(chunk) - frames.HEADER, 0, given, before, entry.events, kind))
            chunks.append(chunk)
            offset += len(chunk)
            before += entry.events
            if entry.events:
                numbers.append(given)
                number += 1
        return numbers, chunks, found

    def _publish(self, entries: Sequence[Entry], segment: Segment, found: Sequence[frames.Frame]) -> None:
        """What was written is durable: let it be seen."""
        for entry, frame in zip(entries, found, strict=True):
            ring = self._ledger.add(entry.ring, entry.boot_id, entry.identity, entry.base, entry.end, entry.rejected)
            ring.spooled += entry.events
            segment.size = frame.end
            if entry.events:
                segment.load().add(frame)
                segment.last = frame.number
                self._ledger.next_number = frame.number + 1
        self._ledger.came += sum(entry.events for entry in entries)
        segment.after = self._ledger.came

    def _writable(self) -> Segment:
        """The newest segment, or a new one if that is full or cannot be trusted. Raises SpoolError."""
        if self._segments and not self._broken and self._segments[-1].size < self._segment_bytes:
            return self._segments[-1]
        return self._roll()

    def _roll(self) -> Segment:
        """Begin a new segment; drop the oldest if all together would be too large."""
        ledger, gone = self._copy(), self._too_many()
        _drop(ledger, gone)
        self._ordinal += 1
        segment = Segment(self._files, new_name(self._ordinal))
        head = frames.encode(frames.KIND_LEDGER, 0, ledger.came, 0, ledger.content(), segment.salt)
        try:
            segment.file.write(head)
            segment.file.sync()
            self._files.sync()
        except OSError as error:
            self._discard(segment)
            raise SpoolError("begin a segment", error) from error
        segment.first, segment.last = ledger.next_number, ledger.next_number - 1
        segment.before = segment.after = ledger.came
        segment.size, segment.index = len(head), Index()
        with self._state:
            _drop(self._ledger, gone)
            self._segments = [*self._segments[len(gone) :], segment]
            self._broken = False
        self._remove(gone)
        return segment

    def _too_many(self) -> list[Segment]:
        """The oldest segments, as many as have to go."""
        gone: list[Segment] = []
        total = sum(segment.size for segment in self._segments)
        for segment in self._segments:
            if total + self._segment_bytes <= self._limits.total_bytes:
                break
            gone.append(segment)
            total -= segment.size
        return gone

    def _give_up(self, segment: Segment) -> None:
        """
        After a failed write or fsync nobody knows what the disk holds: write no more to this segment. Should the failed
        frames be there after all, the next segment's ledger says that they do not count.
        """
        self._broken = True
        try:
            segment.file.truncate(segment.size)
        except OSError:
            return

    def _discard(self, segment: Segment) -> None:
        try:
            segment.close()
            self._files.remove(segment.name)
        except OSError:
            return

    # ---- out ---------------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        """Names this spool, for good; one that is made anew has another."""
        return self._ledger.spool_id

    @property
    def next_number(self) -> int:
        """Number that the next batch will have."""
        with self._state:
            return self._ledger.next_number

    @property
    def floor(self) -> int:
        """Batches up to this number are acknowledged or dropped."""
        with self._state:
            return self._ledger.floor

    def read(self, number: int, max_bytes: int = 1 << 20) -> list[Stored]:
        """Batches from `number` on, by rising number: as many as fit `max_bytes`, but at least one if there is one."""
        found: list[Stored] = []
        with self._state:
            start = max(0, bisect_right(self._segments, number, key=lambda segment: segment.first) - 1)
            for segment in self._segments[start:]:
                at = segment.load().at(number)
                while at < len(segment.load()) and max_bytes > 0:
                    stored = self._stored(segment, at)
                    if stored is None:
                        continue
                    if stored.number in self._forgotten:
                        at += 1
                        continue
                    found.append(stored)
                    max_bytes -= len(stored.payload)
                    at += 1
        return found

    def newest(self, events: int) -> list[Stored]:
        """The newest batches, oldest first, as many as hold `events` events, or all there are."""
        found: list[Stored] = []
        with self._state:
            for segment in reversed(self._segments):
                for at in range(len(segment.load()) - 1, -1, -1):
                    if events <= 0:
                        return found[::-1]
                    if stored := self._stored(segment, at):
                        found.append(stored)
                        events -= stored.events
        return found[::-1]

    def _stored(self, segment: Segment, at: int) -> Stored | None:
        """
        None, and out of the index, if it cannot be read any more: it is counted when an acknowledgement passes it.
        """
        index = segment.load()
        number, events = index.numbers[at], index.events[at]
        body = segment.body(at)
        if body is None:
            return None
        boot_id, ring, *_, payload = frames.content(body)
        return Stored(number, boot_id, ring, events, payload)

    def forget(self, number: int, reason: str) -> None:
        """Nobody can or will take this batch: read it no more, and count it as dropped when its turn has come."""
        with self._state:
            self._forgotten[number] = reason
            floor = self._ledger.floor
        earlier = self.read(floor + 1, 1)
        if not earlier or earlier[0].number > number:
            self.acknowledge(number)

    def acknowledge(self, number: int) -> int:
        """
        Batches up to `number` are stored elsewhere: forget them; how many events these were.

        What was among them and cannot be read is counted as "spool-corrupt". A number that was never given out counts
        as the last one.
        """
        with self._state:
            ledger = self._ledger
            number = min(number, ledger.next_number - 1)
            out = 0
            for segment in self._segments:
                if ledger.floor < number and segment.last > ledger.floor and segment.first <= number:
                    out += self._pass(segment, number)
            ledger.out += out
            ledger.floor = max(ledger.floor, number)
        if self._writing.acquire(blocking=False):
            try:
                self._collect()
            finally:
                self._writing.release()
        return out

    def _pass(self, segment: Segment, number: int) -> int:
        """Move the floor's sum through a segment up to `number`; readable events passed."""
        ledger, index, out = self._ledger, segment.load(), 0
        for at in range(index.after(ledger.floor), index.after(number)):
            ledger.drop("spool-corrupt", index.befores[at] - ledger.floor_events)
            if reason := self._forgotten.pop(index.numbers[at], ""):
                ledger.drop(reason, index.events[at])
            else:
                out += index.events[at]
            ledger.floor_events = index.befores[at] + index.events[at]
        if number >= segment.last:
            ledger.drop("spool-corrupt", segment.after - ledger.floor_events)
            ledger.floor_events = segment.after
        return out

    def _collect(self) -> None:
        """
        Delete segments that are acknowledged whole, but for the history; try again later if the disk does not let us.
        """
        with self._state:
            floor = self._ledger.floor
            done = sum(1 for segment in self._segments[:-1] if segment.last <= floor) - HISTORY
            gone = self._segments[: max(0, done)]
        if not gone or self._broken:
            return
        try:
            self._write_ledger(self._copy())
        except SpoolError:
            return
        with self._state:
            self._segments = self._segments[len(gone) :]
        self._remove(gone)

    def _write_ledger(self, ledger: Ledger) -> None:
        """Make a ledger durable in the newest segment. Raises SpoolError."""
        segment = self._segments[-1]
        note = frames.encode(frames.KIND_LEDGER, 0, ledger.came, 0, ledger.content(), segment.salt)
        try:
            segment.file.write(note)
            segment.file.sync()
        except OSError as error:
            self._give_up(segment)
            raise SpoolError("write", error) from error
        with self._state:
            segment.size += len(note)

    def _remove(self, segments: Sequence[Segment]) -> None:
        """Their loss is on disk already: a file that stays is found and passed over when the spool is opened again."""
        for segment in segments:
            self._discard(segment)

    def _copy(self) -> Ledger:
        with self._state:
            return deepcopy(self._ledger)

    def account(self) -> SpoolAccount:
        with self._state:
            ledger = self._ledger
            pending = ledger.came - ledger.floor_events
            size = sum(segment.size for segment in self._segments)
            return SpoolAccount(ledger.came, ledger.out, pending, dict(ledger.dropped), size, self._limits.total_bytes)


def _drop(ledger: Ledger, segments: Sequence[Segment]) -> None:
    """Count what was not acknowledged in the oldest segments as dropped."""
    for segment in segments:
        ledger.drop("spool-full", segment.after - max(ledger.floor_events, segment.before))
        ledger.floor = max(ledger.floor, segment.last)
        ledger.floor_events = max(ledger.floor_events, segment.after)
