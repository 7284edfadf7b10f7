"""Carry out what the collector orders: one at a time, in order, each once."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from ringfence.v1.stream_pb2 import DeleteOrder, PushOrder, PushOutcome

from agent.events.printable import printable

OrderHandler = Callable[[PushOrder | DeleteOrder], Awaitable[PushOutcome]]

#: Orders that may wait, outcomes that may wait for a connection, and those remembered for an order that comes again.
WAITING, OUTCOMES, REMEMBERED = 16, 64, 64


class Orders:
    """
    Args:
        finished: Called when there is an outcome to send.
    """

    def __init__(self, handler: OrderHandler, finished: Callable[[], None]) -> None:
        self._handler = handler
        self._finished = finished
        self._waiting: asyncio.Queue[PushOrder | DeleteOrder] = asyncio.Queue(WAITING)
        self._known: OrderedDict[str, PushOutcome | None] = OrderedDict()
        self.outcomes: deque[PushOutcome] = deque(maxlen=OUTCOMES)

    def give(self, order: PushOrder | DeleteOrder) -> None:
        """Take an order; one that was carried out before gets its outcome again, one that still waits nothing."""
        if order.id in self._known:
            if outcome := self._known[order.id]:
                self._answer(outcome)
            return
        try:
            self._waiting.put_nowait(order)
        except asyncio.QueueFull:
            self._answer(PushOutcome(id=order.id, error=f"{WAITING} orders are waiting already"))
        else:
            self._remember(order.id, None)

    async def work(self) -> None:
        """For ever."""
        while True:
            order = await self._waiting.get()
            outcome = await self._carry_out(order)
            outcome.id = order.id
            self._remember(order.id, outcome)
            self._answer(outcome)

    async def _carry_out(self, order: PushOrder | DeleteOrder) -> PushOutcome:
        try:
            return await self._handler(order)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the collector is owed an answer
            return PushOutcome(error=printable(f"{type(error).__name__}: {error}".encode()))

    def _answer(self, outcome: PushOutcome) -> None:
        self.outcomes.append(outcome)
        self._finished()

    def _remember(self, order_id: str, outcome: PushOutcome | None) -> None:
        self._known[order_id] = outcome
        self._known.move_to_end(order_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
