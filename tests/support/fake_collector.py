"""A collector that keeps what it gets in memory, and misbehaves when told to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from ringfence.v1 import stream_pb2_grpc
from ringfence.v1.stream_pb2 import (
    Acknowledge,
    Batch,
    ConnectRequest,
    ConnectResponse,
    NodeReport,
    PushOutcome,
    Welcome,
)

OPTIONS = [
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]


class FakeCollector(stream_pb2_grpc.StreamServiceServicer):
    """
    Attributes:
        batches: By number, as first stored.
        repeated: Numbers that came again.
        acknowledges: Whether to; `acks` says how often each.
    """

    def __init__(self) -> None:
        self.batches: dict[int, Batch] = {}
        self.events: set[tuple[str, int, int]] = set()
        self.doubled = 0
        self.repeated: list[int] = []
        self.reports: list[NodeReport] = []
        self.outcomes: list[PushOutcome] = []
        self.hellos: list[Any] = []
        self.acknowledges = True
        self.acks = 1
        self.rejects: set[int] = set()
        self.last_stored: int | None = None
        self.extra: list[ConnectResponse] = []
        self.changed = asyncio.Condition()
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> "FakeCollector":
        self._server = grpc.aio.server(options=OPTIONS)
        stream_pb2_grpc.add_StreamServiceServicer_to_server(self, self._server)
        where = f"127.0.0.1:{port}"
        self.port = (
            self._server.add_secure_port(where, credentials) if credentials else self._server.add_insecure_port(where)
        )
        await self._server.start()
        return self

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(None)

    async def until(self, condition: Any, timeout: float = 10) -> None:
        """Wait for something to have come."""

        async def wait() -> None:
            async with self.changed:
                await self.changed.wait_for(condition)

        await asyncio.wait_for(wait(), timeout)

    async def Connect(self, requests: AsyncIterator[ConnectRequest], context: Any) -> AsyncIterator[ConnectResponse]:
        async for request in requests:
            kind = request.WhichOneof("message")
            if kind == "hello":
                self.hellos.append(request.hello)
                stored = max(self.batches, default=0) if self.last_stored is None else self.last_stored
                yield ConnectResponse(welcome=Welcome(last_stored=stored))
                for response in self.extra:
                    yield response
            elif kind == "batch":
                if request.batch.number in self.rejects:
                    metadata = (("ringfence-rejected-batch", str(request.batch.number)),)
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "it is none", metadata)
                self._store(request.batch)
                for _ in range(self.acks if self.acknowledges else 0):
                    yield ConnectResponse(acknowledge=Acknowledge(number=request.batch.number))
            elif kind == "report":
                self.reports.append(request.report)
            elif kind == "outcome":
                self.outcomes.append(request.outcome)
            async with self.changed:
                self.changed.notify_all()

    def _store(self, batch: Batch) -> None:
        if batch.number in self.batches:
            self.repeated.append(batch.number)
        else:
            self.batches[batch.number] = batch
        for ring, sequence in zip(batch.columns.ring, batch.columns.sequence, strict=True):
            key = (batch.boot_id, ring, sequence)
            self.doubled += key in self.events
            self.events.add(key)
