"""
One stream of one node: hello, batches, reports and outcomes up; acknowledgements and orders down.

A batch is acknowledged after it is stored, in the order it came. Many may be on their way into the store at once; when
too many are, the stream is not read on, and gRPC's flow control holds the node.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc
from ringfence.v1 import stream_pb2, stream_pb2_grpc

from collector.ingest.decode import BatchError, HelloError, check_hello, decode
from collector.ingest.nodes import Nodes, Session
from collector.store.errors import StoreError
from collector.store.protocol import Appended, NodeRecord, Store

#: Batches of one stream, and events of all, that may be on their way into the store.
BATCHES_IN_FLIGHT = 64
EVENTS_IN_FLIGHT = 400_000
HELLO_TIMEOUT = 10.0
#: A node's record is saved at most this often, seconds, unless its policies changed.
SAVE_INTERVAL = 10.0

Message = stream_pb2.ConnectRequest
Context = grpc.aio.ServicerContext[Any, Any]


class Journal(Protocol):
    """Where ingest says what happened; the one who wires it up logs it."""

    def __call__(self, event: str, **fields: object) -> None:
        """Note an event with its facts."""


class StreamError(Exception):
    """Why a stream is ended, as the node is told."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.metadata = metadata


class StreamService(stream_pb2_grpc.StreamServiceServicer):
    """
    Serves `StreamService.Connect`.

    Args:
        bind_names: A node must be called as its certificate says; for mTLS.
    """

    def __init__(self, store: Store, nodes: Nodes, journal: Journal, *, bind_names: bool) -> None:
        self._store = store
        self._nodes = nodes
        self._journal = journal
        self._bind_names = bind_names
        self._closing = asyncio.Event()

    def shut(self) -> None:
        """End every stream once what it sent is stored and acknowledged."""
        self._closing.set()

    async def Connect(  # type: ignore[override]  # grpc.aio's other form: a coroutine that reads and writes
        self,
        request_iterator: AsyncIterator[Message],  # noqa: ARG002 - read through the context
        context: Context,
    ) -> None:
        """One stream, from hello to its end."""
        try:
            hello = await self._hello(context)
            session = self._nodes.open(hello)
        except StreamError as error:
            self._journal("stream-refused", peer=context.peer(), reason=error.details)
            await context.abort(error.code, error.details)
        self._journal("stream-opened", node=hello.node, boot_id=hello.boot_id, version=hello.version)
        connection = Connection(self, session, hello, context)
        try:
            await connection.serve()
        except StreamError as error:
            self._journal("stream-ended", node=hello.node, reason=error.details)
            await context.abort(error.code, error.details, error.metadata)
        finally:
            self._nodes.close(session)
        self._journal("stream-closed", node=hello.node)

    async def _hello(self, context: Context) -> stream_pb2.Hello:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                message = await context.read()
        except TimeoutError:
            raise StreamError(grpc.StatusCode.DEADLINE_EXCEEDED, "no hello") from None
        if not isinstance(message, Message) or message.WhichOneof("message") != "hello":
            raise StreamError(grpc.StatusCode.INVALID_ARGUMENT, "a stream begins with a hello")
        try:
            check_hello(message.hello)
        except HelloError as error:
            raise StreamError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        if self._bind_names and message.hello.node not in _certified_names(context):
            raise StreamError(grpc.StatusCode.PERMISSION_DENIED, "the certificate is not of a node of this name")
        return message.hello


class Connection:
    """The three things that go on while a stream is open: reading, acknowledging, sending."""

    def __init__(self, service: StreamService, session: Session, hello: stream_pb2.Hello, context: Context) -> None:
        self._store = service._store
        self._nodes = service._nodes
        self._journal = service._journal
        self._closing = service._closing
        self._session = session
        self._hello = hello
        self._context = context
        self._in_flight: asyncio.Queue[tuple[int, asyncio.Task[Appended]]] = asyncio.Queue(BATCHES_IN_FLIGHT)
        self._counts = service._nodes.counts(session.node)
        self._writing = asyncio.Lock()
        self._after = 0
        self._saved = -SAVE_INTERVAL
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Until the node leaves; StreamError if the collector closes, a newer stream takes over, something is wrong."""
        last = await self._last_batch()
        await self._send(stream_pb2.ConnectResponse(welcome=stream_pb2.Welcome(last_stored=last)))
        ends = [
            asyncio.create_task(work)
            for work in (self._read(), self._acknowledge(), self._write(), self._replaced(), self._closed())
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        for task in done:
            task.result()

    async def _last_batch(self) -> int:
        try:
            return await self._store.last_batch(self._hello.node, self._hello.spool_id)
        except StoreError as error:
            raise StreamError(grpc.StatusCode.UNAVAILABLE, f"the store is not available: {error}") from error

    async def _read(self) -> None:
        while isinstance(message := await self._context.read(), Message):
            match message.WhichOneof("message"):
                case "batch":
                    await self._batch(message.batch)
                case "report":
                    await self._report(message.report)
                case "outcome":
                    self._nodes.outcome(self._session, message.outcome)
                case _:
                    raise StreamError(grpc.StatusCode.INVALID_ARGUMENT, "a message of no known kind")
        await self._in_flight.join()

    async def _batch(self, batch: stream_pb2.Batch) -> None:
        if self._store.pending > EVENTS_IN_FLIGHT:
            await self._in_flight.join()
        try:
            block = decode(batch, self._session.node, self._hello.spool_id, self._after)
        except BatchError as error:
            await self._reject(error)
            return
        self._after = batch.number
        self._counts.received += len(block)
        self._counts.pending += len(block)
        task = asyncio.create_task(self._store.append(block))
        task.add_done_callback(lambda task: self._settled(task, len(block)))
        await self._in_flight.put((batch.number, task))

    def _settled(self, task: asyncio.Task[Appended], events: int) -> None:
        self._counts.pending -= events
        if task.cancelled() or task.exception() is not None:
            self._counts.returned += events
        else:
            self._counts.stored += len(task.result().stored)
            self._counts.duplicate += task.result().duplicate

    async def _reject(self, error: BatchError) -> None:
        """Count the batch, let what came before it be acknowledged, then end the stream."""
        self._journal(
            "batch-rejected",
            node=self._session.node,
            batch=error.number,
            events=error.events,
            problem=error.problem,
        )
        await self._in_flight.join()
        await self._store.reject(self._session.node, error.events)
        self._counts.received += error.events
        self._counts.rejected += error.events
        self._counts.rejected_batches += 1
        raise StreamError(
            grpc.StatusCode.INVALID_ARGUMENT, str(error), (("ringfence-rejected-batch", str(error.number)),)
        )

    async def _acknowledge(self) -> None:
        """In order; one message for all that are stored by then."""
        while True:
            number, task = await self._in_flight.get()
            taken = 1
            try:
                await task
                while not self._in_flight.empty():
                    following, task = self._in_flight.get_nowait()
                    taken += 1
                    if not task.done():
                        await self._send_acknowledgement(number)
                    await task
                    number = following
                await self._send_acknowledgement(number)
            except StoreError as error:
                self._journal("store-failed", node=self._session.node, reason=str(error))
                raise StreamError(grpc.StatusCode.UNAVAILABLE, f"not stored: {error}") from error
            finally:
                for _ in range(taken):
                    self._in_flight.task_done()

    async def _send_acknowledgement(self, number: int) -> None:
        await self._send(stream_pb2.ConnectResponse(acknowledge=stream_pb2.Acknowledge(number=number)))

    async def _report(self, report: stream_pb2.NodeReport) -> None:
        before = self._nodes.get(self._session.node)
        known = [p.digest for p in before.report.policies] if before and before.report else None
        self._nodes.report(self._session, report)
        now = self._loop.time()
        if now - self._saved < SAVE_INTERVAL and known == [p.digest for p in report.policies]:
            return
        self._saved = now
        await self._save(report)

    async def _save(self, report: stream_pb2.NodeReport) -> None:
        node = self._nodes.get(self._session.node)
        seen = node.seen_ns if node else 0
        hello = self._hello
        record = NodeRecord(hello.node, hello.boot_id, hello.version, hello.kernel, seen, report.SerializeToString())
        try:
            await self._store.save_node(record)
        except StoreError as error:
            self._journal("store-failed", node=hello.node, reason=str(error))

    async def _write(self) -> None:
        while True:
            await self._send(await self._session.outgoing.get())

    async def _send(self, message: stream_pb2.ConnectResponse) -> None:
        async with self._writing:  # gRPC takes one write at a time
            await self._context.write(message)

    async def _replaced(self) -> None:
        await self._session.replaced.wait()
        raise StreamError(grpc.StatusCode.ABORTED, "a newer stream of this node took over")

    async def _closed(self) -> None:
        await self._closing.wait()
        await self._in_flight.join()
        raise StreamError(grpc.StatusCode.UNAVAILABLE, "the collector is shutting down")


def _certified_names(context: Context) -> set[str]:
    """Names that the peer's certificate was issued for."""
    facts = context.auth_context()
    names = [*facts.get("x509_common_name", []), *facts.get("x509_subject_alternative_name", [])]
    return {name.decode("utf-8", "replace") for name in names}
