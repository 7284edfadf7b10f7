"""
The port that nodes connect to: plaintext on loopback addresses only, mutual TLS anywhere else.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc
from ringfence.v1 import stream_pb2_grpc

from collector.ingest.service import StreamService

#: A message may be this large, bytes.
MESSAGE_LIMIT = 32 * 1024 * 1024


class ListenError(Exception):
    """The port cannot be served as configured."""


@dataclass(frozen=True, slots=True)
class MutualTls:
    """PEM files: our certificate and key, and the authority that nodes' certificates come from."""

    certificate: Path
    key: Path
    authority: Path


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; `localhost` counts, other names do not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(service: StreamService, host: str, port: int, tls: MutualTls | None) -> tuple[grpc.aio.Server, int]:
    """
    Begin to serve on `host`:`port`; port 0 picks one.

    Returns:
        The server and the port it got.

    Raises:
        ListenError: Plaintext was asked for on an address others can reach, a file cannot be read, the port is taken.
    """
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_concurrent_streams", 16),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # Nodes ping an idle stream every two seconds to notice that we are gone; gRPC takes that for an attack.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
            ("grpc.http2.max_ping_strikes", 0),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.so_reuseport", 0),
        )
    )
    stream_pb2_grpc.add_StreamServiceServicer_to_server(service, server)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if tls is not None:
            bound = server.add_secure_port(target, _credentials(tls))
        elif is_loopback(host):
            bound = server.add_insecure_port(target)
        else:
            raise ListenError(f"plaintext on `{host}` is refused: set grpc_tls_cert, grpc_tls_key and grpc_tls_ca")
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {target}: {error}") from error
    if not bound:
        raise ListenError(f"cannot listen on {target}")
    await server.start()
    return server, bound


def _credentials(tls: MutualTls) -> grpc.ServerCredentials:
    try:
        key, certificate, authority = (path.read_bytes() for path in (tls.key, tls.certificate, tls.authority))
    except OSError as error:
        raise ListenError(f"cannot read `{error.filename}`: {error.strerror}") from error
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=authority, require_client_auth=True)
