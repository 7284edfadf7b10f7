"""A small agent for tests of the collector: keeps batches until they are acknowledged, and connects again."""

import queue
from collections.abc import Callable, Iterator, Sequence

import grpc
from ringfence.v1 import stream_pb2, stream_pb2_grpc

from tests.support.collector_batches import BOOT, NODE, hello


class Stream:
    """One connection: `welcome` is the number it was told, `acknowledged` the last one since."""

    def __init__(self, target: str, node: str = NODE, boot_id: str = BOOT, spool: str = "spool-1") -> None:
        self._channel = grpc.insecure_channel(target)
        self._outgoing: queue.Queue[stream_pb2.ConnectRequest | None] = queue.Queue()
        self._call = stream_pb2_grpc.StreamServiceStub(self._channel).Connect(self._messages())
        self.send(hello(node, boot_id, spool))
        try:
            self.welcome = next(self._call).welcome.last_stored
        except grpc.RpcError:
            self._channel.close()
            raise
        self.acknowledged = self.welcome

    def send(self, message: stream_pb2.ConnectRequest) -> None:
        self._outgoing.put(message)

    def send_batch(self, batch: stream_pb2.Batch) -> None:
        self.send(stream_pb2.ConnectRequest(batch=batch))

    def receive(self) -> stream_pb2.ConnectResponse:
        """The next message from above. Raises grpc.RpcError when the stream ends."""
        message = next(self._call)
        if message.WhichOneof("message") == "acknowledge":
            self.acknowledged = message.acknowledge.number
        return message

    def wait_acknowledged(self, number: int) -> None:
        """Until this batch is acknowledged."""
        while self.acknowledged < number:
            self.receive()

    def close(self) -> None:
        self._outgoing.put(None)
        self._call.cancel()
        self._channel.close()

    def _messages(self) -> Iterator[stream_pb2.ConnectRequest]:
        while (message := self._outgoing.get()) is not None:
            yield message


class Agent:
    """
    Sends a spool of batches, whatever happens to the collector.

    Args:
        window: Batches that are sent ahead of the last acknowledgement.
    """

    def __init__(self, batches: Sequence[stream_pb2.Batch], window: int = 50) -> None:
        self._batches = {batch.number: batch for batch in batches}
        self._last = max(self._batches)
        self._window = window
        self.acknowledged = 0

    def deliver(self, target: str, progress: Callable[[int], None] = lambda _: None) -> bool:
        """
        Connect, resume, send the rest; `progress` hears the number of each acknowledgement.

        Returns:
            True if all was acknowledged, False if the stream broke.
        """
        try:
            stream = Stream(target)
        except grpc.RpcError:
            return False
        try:
            if stream.welcome < self.acknowledged:
                raise AssertionError(f"acknowledged {self.acknowledged}, then welcomed with {stream.welcome}")
            self._send_all(stream, progress)
        except grpc.RpcError:
            return False
        finally:
            self.acknowledged = max(self.acknowledged, stream.acknowledged)
            stream.close()
        return True

    def _send_all(self, stream: Stream, progress: Callable[[int], None]) -> None:
        sent = stream.welcome
        while stream.acknowledged < self._last:
            while sent < min(self._last, stream.acknowledged + self._window):
                sent += 1
                stream.send_batch(self._batches[sent])
            stream.receive()
            progress(stream.acknowledged)
