"""Plaintext never leaves the machine, and TLS proves who is on either side."""

import asyncio
from pathlib import Path

import grpc
import pytest
import trustme

from agent.spool.spool import Spool
from agent.spool.types import SpoolLimits
from agent.uplink.settings import Identity, TlsFiles, UplinkConfigError, UplinkSettings, check
from agent.uplink.uplink import Uplink
from tests.support.disk import Disk
from tests.support.fake_collector import FakeCollector

TLS = TlsFiles(Path("/ca"), Path("/certificate"), Path("/key"))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:7443", "127.8.8.8:1", "[::1]:7443", "localhost:7443", "unix:/run/x.sock"]
)
def test_plaintext_stays_on_this_machine(address):
    """A loopback address or a Unix socket needs no certificate."""
    check(UplinkSettings(address))


@pytest.mark.parametrize(
    "address", ["10.0.0.1:7443", "collector:7443", "0.0.0.0:1", "[2001:db8::1]:7443", "127.0.0.1.evil:1"]
)
def test_plaintext_to_elsewhere_is_refused(address):
    """Everything else does, and the error says what was found and what is required."""
    with pytest.raises(UplinkConfigError, match="required a loopback address, or TLS with a client certificate"):
        check(UplinkSettings(address))
    check(UplinkSettings(address, TLS))


@pytest.mark.parametrize("address", ["", ":7443", "host", "host:", "host:0", "host:65536", "host:-1", "host:http"])
def test_addresses_that_are_none(address):
    """An address without host or port is refused at once, not retried for ever."""
    with pytest.raises(UplinkConfigError, match="collector address"):
        check(UplinkSettings(address, TLS))


def test_the_uplink_refuses_to_be_made():
    """The check is not left to its caller."""
    with pytest.raises(UplinkConfigError):
        Uplink(UplinkSettings("10.0.0.1:7443"), Identity("n", "b", "v", "k"), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("known", "connected"), [("both", True), ("server only", False), ("client only", False)])
def test_both_sides_prove_who_they_are(tmp_path, known, connected):
    """
    A node connects only to a collector of its authority, and only with a certificate the collector's authority made.
    """
    ours, theirs = trustme.CA(), trustme.CA()
    collector_identity = ours.issue_cert("127.0.0.1")
    node_identity = (theirs if known == "server only" else ours).issue_cert("web-1")
    files = TlsFiles(tmp_path / "ca.pem", tmp_path / "node.pem", tmp_path / "node.key")
    (theirs if known == "client only" else ours).cert_pem.write_to_path(files.ca)
    node_identity.cert_chain_pems[0].write_to_path(files.certificate)
    node_identity.private_key_pem.write_to_path(files.key)
    pair = (collector_identity.private_key_pem.bytes(), collector_identity.cert_chain_pems[0].bytes())

    async def run() -> None:
        credentials = grpc.ssl_server_credentials([pair], ours.cert_pem.bytes(), require_client_auth=True)
        collector = await FakeCollector().start(credentials=credentials)
        uplink = Uplink(
            UplinkSettings(f"127.0.0.1:{collector.port}", files),
            Identity("web-1", "boot", "v", "k"),
            Spool(Disk(), SpoolLimits()),
            None,  # type: ignore[arg-type]
        )
        task = asyncio.create_task(uplink.run())
        async with asyncio.timeout(15):
            while uplink.state().detail == "not connected yet":
                await asyncio.sleep(0.01)
        assert connected == uplink.state().connected, uplink.state().detail
        assert connected == bool(collector.hellos)
        task.cancel()
        await collector.stop()

    asyncio.run(run())


def test_certificates_that_cannot_be_read(tmp_path):
    """Missing files are a state with a reason, not a crash: they may come later."""

    async def run() -> None:
        uplink = Uplink(
            UplinkSettings("10.0.0.1:1", TLS), Identity("n", "b", "v", "k"), Spool(Disk(), SpoolLimits()), None
        )  # type: ignore[arg-type]
        task = asyncio.create_task(uplink.run())
        async with asyncio.timeout(5):
            while "readable PEM files" not in uplink.state().detail:
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(run())
