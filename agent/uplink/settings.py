"""Whom to connect to, and when that is refused."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path


class UplinkConfigError(Exception):
    """
    The settings cannot be used safely, or at all.

    Attributes:
        found, required: What the settings say, and what they would have to.
    """

    def __init__(self, what: str, found: str, required: str) -> None:
        super().__init__(f"{what}: found {found}, required {required}")
        self.found = found
        self.required = required


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: whom to trust, and who this node is. They are read again at each connection."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """
    Attributes:
        address: `host:port`, `[v6]:port` or `unix:/path`.
        tls: None: plaintext, which only an address of this machine allows.
        name: Name in the collector's certificate, if it is not the host.
    """

    address: str
    tls: TlsFiles | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is, as the collector gets to know it."""

    node: str
    boot_id: str
    version: str
    kernel: str


def check(settings: UplinkSettings) -> None:
    """Raises UplinkConfigError for an address that is none, and for plaintext that would leave the machine."""
    if settings.address.startswith("unix:"):
        return
    host, colon, port = settings.address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UplinkConfigError("collector address", repr(settings.address), "`host:port`, `[v6]:port` or `unix:/path`")
    if settings.tls is None and not _local(host):
        found = f"{host!r} and no certificate"
        required = "a loopback address, or TLS with a client certificate"
        raise UplinkConfigError("plaintext to the collector", found, required)


def credentials(tls: TlsFiles) -> tuple[bytes, bytes, bytes]:
    """Contents of the files: CA, key, certificate. Raises UplinkConfigError."""
    try:
        return tls.ca.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes()
    except OSError as error:
        raise UplinkConfigError("TLS files", str(error), "readable PEM files") from error


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
