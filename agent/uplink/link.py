"""
One connection to the collector: the only module that knows gRPC.

Messages are parsed here, so that what is none becomes an error of ours.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from ringfence.v1 import stream_pb2
from ringfence.v1.stream_pb2 import ConnectRequest, ConnectResponse

from agent.events.printable import printable
from agent.uplink.settings import UplinkSettings, credentials

#: Seconds until a peer that does not answer is given up: for connecting, and for one message.
CONNECT_TIMEOUT = 5.0
SEND_TIMEOUT = 10.0
#: Milliseconds: a dead peer is noticed after the sum of both.
PING_EVERY, PING_TIMEOUT = 2000, 3000
#: Bytes of one message, as the collector allows it.
MESSAGE_MAX = 32 << 20

#: Trailing metadata of a call that was ended because of one batch: its number.
REJECTED_BATCH = "ringfence-rejected-batch"

_T = TypeVar("_T")

_SERVICE = stream_pb2.DESCRIPTOR.services_by_name["StreamService"]
_METHOD = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['Connect'].name}"

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", PING_EVERY),
    ("grpc.keepalive_timeout_ms", PING_TIMEOUT),
    # A ping that measures the bandwidth keeps the others back until it is answered: by default for a minute.
    ("grpc.http2.ping_timeout_ms", PING_TIMEOUT),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MESSAGE_MAX),
    ("grpc.max_send_message_length", MESSAGE_MAX),
    # Each connection is tried once, here: gRPC's own waiting would hide why it fails.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


class LinkError(Exception):
    """
    The connection cannot be made, or has ended; the text is printable.

    Attributes:
        rejected: Number of the batch that the collector will not have, if that is why; else 0.
    """

    def __init__(self, text: str, rejected: int = 0) -> None:
        super().__init__(text)
        self.rejected = rejected


class Link(Protocol):
    """A connection that is open."""

    async def send(self, message: ConnectRequest) -> None:
        """Raises LinkError."""

    async def receive(self) -> ConnectResponse:
        """The next message; raises LinkError at the end."""

    async def close(self) -> None: ...


class GrpcLink:
    """A call of StreamService.Connect on a channel of its own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._call: Any = channel.stream_stream(_METHOD)()

    async def send(self, message: ConnectRequest) -> None:
        await _own(self._call.write(message.SerializeToString()), SEND_TIMEOUT)

    async def receive(self) -> ConnectResponse:
        data = await _own(self._call.read(), None)
        if not isinstance(data, bytes):
            raise LinkError("the collector ended the call")
        try:
            return ConnectResponse.FromString(data)
        except DecodeError as error:
            raise LinkError("the collector sent a message that is none") from error

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close(None)


async def connect(settings: UplinkSettings) -> GrpcLink:
    """Raises LinkError, and UplinkConfigError if certificates cannot be read."""
    options = list(_OPTIONS)
    if settings.name:
        options.append(("grpc.ssl_target_name_override", settings.name))
    if settings.tls is None:
        channel = grpc.aio.insecure_channel(settings.address, options)
    else:
        ca, key, certificate = credentials(settings.tls)
        channel = grpc.aio.secure_channel(settings.address, grpc.ssl_channel_credentials(ca, key, certificate), options)
    return GrpcLink(channel)


async def _own(waited: Awaitable[_T], timeout: float | None) -> _T:
    """Wait, with gRPC's errors as ours."""
    try:
        return await asyncio.wait_for(waited, timeout)
    except TimeoutError as error:
        raise LinkError(f"the collector took nothing for {timeout:.0f} s") from error
    except grpc.aio.AioRpcError as error:
        details = printable((error.details() or "").encode())
        code = error.code().name.lower().replace("_", "-")
        raise LinkError(f"{code}: {details}", _rejected(error)) from error
    except asyncio.InvalidStateError as error:
        raise LinkError("the call has ended") from error


def _rejected(error: grpc.aio.AioRpcError) -> int:
    """Number of the batch that the call was ended for; 0: none."""
    found = [str(value) for key, value in error.trailing_metadata() or () if key == REJECTED_BATCH]
    return int(found[0]) if found and found[0].isdecimal() else 0
