"""
The event stream's other end: what is stored and what changes → each client that listens, at its own pace.

A client's queue is bounded: when it is full the oldest go and are counted, and the client is told. Violations wait as
numbers in their block and are put into words only when they are sent; with no client, nothing is done at all.
"""

import asyncio
import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np

from collector.store.events import EventBlock, StoredBlock
from collector.store.protocol import Appended
from collector.store.spelling import raw_event, spell

#: Violations that wait for a client; violations in one event.
QUEUE = 2_000
BATCH = 200
#: Events go out this far apart at least, seconds.
PACE = 0.02
#: Counts of alerts go out this far apart at least, seconds.
ALERTS_PACE = 1.0
#: Violations in words that are kept for the next client that wants them.
CACHE = 4_096


@dataclass(slots=True)
class Parcel:
    """What a client is sent next; `number` is the last violation's."""

    lost: int = 0
    violations: list[str] = field(default_factory=list)
    number: int = 0
    nodes: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    alerts: bool = False


class Client:
    """One listener's queue."""

    def __init__(self, hub: "Hub", node: str | None, policy: str | None) -> None:
        self._hub = hub
        self._node = node
        self._policy = policy
        self._queue: deque[tuple[int, EventBlock, int]] = deque()
        self._next = Parcel()
        self._wake = asyncio.Event()
        self._sent = -PACE
        self._closed = False
        self._counting = False
        self.after = 0

    def add(self, stored: StoredBlock) -> None:
        """Queue a block's violations that this client asked for."""
        block = stored.block
        if self._node is not None and block.node != self._node:
            return
        wanted = block.columns.ring[stored.positions] == 0
        if self._policy is not None:
            of_policy = np.array([rule.policy == self._policy for rule in block.rules], dtype=bool)
            wanted &= of_policy[block.columns.rule[stored.positions]]
        found = np.flatnonzero(wanted)
        self._next.lost += max(0, len(found) - QUEUE)
        for index in found[-QUEUE:].tolist():
            self._queue.append((stored.first + index, block, int(stored.positions[index])))
        while len(self._queue) > QUEUE:
            self._queue.popleft()
            self._next.lost += 1
        if len(found):
            self._wake.set()

    def change(self, node: str, *, policies: bool) -> None:
        """Note that a node, or its policies, changed."""
        if self._node is None or node == self._node:
            self._next.nodes.add(node)
            if policies:
                self._next.policies.add(node)
            self._wake.set()

    def count_alerts(self) -> None:
        """Alerts were raised: say so in a while, when most have come to their end."""
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_later(ALERTS_PACE, self._counted)

    def _counted(self) -> None:
        self._counting = False
        self._next.alerts = True
        self._wake.set()

    def close(self) -> None:
        """Let the client go."""
        self._closed = True
        self._wake.set()

    async def next(self) -> Parcel | None:
        """Wait for something to send; None once the hub is closed."""
        loop = asyncio.get_running_loop()
        await self._wake.wait()
        if (early := self._sent + PACE - loop.time()) > 0 and not self._closed:
            await asyncio.sleep(early)
        self._sent = loop.time()
        if self._closed:
            return None
        parcel, self._next = self._next, Parcel()
        while self._queue and len(parcel.violations) < BATCH:
            number, block, position = self._queue.popleft()
            if number > self.after:
                parcel.violations.append(self._hub.words(number, block, position))
                parcel.number = number
        if not self._queue:
            self._wake.clear()
        return parcel


class Hub:
    """All clients. Lives on the event loop alone."""

    def __init__(self) -> None:
        self._clients: set[Client] = set()
        self._words: OrderedDict[int, str] = OrderedDict()

    def stored(self, appended: Appended) -> None:
        """A block was committed: listens to the store."""
        for client in self._clients:
            client.add(appended.stored)
            if appended.alerts:
                client.count_alerts()

    def changed(self, node: str, policies: bool) -> None:
        """A node changed: listens to the nodes."""
        for client in self._clients:
            client.change(node, policies=policies)

    def join(self, node: str | None, policy: str | None) -> Client:
        """A new client, from now on."""
        client = Client(self, node, policy)
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """A client went away."""
        self._clients.discard(client)

    def close(self) -> None:
        """End every stream."""
        for client in self._clients:
            client.close()

    def words(self, number: int, block: EventBlock, position: int) -> str:
        """A violation as JSON, made once for all clients."""
        if (known := self._words.get(number)) is not None:
            return known
        text = json.dumps(spell(raw_event(block, position)).as_json(), separators=(",", ":"))
        self._words[number] = text
        if len(self._words) > CACHE:
            self._words.popitem(last=False)
        return text
