"""
Store a block's new events, its alerts and its counts: the one place where events are written.

An event is named by (node, boot id, ring, sequence) for good, so storing a block twice stores it once, whatever was
acknowledged. Rows travel in statements of many rows each: one step of SQLite releases and takes Python's lock once, and
with a row a step (`executemany`) a busy event loop slows the writer a hundredfold.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from collector.store.errors import OutOfOrderError
from collector.store.events import EventBlock, Int64Array, StoredBlock
from collector.store.interning import outcome_numbers, outcomes, subject_numbers, subjects
from collector.store.protocol import Appended, Matcher, Matches, NewAlert, PendingAlert

#: Rows a statement, and events a look-up.
CHUNK = 128
#: A mark of (time, newest event) is made at most this often; retention by age reads them.
MARK_NS = 10_000_000_000

_EVENT_COLUMNS = 11
_ALERT_COLUMNS = 7
_INSERT_EVENTS = (
    "INSERT INTO events (id, stream, sequence, unix_ns, subject, outcome, tgid, tid, operations, flags, object) VALUES "
)
_INSERT_ALERTS = "INSERT INTO alerts (id, event, rule, receiver, suppressed, created_ns, next_ns) VALUES "


@dataclass(slots=True)
class Stream:
    """A stream's number, the newest sequence stored of it, and the newest that retention removed."""

    number: int
    newest: int
    expired_through: int


def insert_rows(connection: sqlite3.Connection, statement: str, width: int, rows: Iterable[Sequence[object]]) -> None:
    """Insert rows of `width` values, `CHUNK` rows a statement."""
    values = list(chain.from_iterable(rows))
    row = f"({','.join('?' * width)})"
    full = len(values) // (width * CHUNK) * (width * CHUNK)
    for start in range(0, full, width * CHUNK):
        connection.execute(statement + ",".join([row] * CHUNK), values[start : start + width * CHUNK])
    if rest := values[full:]:
        connection.execute(statement + ",".join([row] * (len(rest) // width)), rest)


class Appender:
    """Writes blocks on one connection; holds what it need not ask the database twice."""

    def __init__(
        self, connection: sqlite3.Connection, matcher: Matcher | None, clock_ns: Callable[[], int], alert_limit: int
    ) -> None:
        self._connection = connection
        self._matcher = matcher
        self._clock_ns = clock_ns
        self._alert_limit = alert_limit
        self._subjects, self._outcomes = subjects(), outcomes()
        self.reload()

    def reload(self) -> None:
        """Read all that is remembered from the database again: a transaction was rolled back, or rows were removed."""
        self._subjects.forget()
        self._outcomes.forget()
        self._streams: dict[tuple[str, str, int], Stream] = {}
        self._nodes: dict[str, int] = {}
        self._batches: dict[tuple[int, str], int] = {}
        query = self._connection.execute
        meta = dict(query("SELECT key, value FROM meta").fetchall())
        self.last_event = max(meta.get("last_event", 0), query("SELECT ifnull(max(id), 0) FROM events").fetchone()[0])
        self._last_alert = query("SELECT ifnull(max(id), 0) FROM alerts").fetchone()[0]
        self._last_alert = max(self._last_alert, meta.get("last_alert", 0))
        self._last_mark_ns = query("SELECT ifnull(max(stored_ns), 0) FROM marks").fetchone()[0]
        self.pending_alerts = self._count_pending()

    def expired(self) -> None:
        """Read again what changes when the oldest events are removed."""
        self._streams.clear()
        self.pending_alerts = self._count_pending()

    def _count_pending(self) -> dict[str, int]:
        """Alerts that wait, by receiver."""
        return dict(
            self._connection.execute(
                "SELECT receiver, count(*) FROM alerts WHERE state = 0 GROUP BY receiver"
            ).fetchall()
        )

    def append(self, block: EventBlock) -> Appended:
        """Store what is new of `block`. To be called inside a transaction."""
        node = self.node(block.node)
        self._check_order(node, block)
        streams = self._stream_numbers(node, block)
        positions = self._new_positions(block)
        first = self.last_event + 1
        self._insert_events(block, positions, first, streams)
        self.last_event += len(positions)
        duplicate = len(block) - len(positions)
        self._connection.execute(
            "UPDATE nodes SET stored = stored + ?, duplicate = duplicate + ?, last_batch = ? WHERE id = ?",
            (len(positions), duplicate, block.number, node),
        )
        self._mark()
        alerts = self._insert_alerts(block, positions, first) if len(positions) else ()
        return Appended(StoredBlock(block, positions, first), duplicate, alerts)

    def _check_order(self, node: int, block: EventBlock) -> None:
        """Refuse a block whose predecessor on the connection is not stored; then note its number."""
        key = (node, block.spool)
        last = self._batches.get(key)
        if last is None:
            last = self.last_batch(*key)
        if last < block.after:
            raise OutOfOrderError(block.number, block.after)
        if last < block.number:
            self._connection.execute(
                "INSERT INTO spools VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last_batch = excluded.last_batch",
                (*key, block.number),
            )
        self._batches[key] = max(last, block.number)

    def last_batch(self, node: int, spool: str) -> int:
        """Number of the last batch stored of a spool, 0 if there is none."""
        row = self._connection.execute(
            "SELECT last_batch FROM spools WHERE node = ? AND spool = ?", (node, spool)
        ).fetchone()
        return int(row[0]) if row else 0

    def node(self, name: str) -> int:
        """The node's number, given now if it has none."""
        if (known := self._nodes.get(name)) is not None:
            return known
        self._connection.execute("INSERT OR IGNORE INTO nodes (name) VALUES (?)", (name,))
        number = int(self._connection.execute("SELECT id FROM nodes WHERE name = ?", (name,)).fetchone()[0])
        self._nodes[name] = number
        return number

    def _stream(self, node: int, block: EventBlock, ring: int) -> Stream:
        key = (block.node, block.boot_id, ring)
        if (known := self._streams.get(key)) is not None:
            return known
        identity = (node, block.boot_id, ring)
        self._connection.execute("INSERT OR IGNORE INTO streams (node, boot_id, ring) VALUES (?, ?, ?)", identity)
        number, expired = self._connection.execute(
            "SELECT id, expired_through FROM streams WHERE node = ? AND boot_id = ? AND ring = ?", identity
        ).fetchone()
        newest = self._connection.execute(
            "SELECT ifnull(max(sequence), -1) FROM events WHERE stream = ?", (number,)
        ).fetchone()[0]
        return self._streams.setdefault(key, Stream(number, max(newest, expired), expired))

    def _stream_numbers(self, node: int, block: EventBlock) -> Int64Array:
        """The stream's number of every event."""
        numbers = np.zeros(2, dtype=np.int64)
        for ring in np.unique(block.columns.ring):
            numbers[ring] = self._stream(node, block, int(ring)).number
        return numbers[block.columns.ring]

    def _new_positions(self, block: EventBlock) -> Int64Array:
        """Positions of the events that are not stored yet, ascending; of equal ones within the block the first."""
        fresh = np.zeros(len(block), dtype=bool)
        for ring in np.unique(block.columns.ring):
            where = np.flatnonzero(block.columns.ring == ring)
            stream = self._streams[block.node, block.boot_id, int(ring)]
            sequences, first = np.unique(block.columns.sequence[where], return_index=True)
            new = self._unknown(stream, sequences)
            fresh[where[first[new]]] = True
            stream.newest = max(stream.newest, int(sequences[-1]))
        return np.flatnonzero(fresh)

    def _unknown(self, stream: Stream, sequences: Int64Array) -> NDArray[np.bool_]:
        """Which of these sequences (ascending) are not stored. Only those not beyond the newest ask the database."""
        new = sequences > stream.newest
        doubtful = sequences[~new]
        doubtful = doubtful[doubtful > stream.expired_through]
        known: set[int] = set()
        for start in range(0, len(doubtful), CHUNK):
            some = doubtful[start : start + CHUNK].tolist()
            known.update(
                row[0]
                for row in self._connection.execute(
                    f"SELECT sequence FROM events WHERE stream = ? AND sequence IN ({','.join('?' * len(some))})",  # noqa: S608 - only marks
                    (stream.number, *some),
                )
            )
        missing = [sequence for sequence in doubtful.tolist() if sequence not in known]
        return new | np.isin(sequences, missing)

    def _insert_events(self, block: EventBlock, positions: Int64Array, first: int, streams: Int64Array) -> None:
        if not len(positions):
            return
        subject = subject_numbers(self._connection, self._subjects, block)
        outcome = outcome_numbers(self._connection, self._outcomes, block)
        columns, names = block.columns, block.names
        numeric = (
            streams,
            columns.sequence,
            columns.unix_ns,
            subject,
            outcome,
            columns.tgid,
            columns.tid,
            columns.operations,
            columns.flags,
        )
        rows = zip(
            range(first, first + len(positions)),
            *(array[positions].tolist() for array in numeric),
            [names[name] for name in columns.object[positions].tolist()],
            strict=True,
        )
        insert_rows(self._connection, _INSERT_EVENTS, _EVENT_COLUMNS, rows)

    def _mark(self) -> None:
        now = self._clock_ns()
        if now - self._last_mark_ns >= MARK_NS:
            self._connection.execute("INSERT INTO marks VALUES (?, ?)", (now, self.last_event))
            self._last_mark_ns = now

    def _insert_alerts(self, block: EventBlock, positions: Int64Array, first: int) -> tuple[PendingAlert, ...]:
        if self._matcher is None:
            return ()
        matches = self._matcher.match(block, positions)
        accepted, overflow = self._within_limit(matches.alerts)
        self._count(matches, overflow)
        now = self._clock_ns()
        numbers = range(self._last_alert + 1, self._last_alert + 1 + len(accepted))
        events = np.searchsorted(positions, [alert.position for alert in accepted]) + first
        insert_rows(
            self._connection,
            _INSERT_ALERTS,
            _ALERT_COLUMNS,
            (
                (number, event, alert.rule, alert.receiver, alert.suppressed, now, now)
                for number, event, alert in zip(numbers, events.tolist(), accepted, strict=True)
            ),
        )
        self._last_alert += len(accepted)
        return tuple(
            PendingAlert(number, alert.rule, alert.receiver, 0, alert.suppressed, now, None, (block, alert.position))
            for number, alert in zip(numbers, accepted, strict=True)
        )

    def _within_limit(self, alerts: Sequence[NewAlert]) -> tuple[list[NewAlert], dict[tuple[str, str], int]]:
        """The alerts for which their receiver's queue has room; the rest are counted by (rule, receiver)."""
        accepted: list[NewAlert] = []
        overflow: dict[tuple[str, str], int] = {}
        for alert in alerts:
            if self.pending_alerts.get(alert.receiver, 0) >= self._alert_limit:
                key = (alert.rule, alert.receiver)
                overflow[key] = overflow.get(key, 0) + 1
            else:
                self.pending_alerts[alert.receiver] = self.pending_alerts.get(alert.receiver, 0) + 1
                accepted.append(alert)
        return accepted, overflow

    def _count(self, matches: Matches, overflow: dict[tuple[str, str], int]) -> None:
        for key in matches.matched:
            self._connection.execute(
                "INSERT INTO alert_counts (rule, receiver, matched, suppressed, overflow) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET matched = matched + excluded.matched,"
                " suppressed = suppressed + excluded.suppressed, overflow = overflow + excluded.overflow",
                (*key, matches.matched[key], matches.suppressed.get(key, 0), overflow.get(key, 0)),
            )
