"""
The one thread that writes: takes what is waiting, does it in one transaction, then tells everyone.

Group commit: while one transaction is synced to disk the next fills up, so the cost of a sync is shared by whatever
arrived meanwhile and a lone block waits for nobody.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.store.errors import StoreError, StoreUnavailableError

#: A transaction takes no further job beyond this many events or jobs.
EVENTS_A_TRANSACTION = 20_000
JOBS_A_TRANSACTION = 1_000


@dataclass(slots=True)
class Job:
    """
    Something to do inside a transaction, and what came of it.

    Attributes:
        weight: Events it writes.
        token: The caller's own, to know the job by.
        synced: Whether it must survive loss of power when it is done. Every job survives `kill -9` of the process.
    """

    run: Callable[[], object]
    token: object
    weight: int = 0
    synced: bool = True
    result: object = None
    error: StoreError | None = None


class Writer:
    """
    Runs jobs on one connection, in the order they came.

    Args:
        connection: Used by this thread alone from `start` to `stop`.
        done: Called on the writer's thread with jobs that are committed, or failed for good.
        rolled_back: Called on the writer's thread after a rollback, to forget what was not kept.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        done: Callable[[Sequence[Job]], None],
        rolled_back: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._done = done
        self._rolled_back = rolled_back
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand in a job; from any thread."""
        self._queue.put(job)

    def stop(self) -> None:
        """Do what was handed in before, then end. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        going = True
        while going:
            jobs, going = self._gather()
            if jobs:
                self._commit(jobs)
                self._done(jobs)

    def _gather(self) -> tuple[list[Job], bool]:
        """Wait for a job, then take those that wait behind it. False if `stop` was among them."""
        jobs: list[Job] = []
        weight = 0
        while weight < EVENTS_A_TRANSACTION and len(jobs) < JOBS_A_TRANSACTION:
            try:
                job = self._queue.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
            weight += job.weight
        return jobs, True

    def _commit(self, jobs: Sequence[Job]) -> None:
        """All jobs in one transaction; if one fails, each in its own, so that only that one fails."""
        error = self._attempt(jobs)
        if error is not None and len(jobs) == 1:
            jobs[0].error = error
        elif error is not None:
            for job in jobs:
                job.error = self._attempt([job])

    def _attempt(self, jobs: Sequence[Job]) -> StoreError | None:
        try:
            # In WAL mode NORMAL commits without waiting for the disk; the next FULL commit syncs what it left.
            synced = any(job.synced for job in jobs)
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                job.result = job.run()
            self._connection.execute("COMMIT")
        except (sqlite3.Error, StoreError, OverflowError, ValueError) as error:
            return self._roll_back(error)
        return None

    def _roll_back(self, error: Exception) -> StoreError:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._rolled_back()
        except sqlite3.Error as second:
            return StoreUnavailableError(f"{error}; rolling back: {second}")
        return error if isinstance(error, StoreError) else StoreUnavailableError(str(error))
