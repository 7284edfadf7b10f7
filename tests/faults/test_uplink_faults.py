"""The uplink and the real collector, when either of them or what is between them fails at random moments."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.uplink.settings import UplinkSettings
from agent.uplink.uplink import Uplink
from tests.support.collector_inside import running
from tests.unit.uplink.test_uplink import WHO, Node, acknowledged, settled


class Wire:
    """A TCP proxy that can be cut, or fall silent without a word."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.silent = False
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> "Wire":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self._writers += [writer, there_writer]
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.silent:
                    sink.write(data)
        except OSError:
            pass
        finally:
            sink.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def close(self) -> None:
        self.cut()
        self._server.close()


def with_uplink(node: Node, port: int) -> "asyncio.Task[None]":
    node.uplink = Uplink(UplinkSettings(f"127.0.0.1:{port}"), WHO, node.spool, node.handle)
    return asyncio.create_task(node.uplink.run())


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


async def stored(client: object) -> Counter[str]:
    """Ids of all violations that the collector shows, and how often."""
    found: Counter[str] = Counter()
    address = "/api/v1/violations?limit=1000"
    page = (await client.get(address)).raise_for_status().json()  # type: ignore[attr-defined]
    found.update(item["id"] for item in page["violations"])
    return found


def test_a_wire_that_is_cut_at_random(tmp_path: Path) -> None:
    """Over thirty cuts every violation is stored once, and the sums of uplink and spool balance."""

    async def story() -> None:
        chance = random.Random(3)
        async with running(tmp_path) as collector:
            wire = await Wire(collector.collector.grpc_port).start()
            node = Node()
            task = with_uplink(node, wire.port)
            for _ in range(30):
                node.violate(chance.randint(1, 5))
                await asyncio.sleep(chance.uniform(0, 0.06))
                wire.cut()
            node.violate()
            await settled(acknowledged(node))
            ids = await stored(collector.client)

            assert node.position // 520 == len(ids)
            assert {1} == set(ids.values())
            assert node.uplink.hop().balances
            account = node.spool.account()
            assert (account.came, {}) == (account.out, account.dropped)
            await ended(task)
            wire.close()

    run(story)


def test_a_collector_that_is_started_again(tmp_path: Path) -> None:
    """Violations from before, from while it was away, and from after are stored once each."""

    async def story() -> None:
        node = Node()
        wire = await Wire(1).start()
        task = with_uplink(node, wire.port)
        for _ in range(4):
            node.violate(3)
            async with running(tmp_path) as collector:
                wire.target = collector.collector.grpc_port
                node.violate(2)
                await settled(acknowledged(node))
                ids = await stored(collector.client)
                node.violate(1)
            wire.cut()
        assert len(ids) == 4 * 5 + 3
        assert {1} == set(ids.values())
        await ended(task)
        wire.close()

    run(story)


def test_a_peer_that_falls_silent_is_noticed(tmp_path: Path) -> None:
    """A wire that carries nothing any more, with nothing to send, is given up within seconds."""

    async def story() -> None:
        async with running(tmp_path) as collector:
            wire = await Wire(collector.collector.grpc_port).start()
            node = Node()
            task = with_uplink(node, wire.port)
            node.violate()
            await settled(acknowledged(node))
            wire.silent = True
            began = asyncio.get_running_loop().time()
            await settled(lambda: not node.uplink.state().connected)
            assert asyncio.get_running_loop().time() - began < 10
            wire.silent = False
            node.violate()
            await settled(acknowledged(node))
            await ended(task)
            wire.close()

    run(story)
