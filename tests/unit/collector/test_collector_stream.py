"""The stream that nodes speak: what is acknowledged, what is refused, and orders going down."""

import asyncio
import socket
import subprocess
from pathlib import Path

import grpc
import pytest
from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2, stream_pb2_grpc

from collector.ingest.server import ListenError, MutualTls, is_loopback, serve
from collector.ingest.service import StreamService
from tests.support.collector_batches import NODE, batch, hello
from tests.support.collector_inside import Call, Running, running


async def status(call: Call) -> tuple[grpc.StatusCode, str]:
    """Read until the stream ends; how it ended."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError:
        pass
    return await call.code(), await call.details()


async def account(run: Running, node: str = NODE) -> dict[str, int]:
    answer = await run.client.get(f"/api/v1/nodes/{node}")
    return dict(answer.raise_for_status().json()["account"])


def test_resume_behind_the_last_stored_batch(tmp_path: Path):
    """A node that comes back is told the last batch of its spool; one sent again is acknowledged and not doubled."""

    async def work() -> None:
        async with running(tmp_path) as run:
            call = await run.connect()
            await run.store(call, batch(1, range(10)))
            call.cancel()
        async with running(tmp_path) as run:
            call = run.call()
            await call.write(hello())
            assert (await call.read()).welcome.last_stored == 1
            await run.store(call, batch(1, range(10)))
            counts = await account(run)
            assert (counts["stored"], counts["duplicate"], counts["received"]) == (10, 10, 20)

    asyncio.run(work())


def test_acknowledgements_cover_everything_in_order(tmp_path: Path):
    """Many batches at once: acknowledgements go up, the last one covers all, and the account balances."""

    async def work() -> None:
        async with running(tmp_path) as run:
            call = await run.connect()
            for number in range(1, 201):
                await call.write(stream_pb2.ConnectRequest(batch=batch(number, range(number * 10, number * 10 + 5))))
            numbers = []
            while not numbers or numbers[-1] < 200:
                numbers.append((await call.read()).acknowledge.number)
            assert numbers == sorted(set(numbers))
            counts = await account(run)
            assert (counts["stored"], counts["pending"], counts["last_batch"]) == (1000, 0, 200)
            node = (await run.client.get(f"/api/v1/nodes/{NODE}")).json()
            assert node["hops"][-1] == {
                "hop": "store", "in": 1000, "out": 1000, "pending": 0, "dropped": {}, "balances": True,
            }  # fmt: skip

    asyncio.run(work())


def test_streams_that_begin_wrongly_are_refused(tmp_path: Path):
    """The first message is a hello with names that can stand in an id."""

    async def work() -> None:
        async with running(tmp_path) as run:
            for first, problem in (
                (stream_pb2.ConnectRequest(), "begins with a hello"),
                (stream_pb2.ConnectRequest(batch=batch(1, [1])), "begins with a hello"),
                (hello(node="a:b"), "node's name"),
                (hello(boot_id="nonsense!"), "boot id"),
            ):
                call = run.call()
                await call.write(first)
                code, details = await status(call)
                assert code is grpc.StatusCode.INVALID_ARGUMENT
                assert problem in details
            assert (await run.client.get("/api/v1/nodes")).json() == {"nodes": []}

    asyncio.run(work())


def test_broken_batch_ends_its_stream_alone(tmp_path: Path):
    """What came before it is stored, nothing of it is, it is counted and named; other streams go on."""

    async def work() -> None:
        async with running(tmp_path) as run:
            other = await run.connect("db-1")
            call = await run.connect()
            await run.store(call, batch(1, range(10)))
            broken = batch(2, range(10, 15))
            broken.columns.tid.pop()
            await call.write(stream_pb2.ConnectRequest(batch=broken))
            code, details = await status(call)
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert details == "batch 2: column `tid` has 4 entries, another 5"
            assert ("ringfence-rejected-batch", "2") in list(await call.trailing_metadata())
            counts = await account(run)
            assert (counts["stored"], counts["rejected"], counts["rejected_batches"]) == (10, 5, 1)
            await run.store(other, batch(1, [1], node="db-1"))

    asyncio.run(work())


def test_garbage_on_the_port(tmp_path: Path):
    """Bytes that are no gRPC, and messages that are no protobuf, cost the sender its connection and nobody else's."""

    async def work() -> None:
        async with running(tmp_path) as run:
            for garbage in (
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x00" * 4096,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 999,
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", run.collector.grpc_port)
                writer.write(garbage)
                writer.write_eof()
                await reader.read()
                writer.close()
            raw = run.channel.stream_stream("/ringfence.v1.StreamService/Connect")
            call = raw()
            await call.write(b"\xff\xff\xff\xff")
            code, _ = await status(call)
            assert code is not grpc.StatusCode.OK
            await run.store(await run.connect(), batch(1, [1]))

    asyncio.run(work())


def test_message_that_is_too_large(tmp_path: Path):
    """A message beyond the limit ends its stream; nothing of it is kept."""

    async def work() -> None:
        async with running(tmp_path) as run:
            call = await run.connect()
            huge = batch(1, range(3), objects=[b"x" * 12_000_000] * 3)
            await call.write(stream_pb2.ConnectRequest(batch=huge))
            code, _ = await status(call)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (await account(run))["stored"] == 0

    asyncio.run(work())


def test_newer_stream_takes_over(tmp_path: Path):
    """A node has one stream: a second one ends the first."""

    async def work() -> None:
        async with running(tmp_path) as run:
            first = await run.connect()
            second = await run.connect()
            code, details = await status(first)
            assert (code, details) == (grpc.StatusCode.ABORTED, "a newer stream of this node took over")
            assert (await run.client.get(f"/api/v1/nodes/{NODE}")).json()["connected"]
            await run.store(second, batch(1, [1]))

    asyncio.run(work())


def test_shutdown_stores_and_acknowledges_first(tmp_path: Path):
    """At SIGTERM what was read is stored and acknowledged before the stream ends."""

    async def work() -> None:
        async with running(tmp_path) as run:
            call = await run.connect()
            await call.write(stream_pb2.ConnectRequest(batch=batch(1, range(1000))))
            assert (await call.read()).acknowledge.number == 1
            stopping = asyncio.create_task(run.collector.stop())
            code, details = await status(call)
            assert (code, details) == (grpc.StatusCode.UNAVAILABLE, "the collector is shutting down")
            await stopping

    asyncio.run(work())


DOCUMENTS = [{"file": "web.yaml", "yaml": "kind: Policy"}]


class TestOrders:
    def test_push_reaches_the_node_and_its_outcome_comes_back(self, tmp_path: Path):
        """The page's push goes down the stream as it is; what the node says comes back, with its time."""

        async def work() -> None:
            async with running(tmp_path) as run:
                call = await run.connect()
                push = asyncio.create_task(
                    run.client.post(
                        "/api/v1/policies/push",
                        json={"documents": DOCUMENTS, "confirm_seconds": 60, "force": True},
                    )
                )
                order = (await call.read()).push
                assert order.request.documents[0].yaml == "kind: Policy"
                assert (order.request.confirm_seconds, order.request.force, order.request.dry_run) == (60, True, False)
                answer = agent_pb2.PushResponse(
                    generation=7, enforced_after_ns=5, rules_enforced=3, policies=[policy_pb2.PolicySummary(name="w\n")]
                )
                outcome = stream_pb2.PushOutcome(id=order.id, push=answer)
                await call.write(stream_pb2.ConnectRequest(outcome=outcome))
                body = (await push).raise_for_status().json()
                assert body["ok"]
                (one,) = body["outcomes"]
                assert (one["node"], one["result"], one["generation"]) == (NODE, "done", 7)
                assert one["policies"] == [r"w\x0a"]

        asyncio.run(work())

    def test_refusal_is_told_with_its_diagnostics(self, tmp_path: Path):
        """A node that refuses says why and where; the call itself succeeds, `ok` is false."""

        async def work() -> None:
            async with running(tmp_path) as run:
                call = await run.connect()
                push = asyncio.create_task(run.client.post("/api/v1/policies/push", json={"documents": DOCUMENTS}))
                order = (await call.read()).push
                problem = policy_pb2.Diagnostic(
                    severity=policy_pb2.Diagnostic.SEVERITY_ERROR, code="lsm", message="no\x1b", line=3, found="x"
                )
                outcome = stream_pb2.PushOutcome(id=order.id, push=agent_pb2.PushResponse(diagnostics=[problem]))
                await call.write(stream_pb2.ConnectRequest(outcome=outcome))
                body = (await push).raise_for_status().json()
                assert not body["ok"]
                (one,) = body["outcomes"]
                assert one["result"] == "refused"
                assert one["diagnostics"][0]["message"] == r"no\x1b"
                assert (one["diagnostics"][0]["line"], one["diagnostics"][0]["found"]) == (3, "x")

        asyncio.run(work())

    def test_delete_goes_to_the_nodes_that_are_named(self, tmp_path: Path):
        """A delete for one node does not reach another."""

        async def work() -> None:
            async with running(tmp_path) as run:
                call, other = await run.connect(), await run.connect("db-1")
                delete = asyncio.create_task(run.client.delete("/api/v1/policies/web", params={"node": NODE}))
                order = (await call.read()).delete
                assert list(order.request.names) == ["web"]
                outcome = stream_pb2.PushOutcome(id=order.id, delete=agent_pb2.DeleteResponse(generation=8))
                await call.write(stream_pb2.ConnectRequest(outcome=outcome))
                body = (await delete).json()
                assert [(one["node"], one["generation"]) for one in body["outcomes"]] == [(NODE, 8)]
                await run.store(other, batch(1, [1], node="db-1"))  # an acknowledgement, not an order, comes next

        asyncio.run(work())

    def test_nodes_that_do_not_answer(self, tmp_path: Path):
        """Silence is a timeout, a lost stream is offline, an unknown node a 404, no node at all a 409."""

        async def work() -> None:
            async with running(tmp_path, order_timeout=0.3) as run:

                async def push(nodes: list[str] | None) -> tuple[int, object]:
                    answer = await run.client.post(
                        "/api/v1/policies/push", json={"documents": DOCUMENTS, "nodes": nodes}
                    )
                    body = answer.json()
                    return answer.status_code, [one["result"] for one in body.get("outcomes", [])] or body["detail"]

                assert await push(None) == (409, "no node is connected")
                assert await push(["a\x1b"]) == (404, r"no node `a\x1b`")
                call = await run.connect()
                assert await push(None) == (200, ["timeout"])
                pushing = asyncio.create_task(push([NODE]))
                assert (await call.read()).push.id
                assert (await call.read()).push.id
                call.cancel()
                assert await pushing == (200, ["offline"])

        asyncio.run(work())

    def test_late_and_invented_outcomes_are_harmless(self, tmp_path: Path):
        """An outcome that nobody waits for is dropped; the stream goes on."""

        async def work() -> None:
            async with running(tmp_path) as run:
                call = await run.connect()
                await call.write(stream_pb2.ConnectRequest(outcome=stream_pb2.PushOutcome(id="invented")))
                await run.store(call, batch(1, [1]))

        asyncio.run(work())


class TestListening:
    def test_plaintext_beyond_loopback_is_refused(self):
        """Without TLS only loopback addresses are served."""

        async def work() -> None:
            with pytest.raises(ListenError, match=r"plaintext on `0\.0\.0\.0` is refused"):
                await serve(StreamService.__new__(StreamService), "0.0.0.0", 0, None)

        asyncio.run(work())
        assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
        assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example")] == [False] * 4

    def test_taken_port(self, tmp_path: Path):
        """A port that somebody else has is an error that says so."""

        async def work() -> None:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                address = f"127.0.0.1:{taken.getsockname()[1]}"
                with pytest.raises(ListenError, match="cannot listen"):
                    async with running(tmp_path, grpc_listen=address):
                        pass

        asyncio.run(work())

    def test_mutual_tls_binds_names_to_certificates(self, tmp_path: Path):
        """With TLS a client without a certificate gets nowhere, and a node may only use its own name."""
        authority, server, node = _certificates(tmp_path)
        tls = MutualTls(server.with_suffix(".crt"), server.with_suffix(".key"), authority)

        async def work() -> None:
            settings = {"grpc_tls_cert": tls.certificate, "grpc_tls_key": tls.key, "grpc_tls_ca": tls.authority}
            async with running(tmp_path, **settings) as run:
                target = f"localhost:{run.collector.grpc_port}"
                ca, key, crt = (p.read_bytes() for p in (authority, node.with_suffix(".key"), node.with_suffix(".crt")))

                async def begin(credentials: grpc.ChannelCredentials, name: str) -> grpc.StatusCode:
                    async with grpc.aio.secure_channel(target, credentials) as channel:
                        call = stream_pb2_grpc.StreamServiceStub(channel).Connect()
                        try:
                            await call.write(hello(name))
                            if (await call.read()).WhichOneof("message") == "welcome":
                                return grpc.StatusCode.OK
                        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                            pass
                        return await call.code()

                ours = grpc.ssl_channel_credentials(ca, key, crt)
                assert await begin(ours, "web-1") is grpc.StatusCode.OK
                assert await begin(ours, "db-1") is grpc.StatusCode.PERMISSION_DENIED
                assert await begin(grpc.ssl_channel_credentials(ca), "web-1") is grpc.StatusCode.UNAVAILABLE

        asyncio.run(work())


def _certificates(directory: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate; stems of a server's and of node web-1's certificate and key."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory, timeout=60)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test", "-days", "1")
    for name, host in (("server", "localhost"), ("node", "web-1")):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        (directory / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)
    return directory / "ca.crt", directory / "server", directory / "node"
