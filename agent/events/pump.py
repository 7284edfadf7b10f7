"""
The way from the rings to the spool: read, decode, make durable, and only then give the ring its room back.

One thread runs it and sleeps until a ring has something. `Drained` is what `agent.spool` takes; the two know each
other only by that shape.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from agent.events.account import RingCounts
from agent.events.batch import OBSERVATIONS, VIOLATIONS, pack
from agent.events.decode import Context, Decoded, decode
from agent.events.memory import RingError
from agent.events.records import Records
from agent.events.ring import RingReader

RING_NAMES = {VIOLATIONS: "violation", OBSERVATIONS: "observation"}

#: Events of one batch: a few milliseconds of work for whoever sends or stores it.
BATCH = 2048

#: Seconds: at most one batch, and so one fsync, in this time while events keep coming; the first after a pause never
#: waits. At 1,000 a second twice as long halves the work of all that follows, and alerts come no later.
LINGER = 0.008
#: Seconds to wait for a record that is being written right now, and for anything at all.
BUSY_WAIT, IDLE_WAIT = 0.005, 1.0
#: Seconds between attempts while the spool cannot write, at first and at most.
RETRY_FIRST, RETRY_MOST = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Drained:
    """
    What was read from a ring at once.

    Attributes:
        identity: Of the ring itself, see RingMemory.
        base: Added to ring positions to make sequences.
        end: Ring position behind the last record of the batch.
        events: How many are in `payload`; 0 with an empty payload if all were rejected.
        rejected: Events left out, by reason.
        payload: The packed batch.
    """

    boot_id: str
    ring: int
    identity: int
    base: int
    end: int
    events: int
    rejected: Mapping[str, int]
    payload: bytes


class Sink(Protocol):
    """Where batches become durable."""

    def append(self, entries: Sequence[Drained]) -> object:
        """All entries are durable when this returns. Raises OSError if none of them counts."""

    def ring_totals(self, boot_id: str, ring: int) -> tuple[int, Mapping[str, int]]:
        """Events appended from that ring so far and those rejected, by reason."""


@dataclass(slots=True)
class Oddities:
    """What should not happen, counted: none of it is a lost event by itself."""

    unknown_rules: int = 0
    strange_records: int = 0
    damaged_bytes: int = 0
    ring_errors: int = 0
    store_errors: int = 0
    decode_errors: int = 0
    last_error: str = ""
    since: float = field(default_factory=time.time)


class Pump:
    """
    Args:
        readers: By ring number.
        stored: Called in the pump's thread after each append, to wake whoever sends.
    """

    def __init__(
        self, readers: Mapping[int, RingReader], context: Context, sink: Sink, stored: Callable[[], None]
    ) -> None:
        self._readers = dict(sorted(readers.items()))
        self._context = context
        self._sink = sink
        self._stored = stored
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._stop_fd, select.EPOLLIN)
        for reader in self._readers.values():
            self._epoll.register(reader.memory.fileno(), select.EPOLLIN | select.EPOLLET)
        self._last = 0.0
        self._behind = False
        self.oddities = Oddities()

    def run(self) -> None:
        """Until `stop`. What is in the rings then is read once more before it returns."""
        retry = RETRY_FIRST
        while True:
            stopping = self._stop.is_set()
            try:
                moved = self.drain()
                retry = RETRY_FIRST
            except OSError as error:
                self.oddities.store_errors += 1
                self.oddities.last_error = str(error)
                self._stop.wait(retry)
                retry, moved = min(retry * 2, RETRY_MOST), False
            if stopping and not moved:
                return
            if not moved:
                self._wait()
            if not self._behind:
                self._linger()

    def stop(self) -> None:
        """From any thread, also from a signal handler."""
        self._stop.set()
        os.eventfd_write(self._stop_fd, 1)

    def close(self) -> None:
        """After `run` has returned."""
        self._epoll.close()
        os.close(self._stop_fd)

    def drain(self) -> bool:
        """Move one batch of each ring to the spool, with one fsync; True if anything moved. Raises OSError."""
        with self._lock:
            before = [reader.position for reader in self._readers.values()]
            entries = [entry for ring in self._readers if (entry := self._read(ring)) is not None]
            self._behind = any(entry.events >= BATCH for entry in entries)
            try:
                if entries:
                    self._sink.append(entries)
            except OSError:
                for reader in self._readers.values():
                    reader.rewind()
                raise
            for reader in self._readers.values():
                reader.commit()
        if entries:
            self._last = time.monotonic()
            self._stored()
        return before != [reader.position for reader in self._readers.values()]

    def counts(self) -> dict[str, RingCounts]:
        """Of each ring by name, all of one moment; from any thread."""
        with self._lock:
            return {RING_NAMES[ring]: self._count(ring, reader) for ring, reader in self._readers.items()}

    def _count(self, ring: int, reader: RingReader) -> RingCounts:
        spooled, rejected = self._sink.ring_totals(self._context.boot_id, ring)
        return RingCounts(spooled, reader.pending(), dict(rejected))

    def _read(self, ring: int) -> Drained | None:
        """A batch of one ring; None if there is nothing to keep of what was read."""
        reader = self._readers[ring]
        try:
            records = reader.read(BATCH)
        except RingError as error:
            self.oddities.ring_errors += 1
            self.oddities.last_error = str(error)
            return None
        self.oddities.strange_records += records.strange
        self.oddities.damaged_bytes += records.damaged
        if not len(records.events) and not records.rejected:
            return None
        decoded = self._decode(records, ring)
        self.oddities.unknown_rules += decoded.unknown_rules
        count = len(decoded.batch)
        return Drained(
            boot_id=self._context.boot_id,
            ring=ring,
            identity=reader.memory.identity,
            base=reader.base,
            end=records.end,
            events=count,
            rejected=decoded.rejected,
            payload=pack(decoded.batch) if count else b"",
        )

    def _decode(self, records: Records, ring: int) -> Decoded:
        """Columns; if that fails by a fault of ours, the batch is rejected and counted, so that the next can come."""
        try:
            return decode(records, ring, self._readers[ring].base, self._context)
        except Exception as error:  # noqa: BLE001 - one batch that cannot be read must not end the stream
            self.oddities.decode_errors += 1
            self.oddities.last_error = f"{type(error).__name__}: {error}"
            rejected = records.rejected | {"undecodable": len(records.events)}
            nothing = Records(records.start, records.end, records.events[:0], records.positions[:0])
            return replace(decode(nothing, ring, 0, self._context), rejected=rejected)

    def _wait(self) -> None:
        """
        Sleep until a ring has something.

        The kernel wakes a reader only for a record that begins where the reader stopped. `modify` makes epoll look
        again, so that a record which came just before is not slept over; not so while a record is being written, for
        epoll would then not sleep at all, and the record's end is where the reader stopped.
        """
        idle = True
        for reader in self._readers.values():
            if reader.idle:
                self._epoll.modify(reader.memory.fileno(), select.EPOLLIN | select.EPOLLET)
            else:
                idle = False
        self._epoll.poll(IDLE_WAIT if idle else BUSY_WAIT)

    def _linger(self) -> None:
        """Let events gather while they keep coming: each batch costs a sync here and one more where it is stored."""
        early = self._last + LINGER - time.monotonic()
        if early > 0:
            self._stop.wait(early)
