"""The REST API and its event stream: who may ask, what comes back, and what a client that was away has missed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2

from collector.api.hub import BATCH, QUEUE, Hub
from collector.ingest.decode import decode
from collector.store.events import StoredBlock
from collector.store.protocol import Appended
from tests.support.collector_batches import BOOT, NODE, batch
from tests.support.collector_inside import Running, events, running

Work = Callable[[Running], Awaitable[None]]


def with_collector(directory: Path, work: Work, **settings: Any) -> None:
    """Run `work` against a collector of its own."""

    async def run() -> None:
        async with running(directory, **settings) as started:
            await work(started)

    asyncio.run(run())


def event_id(sequence: int, node: str = NODE) -> str:
    return f"{node}:{BOOT[:8]}:v{sequence}"


class TestGuard:
    def test_everything_but_health_needs_the_token(self, tmp_path: Path):
        """Reads and writes alike; a wrong token, none, or one in the wrong place is a 401 without a hint."""

        async def work(run: Running) -> None:
            schema = (await run.client.get("/api/v1/openapi.json")).json()
            paths = {path.replace("{name}", "x").replace("{event_id}", "x") for path in schema["paths"]}
            assert len(paths) >= 9
            for path in paths - {"/api/v1/health"}:
                for headers in (
                    {"Authorization": ""},
                    {"Authorization": "Bearer wrong"},
                    {"Authorization": "Basic eA=="},
                ):
                    for method in ("GET", "POST", "DELETE"):
                        answer = await run.client.request(method, path, headers=headers)
                        assert answer.status_code in (401, 405), (method, path)
            assert (await run.client.get("/api/v1/health", headers={"Authorization": ""})).json()["status"] == "ok"

        with_collector(tmp_path, work)

    def test_other_host_names_are_refused(self, tmp_path: Path):
        """A name that somebody else made lead here is refused, whatever is asked, token or not."""

        async def work(run: Running) -> None:
            for host in ("evil.example", "127.0.0.1.evil.example:80", "", "localhost.evil", "[::2]"):
                for path in ("/", "/api/v1/health", "/api/v1/nodes"):
                    assert (await run.client.get(path, headers={"Host": host})).status_code == 403, host

        with_collector(tmp_path, work)

    def test_configured_host_names_are_served(self, tmp_path: Path):
        """What web_hosts names is served, in any case and with any port."""

        async def work(run: Running) -> None:
            answer = await run.client.get("/api/v1/health", headers={"Host": "Ringfence.Example:8443"})
            assert answer.status_code == 200

        with_collector(tmp_path, work, web_hosts=["ringfence.example"])

    def test_other_origins_are_refused(self, tmp_path: Path):
        """A page of another origin may not even ask; ours may."""

        async def work(run: Running) -> None:
            port = run.collector.web_port
            for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1"):
                answer = await run.client.post("/api/v1/policies/push", headers={"Origin": origin}, json={})
                assert answer.status_code == 403, origin
            ours = {"Origin": f"http://127.0.0.1:{port}"}
            assert (await run.client.get("/api/v1/nodes", headers=ours)).status_code == 200

        with_collector(tmp_path, work)

    def test_every_answer_carries_the_headers(self, tmp_path: Path):
        """Errors and the page too: no foreign scripts, no framing, no guessing of types, nothing cached of the API."""

        async def work(run: Running) -> None:
            for path in ("/", "/api/v1/nodes", "/api/v1/nodes/none", "/nothing", "/api/v1/openapi.json"):
                answer = await run.client.get(path)
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["x-content-type-options"] == "nosniff"
                if path.startswith("/api"):
                    assert answer.headers["cache-control"] == "no-store"
            assert (await run.client.get("/", headers={"Host": "x"})).headers["x-content-type-options"] == "nosniff"

        with_collector(tmp_path, work)

    def test_huge_and_broken_bodies(self, tmp_path: Path):
        """A body beyond the limit, one that is no JSON, one that nests without end: an error of one shape."""

        async def work(run: Running) -> None:
            async def post(content: Any, path: str = "/api/v1/policies/validate") -> tuple[int, Any]:
                answer = await run.client.post(path, content=content, headers={"Content-Type": "application/json"})
                return answer.status_code, answer.json()

            async def endless() -> Any:
                for _ in range(40):
                    yield b"x" * 1_000_000

            assert (await post(b"x" * (33 * 1024 * 1024)))[0] == 413
            assert (await post(endless()))[0] in (400, 413)
            for content in (
                b"{",
                b"[" * 100_000,
                b'{"documents": []}',
                b'{"documents": [{"yaml": 1}]}',
                b'{"x": 1}',
                b"\xff",
            ):
                status, body = await post(content)
                assert status in (400, 422), content[:20]
                assert isinstance(body["detail"], str)

        with_collector(tmp_path, work)


class TestViolations:
    def test_pages_filters_and_hostile_names(self, tmp_path: Path):
        """What was stored comes back newest first, page by page, printable, and findable by what is shown."""

        async def work(run: Running) -> None:
            call = await run.connect()
            await run.store(call, batch(1, range(5)))
            await run.store(call, batch(2, [5, 6], objects=[b"/tmp/\x1b[31m\n\xff", b"<script>"], policy="db"))

            async def get(**params: Any) -> Any:
                return (await run.client.get("/api/v1/violations", params=params)).raise_for_status().json()

            first = await get(limit=3)
            assert [one["id"] for one in first["violations"]] == [event_id(n) for n in (6, 5, 4)]
            assert first["violations"][1]["object"] == r"/tmp/\x1b[31m\x0a\xff"
            second = await get(limit=4, cursor=first["next"])
            assert [one["id"] for one in second["violations"]] == [event_id(n) for n in (3, 2, 1, 0)]
            assert second["next"] is None
            assert [one["id"] for one in (await get(text=r"\x1b[31m\x0a"))["violations"]] == [event_id(5)]
            assert len((await get(policy=["web", "db"]))["violations"]) == 7
            assert len((await get(policy="db", effect="deny"))["violations"]) == 2
            assert len((await get(**{"class": "exec"}))["violations"]) == 0
            assert len((await get(since="2026-11-23T21:20:13Z"))["violations"]) == 0
            assert (
                len((await get(since="2026-11-23T21:20:12Z", until="2026-11-23T22:20:12.5+01:00"))["violations"]) == 7
            )
            one = (await run.client.get(f"/api/v1/violations/{event_id(6)}")).json()
            assert (one["object"], one["class"], one["unix_ns"]) == ("<script>", "file", "1795468812000000001")

        with_collector(tmp_path, work)

    def test_malformed_questions(self, tmp_path: Path):
        """A question that makes no sense is refused in one sentence."""

        async def work(run: Running) -> None:
            for name, value, status in (
                ("cursor", "x", 400),
                ("cursor", "MTp4", 400),
                ("cursor", "é", 400),
                ("limit", "0", 422),
                ("limit", "1001", 422),
                ("effect", "maim", 422),
                ("since", "yesterday", 422),
                ("ring", "x", 422),
            ):
                answer = await run.client.get("/api/v1/violations", params={name: value})
                assert answer.status_code == status, name
                assert isinstance(answer.json()["detail"], str)

        with_collector(tmp_path, work)

    def test_nobody_of_that_name(self, tmp_path: Path):
        """Ids, nodes and paths that do not exist are 404, in the API and beside it."""

        async def work(run: Running) -> None:
            for path in (
                "violations/x",
                "violations/" + "9" * 5000,
                "nodes/x",
                "policies?node=x",
                "x",
                "../../etc/passwd",
            ):
                answer = await run.client.get(f"/api/v1/{path}")
                assert answer.status_code == 404, path
            for path in ("/..%2f..%2fapp.py", "/assets/../../app.py", "/%2e%2e/%2e%2e/pyproject.toml"):
                assert (await run.client.get(path)).status_code == 404

        with_collector(tmp_path, work)


def report() -> stream_pb2.NodeReport:
    """A node's report with a hostile word in every place that takes one."""
    status = agent_pb2.StatusResponse(generation=9, gate="closed", started_unix_ns=1, undecided={"a\n": 2})
    level = status.levels.add(level="enforced", why="\x1b[0m", operations=["read", "\x1b"])
    setattr(level, "class", "file")
    hop = status.hops.add(hop="ring", out=5, pending=2, dropped={"full\n": 3}, balances=True)
    setattr(hop, "in", 10)
    policy = policy_pb2.PolicySummary(name="web\x1b", mode="enforcing", digest="d", yaml="a: \x1b\n", pushed_unix_ns=-5)
    policy.rules.add(id="r", hits=2**63, action="deny")
    return stream_pb2.NodeReport(status=status, policies=[policy])


def test_node_and_its_policies(tmp_path: Path):
    """A report shows in nodes and policies, printable; a policy's text is given as it was pushed. It outlives us."""

    async def look(run: Running, connected: bool) -> None:
        (node,) = (await run.client.get("/api/v1/nodes")).json()["nodes"]
        assert (node["connected"], node["generation"], node["undecided"]) == (connected, 9, {r"a\x0a": 2})
        (level,) = node["levels"]
        assert level == {
            "class": "file",
            "operations": ["read", r"\x1b"],
            "level": "enforced",
            "why": r"\x1b[0m",
            "hint": "",
        }
        assert node["hops"][0]["dropped"] == {r"full\x0a": 3}
        assert node["balances"]
        (policy,) = (await run.client.get("/api/v1/policies", params={"node": NODE})).json()["policies"]
        assert (policy["name"], policy["yaml"], policy["pushed"]) == (r"web\x1b", "a: \x1b\n", None)
        assert policy["rules"][0]["hits"] == 2**63

    async def work(run: Running) -> None:
        call = await run.connect()
        await call.write(stream_pb2.ConnectRequest(report=report()))
        await run.store(call, batch(1, [1]))
        await look(run, connected=True)

    with_collector(tmp_path, work)
    with_collector(tmp_path, lambda run: look(run, connected=False))


class TestEvents:
    def test_violations_and_nodes_arrive(self, tmp_path: Path):
        """A client hears of what is stored and of what changes, in order, from the moment it joined."""

        async def work(run: Running) -> None:
            call = await run.connect()
            await run.store(call, batch(1, [1]))
            async with run.client.stream("GET", "/api/v1/events") as response:
                stream = events(response)
                hello = await anext(stream)
                assert (hello.name, hello.id) == ("hello", "1")
                await run.store(call, batch(2, [2, 3]))
                await call.write(stream_pb2.ConnectRequest(report=report()))
                seen = [await anext(stream) for _ in range(3)]
                named = {event.name: event for event in seen}
                assert [one["id"] for one in named["violations"].data] == [event_id(2), event_id(3)]
                assert named["violations"].id == "3"
                assert named["node"].data["generation"] == 9
                assert named["policies"].data == {"node": NODE}

        with_collector(tmp_path, work)

    def test_resume_gives_exactly_what_was_missed(self, tmp_path: Path):
        """With Last-Event-ID a client gets every violation behind it once: from the store, then live."""

        async def work(run: Running) -> None:
            call = await run.connect()
            for number in range(1, 6):
                await run.store(call, batch(number, range(number * 100, number * 100 + 100)))
            async with run.client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": "250"}) as response:
                await run.store(call, batch(6, range(600, 650)))
                seen: list[str] = []
                async for event in events(response):
                    if event.name == "violations":
                        assert len(event.data) <= BATCH
                        seen += [one["id"] for one in event.data]
                    assert event.name != "lost"
                    if len(seen) >= 300:
                        break
                assert seen == [event_id(n) for n in (*range(350, 600), *range(600, 650))]

        with_collector(tmp_path, work)

    def test_resume_from_too_far_back_says_what_is_left_out(self, tmp_path: Path):
        """The newest are replayed; how many were left out is told, so that nothing is missing silently."""

        async def work(run: Running) -> None:
            call = await run.connect()
            await run.store(call, batch(1, range(1500)))
            async with run.client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": "100"}) as response:
                stream = events(response)
                assert (await anext(stream)).name == "hello"
                lost = await anext(stream)
                assert (lost.name, lost.data) == ("lost", {"count": 400})
                assert (await anext(stream)).data[0]["id"] == event_id(500)

        with_collector(tmp_path, work)

    def test_senseless_last_event_ids(self, tmp_path: Path):
        """An id that is none of ours begins from now."""

        async def work(run: Running) -> None:
            call, number = await run.connect(), 0
            for last in ("x", "-1", "9" * 30, "²", "7"):
                headers = {"Last-Event-ID": last.encode()}
                async with run.client.stream("GET", "/api/v1/events", headers=headers) as response:
                    stream = events(response)
                    assert (await anext(stream)).name == "hello", last
                    await run.store(call, batch(number := number + 1, [number]))
                    assert (await anext(stream)).data[0]["id"] == event_id(number), last

        with_collector(tmp_path, work)

    def test_stream_ends_when_the_collector_does(self, tmp_path: Path):
        """A client that listens does not hold up the end."""

        async def work(run: Running) -> None:
            async with run.client.stream("GET", "/api/v1/events") as response:
                stream = events(response)
                await anext(stream)
                async with asyncio.timeout(4):
                    await run.collector.stop()
                with pytest.raises((StopAsyncIteration, httpx.RemoteProtocolError)):
                    await anext(stream)

        with_collector(tmp_path, work)


class TestHub:
    @staticmethod
    def stored(first: int, count: int, **made: Any) -> Appended:
        wire = batch(1, range(first, first + count), **made)
        return Appended(StoredBlock(decode(wire, wire.node), np.arange(count), first), 0, ())

    def test_slow_client_loses_the_oldest_and_is_told(self):
        """What does not fit into a client's queue is counted; what is sent is the newest."""

        async def work() -> None:
            hub = Hub()
            client = hub.join(None, None)
            for start in range(1, 5001, 500):
                hub.stored(self.stored(start, 500))
            got: list[str] = []
            lost = 0
            while len(got) < QUEUE:
                parcel = await client.next()
                assert parcel is not None
                lost += parcel.lost
                assert len(parcel.violations) <= BATCH
                got += [json.loads(text)["id"] for text in parcel.violations]
            assert lost == 5000 - QUEUE
            assert got == [event_id(n) for n in range(5001 - QUEUE, 5001)]

        asyncio.run(work())

    def test_filters_and_rings(self):
        """A client hears only of the node and policy it asked for, and of violations only."""

        async def work() -> None:
            hub = Hub()
            of_node, of_policy = hub.join("db-1", None), hub.join(None, "db")
            hub.stored(self.stored(1, 2))
            hub.stored(self.stored(3, 2, node="db-1"))
            hub.stored(self.stored(5, 2, policy="db"))
            hub.stored(self.stored(7, 2, policy="db", node="db-1", ring=1))
            first, second = await of_node.next(), await of_policy.next()
            assert first is not None
            assert second is not None
            assert (len(first.violations), first.number) == (2, 4)
            assert (len(second.violations), second.number) == (2, 6)

        asyncio.run(work())


class TestValidate:
    def test_problems_have_positions(self, tmp_path: Path):
        """A policy is checked without a node; what is wrong is said with line and column."""

        async def work(run: Running) -> None:
            text = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: web}\nspce: {}\n"
            answer = await run.client.post(
                "/api/v1/policies/validate", json={"documents": [{"file": "w", "yaml": text}]}
            )
            body = answer.raise_for_status().json()
            assert not body["valid"]
            assert any(one["line"] == 4 and "spce" in one["message"] for one in body["diagnostics"])
            assert all(one["file"] == "w" for one in body["diagnostics"])

        with_collector(tmp_path, work)

    def test_checker_that_takes_too_long_is_ended(self, tmp_path: Path):
        """Time for checking is bounded; the next question gets a new checker."""

        async def work(run: Running) -> None:
            run.collector._checker._timeout = 0.0
            document = {"documents": [{"yaml": "a: 1"}]}
            answer = await run.client.post("/api/v1/policies/validate", json=document)
            assert answer.status_code == 503
            assert "longer than" in answer.json()["detail"]
            run.collector._checker._timeout = 20.0
            assert (await run.client.post("/api/v1/policies/validate", json=document)).status_code == 200

        with_collector(tmp_path, work)
