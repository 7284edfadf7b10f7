"""
The store on SQLite: one writer's thread, a few readers' connections, results handed to the event loop.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from collector.store import reading, retention, schema
from collector.store.appending import Appender
from collector.store.errors import StoreUnavailableError
from collector.store.events import EventBlock
from collector.store.protocol import (
    AlertCounts,
    AlertPage,
    Appended,
    Attempt,
    Expired,
    Matcher,
    NodeAccount,
    NodeRecord,
    Numbered,
    Page,
    PendingAlert,
    ViolationFilter,
)
from collector.store.spelling import Violation
from collector.store.writer import Job, Writer

T = TypeVar("T")

READERS = 3
#: Alerts that may wait for one receiver; more are counted as overflow.
ALERT_LIMIT = 1_000_000

_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_ACCOUNT = "stored, duplicate, rejected, rejected_batches, expired, last_batch"


class SqliteStore:
    """
    A `Store` in one file, held by one process.

    Args:
        path: The file; made, with mode 0600, if it is not there.
        matcher: Asked for alerts inside the transaction that stores a block.

    Raises:
        StoreUnavailableError: It cannot be opened, or another process holds it.
        SchemaError: A newer version made it.
    """

    def __init__(
        self,
        path: Path,
        matcher: Matcher | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        alert_limit: int = ALERT_LIMIT,
    ) -> None:
        self._lock = _hold(path)
        self._connection = schema.connect(path)
        schema.migrate(self._connection, path)
        self._appender = Appender(self._connection, matcher, clock_ns, alert_limit)
        self._writer = Writer(self._connection, self._committed, self._appender.reload)
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(schema.connect(path, read_only=True))
        self._reading = asyncio.Semaphore(READERS)
        self._listeners: list[Callable[[Appended], None]] = []
        self._pending = 0
        self._last_event: int = self._appender.last_event
        self._expired_since_sweep = 0
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    @property
    def pending(self) -> int:
        return self._pending

    @property
    def last_event(self) -> int:
        return self._last_event

    def listen(self, listener: Callable[[Appended], None]) -> None:
        self._listeners.append(listener)

    async def append(self, block: EventBlock) -> Appended:
        self._pending += len(block)
        try:
            return await self._write(lambda: self._appender.append(block), len(block))
        finally:
            self._pending -= len(block)

    async def last_batch(self, node: str, spool: str) -> int:
        return await self._write(lambda: self._appender.last_batch(self._appender.node(node), spool))

    async def reject(self, node: str, events: int) -> None:
        await self._write(
            lambda: self._connection.execute(
                "UPDATE nodes SET rejected = rejected + ?, rejected_batches = rejected_batches + 1 WHERE id = ?",
                (events, self._appender.node(node)),
            )
        )

    async def save_node(self, record: NodeRecord) -> None:
        await self._write(
            lambda: self._connection.execute(
                "UPDATE nodes SET boot_id = ?, version = ?, kernel = ?, last_seen_ns = ?,"
                " report = CASE WHEN ? = x'' THEN report ELSE ? END WHERE id = ?",
                (
                    record.boot_id,
                    record.version,
                    record.kernel,
                    record.last_seen_ns,
                    record.report,
                    record.report,
                    self._appender.node(record.name),
                ),
            ),
            synced=False,
        )

    async def settle(self, attempts: Sequence[Attempt]) -> None:
        await self._write(lambda: self._settle(attempts), synced=False)

    async def expire(self, keep_events: int, keep_ns: int, now_ns: int) -> Expired:
        result = await self._write(lambda: self._expire(keep_events, keep_ns, now_ns))
        self._expired_since_sweep += result.events
        if not result.more and self._expired_since_sweep > max(keep_events // 2, 100_000):
            self._expired_since_sweep = 0
            await self._write(self._sweep)
        return result

    async def nodes(self) -> Sequence[tuple[NodeRecord, NodeAccount]]:
        rows = await self._read(
            lambda c: c.execute(
                f"SELECT name, boot_id, version, kernel, last_seen_ns, report, {_ACCOUNT} FROM nodes ORDER BY name"  # noqa: S608
            ).fetchall()
        )
        return [(NodeRecord(*row[:6]), NodeAccount(*row[6:])) for row in rows]

    async def account(self, node: str) -> NodeAccount:
        row = await self._read(
            lambda c: c.execute(f"SELECT {_ACCOUNT} FROM nodes WHERE name = ?", (node,)).fetchone()  # noqa: S608
        )
        return NodeAccount(*row) if row else NodeAccount()

    async def violations(self, query: ViolationFilter, limit: int, before: int | None) -> Page:
        return await self._read(lambda c: reading.violations(c, query, limit, before))

    async def violations_after(self, number: int, limit: int) -> tuple[Sequence[Numbered], int]:
        return await self._read(lambda c: reading.violations_after(c, number, limit))

    async def violation(self, event_id: str) -> Violation | None:
        return await self._read(lambda c: reading.violation(c, event_id))

    async def alerts(
        self, state: str | None, rule: str | None, receiver: str | None, limit: int, before: int | None
    ) -> AlertPage:
        return await self._read(lambda c: reading.alerts(c, state, rule, receiver, limit, before))

    async def due_alerts(self, receiver: str, now_ns: int, limit: int) -> Sequence[PendingAlert]:
        return await self._read(lambda c: reading.due_alerts(c, receiver, now_ns, limit))

    async def next_due(self, receiver: str) -> int | None:
        return await self._read(lambda c: reading.next_due(c, receiver))

    async def alert_counts(self) -> Sequence[AlertCounts]:
        return await self._read(reading.alert_counts)

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        await asyncio.sleep(0)  # let what the writer handed over be delivered
        self._connection.close()
        while not self._readers.empty():
            self._readers.get().close()
        os.close(self._lock)

    async def _write(self, run: Callable[[], T], weight: int = 0, *, synced: bool = True) -> T:
        future: asyncio.Future[object] = self._loop.create_future()
        self._writer.submit(Job(run, future, weight, synced))
        return cast(T, await asyncio.shield(future))

    async def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        async with self._reading:
            return await asyncio.to_thread(self._with_reader, run)

    def _with_reader(self, run: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._readers.get()
        try:
            with reading.bounded(connection, time.monotonic_ns):
                return run(connection)
        finally:
            self._readers.put(connection)

    def _committed(self, jobs: Sequence[Job]) -> None:
        """On the writer's thread: hand all of a transaction to the event loop in one call."""
        self._loop.call_soon_threadsafe(self._deliver, jobs)

    def _deliver(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            future = cast("asyncio.Future[object]", job.token)
            if job.error is None and isinstance(job.result, Appended):
                self._last_event = max(self._last_event, job.result.stored.first + len(job.result.stored) - 1)
                for listener in self._listeners:
                    listener(job.result)
            if future.done():
                continue
            if job.error is None:
                future.set_result(job.result)
            else:
                future.set_exception(job.error)

    def _settle(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            state = reading.STATES.index(attempt.state)
            done = attempt.at_ns if state else 0
            column = ("failed_attempts", "delivered", "dead")[state]
            marks = ",".join("?" * len(attempt.numbers))
            groups = self._connection.execute(
                f"SELECT rule, receiver, count(*) FROM alerts WHERE id IN ({marks}) AND state = 0"  # noqa: S608
                " GROUP BY rule, receiver",
                attempt.numbers,
            ).fetchall()
            self._connection.execute(
                "UPDATE alerts SET state = ?, attempts = attempts + 1, next_ns = ?, done_ns = ?, error = ?"  # noqa: S608
                f" WHERE id IN ({marks}) AND state = 0",
                (state, attempt.next_ns, done, attempt.error, *attempt.numbers),
            )
            for rule, receiver, count in groups:
                self._connection.execute(
                    f"UPDATE alert_counts SET {column} = {column} + ? WHERE rule = ? AND receiver = ?",  # noqa: S608
                    (count, rule, receiver),
                )
                if state:
                    self._appender.pending_alerts[receiver] = self._appender.pending_alerts.get(receiver, 0) - count

    def _expire(self, keep_events: int, keep_ns: int, now_ns: int) -> Expired:
        result = retention.expire(self._connection, keep_events, keep_ns, now_ns)
        if result.events:
            self._appender.expired()
        return result

    def _sweep(self) -> None:
        if retention.sweep(self._connection):
            self._appender.reload()


def _hold(path: Path) -> int:
    """Take the lock that says one process has this store; it goes with the process."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, _OPEN, 0o600))
        lock = os.open(path.with_name(path.name + ".lock"), _OPEN, 0o600)
    except OSError as error:
        raise StoreUnavailableError(f"cannot open store `{path}`: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreUnavailableError(f"store `{path}` is held by another collector") from error
    return lock
