"""
Get alerts to their receivers: at once when they are fresh, again later when that failed.

Fresh alerts come straight from the transaction that stored them. The store is asked only for those that must be tried
again, or that did not fit into memory. An alert is in the store until a receiver took it, so it outlives us; one that
was taken just before we died is sent again, under the same id.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from collector.alerts.message import body
from collector.store.errors import StoreError
from collector.store.protocol import Appended, Attempt, PendingAlert, Store

#: Alerts a request, and requests at once to one receiver.
BATCH = 200
REQUESTS = 4
#: A fresh alert waits this long for company, seconds.
GATHER = 0.002
#: Alerts that wait in memory; more wait in the store.
FRESH_LIMIT = 10_000
BACKOFF_FIRST, BACKOFF_LAST = 0.5, 60.0

#: Answers that blame the request, not the receiver as a whole.
_BLAMED = frozenset({400, 409, 410, 411, 413, 414, 415, 422})


class DeliveryError(Exception):
    """A receiver did not take alerts; `status` is its answer, 0 if it gave none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class Transport(Protocol):
    """Sends one request."""

    async def post(self, content: bytes) -> None:
        """Raises DeliveryError unless the receiver took it."""

    async def close(self) -> None:
        """Let go of connections."""


class Journal(Protocol):
    """Where delivery says what happened."""

    def __call__(self, event: str, **fields: object) -> None:
        """Note an event with its facts."""


def backoff(failures: int) -> float:
    """Seconds to wait after this many failures in a row: doubling, with a random part, up to a minute."""
    return min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(failures, 10)) * random.uniform(0.8, 1.2)  # noqa: S311


class Courier:
    """
    Delivers to one receiver.

    Args:
        give_up_ns: An alert that is older than this and fails again is dead.
        clock_ns: Nanoseconds since 1970.
    """

    def __init__(
        self,
        receiver: str,
        transport: Transport,
        store: Store,
        journal: Journal,
        *,
        give_up_ns: int,
        clock_ns: Callable[[], int],
    ) -> None:
        self.receiver = receiver
        self._transport = transport
        self._store = store
        self._journal = journal
        self._give_up_ns = give_up_ns
        self._clock_ns = clock_ns
        self._fresh: deque[PendingAlert] = deque()
        #: Numbers of alerts in memory, and of those that are done with while the store is being read.
        self._held: set[int] = set()
        self._released: set[int] | None = None
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(REQUESTS)
        self._posts: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._paused_ns = 0
        #: When the store has to be asked: 0 now, None never.
        self._retry_ns: int | None = 0

    def offer(self, alert: PendingAlert) -> None:
        """Take a fresh alert, or leave it in the store until there is room."""
        if len(self._fresh) >= FRESH_LIMIT or self._failures:
            self._retry_by(self._paused_ns)
        elif alert.number not in self._held:  # else it was read from the store before we were told of it
            self._held.add(alert.number)
            self._fresh.append(alert)
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._wait()
            await self._slots.acquire()
            batch = await self._batch()
            if not batch:
                self._slots.release()
                continue
            task = asyncio.create_task(self._deliver(batch))
            self._posts.add(task)
            task.add_done_callback(self._posted)

    async def finish(self) -> None:
        """Wait for requests that are under way, then close. What is left stays in the store."""
        if self._posts:
            await asyncio.wait(self._posts)
        await self._transport.close()

    def _release(self, batch: Sequence[PendingAlert]) -> None:
        numbers = {alert.number for alert in batch}
        if self._released is None:
            self._held -= numbers
        else:
            self._released |= numbers

    def _posted(self, task: asyncio.Task[None]) -> None:
        self._posts.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()):
            self._journal("alert-delivery-broke", receiver=self.receiver, reason=repr(error))

    def _retry_by(self, at_ns: int) -> None:
        self._retry_ns = at_ns if self._retry_ns is None else min(self._retry_ns, at_ns)

    async def _wait(self) -> None:
        """Until there is something to send and the receiver is not being spared."""
        while True:
            now = self._clock_ns()
            if now >= self._paused_ns and (self._fresh or (self._retry_ns is not None and now >= self._retry_ns)):
                return
            times = [self._paused_ns] if self._fresh else []
            times += [max(self._retry_ns, self._paused_ns)] if self._retry_ns is not None else []
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, (min(times) - now) / 1e9) if times else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _batch(self) -> list[PendingAlert]:
        """Fresh alerts first; if there are none, those in the store whose time has come."""
        if self._fresh:
            if len(self._fresh) < BATCH:
                await asyncio.sleep(GATHER)
            return [self._fresh.popleft() for _ in range(min(BATCH, len(self._fresh)))]
        return await self._due()

    async def _due(self) -> list[PendingAlert]:
        # Some that are due are on their way already, or come to their end while the store is read: those are held until
        # it was, and left out. Ask for that many more.
        wanted = BATCH + len(self._held)
        self._released, self._retry_ns = set(), None
        try:
            found = await self._store.due_alerts(self.receiver, self._clock_ns(), wanted)
            following = await self._store.next_due(self.receiver) if len(found) < wanted else 0
        except StoreError as error:
            self._journal("store-failed", receiver=self.receiver, reason=str(error))
            self._retry_by(self._clock_ns() + 1_000_000_000)
            return []
        finally:
            self._held -= (released := self._released)
            self._released = None
        batch = [alert for alert in found if alert.number not in self._held | released][:BATCH]
        if following is not None:
            # With nothing to send all that is due is on its way; its outcome asks again if need be.
            self._retry_by(following if batch else max(following, self._clock_ns() + 1_000_000_000))
        self._held.update(alert.number for alert in batch)
        return batch

    async def _deliver(self, batch: Sequence[PendingAlert]) -> None:
        """Send a batch; if the receiver blames it, its alerts one by one."""
        error = await self._post(batch)
        if error is None or error.status not in _BLAMED or len(batch) == 1:
            await self._record(batch, error)
            return
        for alert in batch:
            await self._record([alert], await self._post([alert]))

    async def _post(self, batch: Sequence[PendingAlert]) -> DeliveryError | None:
        try:
            await self._transport.post(body(batch, self._clock_ns()))
        except DeliveryError as error:
            return error
        return None

    async def _record(self, batch: Sequence[PendingAlert], error: DeliveryError | None) -> None:
        try:
            if error is None:
                self._failures = 0
                await self._settle([self._attempt(batch, "delivered")])
            else:
                await self._failed(batch, error)
        finally:
            self._release(batch)

    async def _failed(self, batch: Sequence[PendingAlert], error: DeliveryError) -> None:
        now = self._clock_ns()
        if error.status in _BLAMED:
            next_ns = now + int(backoff(batch[0].attempts) * 1e9)
        else:
            self._failures += 1
            next_ns = self._paused_ns = max(self._paused_ns, now + int(backoff(self._failures) * 1e9))
        dead = [alert for alert in batch if now - alert.created_ns > self._give_up_ns]
        again = [alert for alert in batch if now - alert.created_ns <= self._give_up_ns]
        self._journal(
            "alert-delivery-failed",
            receiver=self.receiver,
            alerts=len(batch),
            dead=len(dead),
            reason=str(error),
            failures=self._failures,
        )
        await self._settle(
            [
                self._attempt(alerts, state, next_ns, str(error))
                for alerts, state in ((dead, "dead"), (again, "pending"))
                if alerts
            ]
        )
        self._retry_by(next_ns)
        self._wake.set()

    def _attempt(self, alerts: Sequence[PendingAlert], state: str, next_ns: int = 0, error: str = "") -> Attempt:
        return Attempt(tuple(alert.number for alert in alerts), state, self._clock_ns(), next_ns, error)

    async def _settle(self, attempts: Sequence[Attempt]) -> None:
        try:
            await self._store.settle(attempts)
        except StoreError as error:
            # They stay pending in the store and are sent again: twice rather than never.
            self._journal("store-failed", receiver=self.receiver, reason=str(error))
            self._retry_by(self._clock_ns() + 1_000_000_000)
            self._wake.set()


class Dispatcher:
    """All couriers: listens to the store, keeps them running."""

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self._couriers = {courier.receiver: courier for courier in couriers}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, store: Store) -> None:
        """Begin with what an earlier run left in the store, then with what comes."""
        self._tasks = [asyncio.create_task(courier.run()) for courier in self._couriers.values()]
        store.listen(self.take)

    def take(self, appended: Appended) -> None:
        """Pass a block's alerts on."""
        for alert in appended.alerts:
            if courier := self._couriers.get(alert.receiver):
                courier.offer(alert)

    async def stop(self) -> None:
        """Finish requests under way, start no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for courier in self._couriers.values():
            await courier.finish()
