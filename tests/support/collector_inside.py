"""A collector inside the test's own event loop, with clients of its stream and its REST API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from ringfence.v1 import stream_pb2, stream_pb2_grpc

from collector.api.collector import Collector
from collector.api.settings import Settings
from tests.support.collector_batches import NODE, hello

Call = Any


@dataclass
class Running:
    """A started collector, a REST client that bears the token, and a channel to its stream."""

    collector: Collector
    client: httpx.AsyncClient
    channel: grpc.aio.Channel

    def call(self) -> Call:
        """A stream on which nothing was said yet."""
        return stream_pb2_grpc.StreamServiceStub(self.channel).Connect()

    async def connect(self, node: str = NODE, spool: str = "spool-1") -> Call:
        """A stream behind its welcome."""
        call = self.call()
        await call.write(hello(node, spool=spool))
        assert (await call.read()).WhichOneof("message") == "welcome"
        return call

    async def store(self, call: Call, batch: stream_pb2.Batch) -> None:
        """Send a batch and wait until it is acknowledged."""
        await call.write(stream_pb2.ConnectRequest(batch=batch))
        assert (await call.read()).acknowledge.number == batch.number


@asynccontextmanager
async def running(directory: Path, **settings: Any) -> AsyncIterator[Running]:
    """A collector on free ports, its state in `directory`."""
    given = {"grpc_listen": "127.0.0.1:0", "web_listen": "127.0.0.1:0", "state_dir": directory / "state", **settings}
    collector = Collector(Settings.model_validate(given))
    await collector.start()
    token = (directory / "state" / "token").read_text().strip()
    try:
        async with (
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{collector.web_port}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=20,
                trust_env=False,
            ) as client,
            grpc.aio.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel,
        ):
            yield Running(collector, client, channel)
    finally:
        await collector.stop()


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    id: str | None
    data: Any


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
            fields = {}
