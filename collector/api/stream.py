"""
The event stream: server-sent events of violations, nodes, policies and alerts.

A client that comes back with Last-Event-ID gets what it missed from the store first.
"""

import json
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from collector.api import models
from collector.api.hub import BATCH, Client, Hub, Parcel
from collector.api.routes import Api
from collector.store.protocol import Store

#: Violations that are sent again to a client that comes back.
REPLAY = 1_000

Name = Annotated[str | None, Query(max_length=256)]


class EventStream:
    """The route /api/v1/events."""

    def __init__(self, hub: Hub, store: Store, api: Api, version: str) -> None:
        self._hub = hub
        self._store = store
        self._api = api
        self._version = version
        self.router = APIRouter(prefix="/api/v1")
        self.router.get("/events", response_class=EventSourceResponse, summary="What happens, as it happens")(
            self.events
        )

    async def events(
        self,
        request: Request,
        node: Name = None,
        policy: Name = None,
        last_event_id: Annotated[str | None, Header(max_length=32)] = None,
    ) -> AsyncIterable[ServerSentEvent]:
        """Server-sent events: hello, violations, node, policies, alerts, lost."""
        client = self._hub.join(node, policy)
        try:
            position = self._store.last_event
            yield _event("hello", {"version": self._version}, position)
            if (number := _number(last_event_id)) is not None and number <= position:
                async for event in self._replay(client, number, node, policy):
                    yield event
            while (parcel := await client.next()) is not None and not await request.is_disconnected():
                async for event in self._events(parcel):
                    yield event
        finally:
            self._hub.leave(client)

    async def _replay(
        self, client: Client, number: int, node: str | None, policy: str | None
    ) -> AsyncIterable[ServerSentEvent]:
        """What was stored behind `number`; what is beyond the limit is told as lost."""
        found, count = await self._store.violations_after(number, REPLAY)
        if count > len(found):
            yield _event("lost", {"count": count - len(found)})
        wanted = [one for one in found if node in (None, one.violation.node) and policy in (None, one.violation.policy)]
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            yield _event("violations", [one.violation.as_json() for one in some], some[-1].number)
        client.after = found[-1].number if found else number

    async def _events(self, parcel: Parcel) -> AsyncIterable[ServerSentEvent]:
        if parcel.lost:
            yield _event("lost", {"count": parcel.lost})
        if parcel.violations:
            text = f"[{','.join(parcel.violations)}]"
            yield ServerSentEvent(event="violations", raw_data=text, id=str(parcel.number))
        for name in sorted(parcel.nodes):
            if found := await self._api.node(name):
                yield ServerSentEvent(event="node", raw_data=found.model_dump_json())
        for name in sorted(parcel.policies):
            yield _event("policies", {"node": name})
        if parcel.alerts:
            rules = models.AlertRuleList(rules=await self._api.alert_rules())
            yield ServerSentEvent(event="alerts", raw_data=rules.model_dump_json())


def _number(text: str | None) -> int | None:
    """A position that a client gave back; None for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() else None


def _event(name: str, data: Any, number: int | None = None) -> ServerSentEvent:
    text = json.dumps(data, separators=(",", ":"))
    return ServerSentEvent(event=name, raw_data=text, id=None if number is None else str(number))
