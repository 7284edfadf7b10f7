"""
The uplink against a collector in this process: resuming, acknowledging, reconnecting, orders, and peers that
misbehave.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from ringfence.v1.policy_pb2 import PolicyDocument
from ringfence.v1.stream_pb2 import (
    Acknowledge,
    ConnectResponse,
    DeleteOrder,
    NodeReport,
    PushOrder,
    PushOutcome,
    Welcome,
)

from agent.abi.events import EVENT
from agent.events.batch import pack
from agent.events.decode import decode
from agent.events.records import Records
from agent.spool.spool import Spool
from agent.spool.types import SpoolLimits
from agent.uplink import link, session
from agent.uplink import uplink as uplink_module
from agent.uplink.settings import Identity, UplinkSettings
from agent.uplink.uplink import Uplink
from tests.support.disk import Disk
from tests.support.fake_collector import FakeCollector
from tests.support.fake_ring import event
from tests.support.node import BOOT, context

WHO = Identity("web-1", BOOT, "0.1", "6.12")


@dataclass(frozen=True)
class Drained:
    payload: bytes
    events: int
    end: int
    rejected: dict[str, int] = field(default_factory=dict)
    boot_id: str = BOOT
    ring: int = 0
    identity: int = 1
    base: int = 0


class Node:
    """A spool that is filled by hand, and its uplink."""

    def __init__(self) -> None:
        self.spool = Spool(Disk(), SpoolLimits(8 << 20, 64 << 10))
        self.position = 0
        self.orders: list[PushOrder | DeleteOrder] = []
        self.outcome = PushOutcome()
        self.uplink: Uplink | None = None

    def violate(self, events: int = 1) -> list[int]:
        """Spool one batch of so many violations."""
        raw = np.frombuffer(event() * events, EVENT)
        at = np.arange(self.position, self.position + events * 520, 520, dtype=np.uint64)
        self.position += events * 520
        batch = decode(Records(0, 0, raw, at), 0, 0, context()).batch
        numbers = self.spool.append([Drained(pack(batch), events, self.position)])
        if self.uplink:
            self.uplink.wake()
        return numbers

    async def handle(self, order: PushOrder | DeleteOrder) -> PushOutcome:
        self.orders.append(order)
        if order.id == "bad":
            raise ValueError("no \x1b[31m such thing")
        return self.outcome


def scenario(story: Callable[[Node, FakeCollector], Awaitable[None]], who: Identity = WHO, **facts: object) -> None:
    """Run a story of a node and a collector that is listening."""

    async def run() -> None:
        node, collector = Node(), FakeCollector()
        for name, value in facts.items():
            setattr(collector, name, value)
        await collector.start()
        node.uplink = Uplink(UplinkSettings(f"127.0.0.1:{collector.port}"), who, node.spool, node.handle)
        task = asyncio.create_task(node.uplink.run())
        try:
            await asyncio.wait_for(story(node, collector), 20)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await collector.stop()

    asyncio.run(run())


async def settled(condition: Callable[[], bool]) -> None:
    """Wait for something inside this process that has no event of its own."""
    while not condition():
        await asyncio.sleep(0.002)


def acknowledged(node: Node) -> Callable[[], bool]:
    return lambda: node.spool.account().pending == 0


def test_violations_arrive_and_are_forgotten():
    """What is spooled is sent at once, stored, acknowledged and forgotten; the sums say so."""

    async def story(node: Node, collector: FakeCollector) -> None:
        numbers = node.violate(3) + node.violate(2)
        await settled(acknowledged(node))
        numbers += node.violate()
        await settled(acknowledged(node))

        assert numbers == sorted(collector.batches)
        assert (len(collector.events), collector.doubled) == (6, 0)
        hop = node.uplink.hop()
        assert (hop.came, hop.out, hop.pending) == (6, 6, 0)
        assert hop.balances
        assert node.uplink.state().connected
        assert (WHO.node, WHO.boot_id, WHO.kernel) == (
            collector.hellos[0].node,
            collector.hellos[0].boot_id,
            collector.hellos[0].kernel,
        )

    scenario(story)


def test_columns_arrive_as_they_were():
    """Each column of the message is the batch's column of that name."""

    async def story(node: Node, collector: FakeCollector) -> None:
        (number,) = node.violate(2)
        await settled(acknowledged(node))
        batch = collector.batches[number]

        assert list(batch.columns.sequence) == [0, 520]
        assert list(batch.columns.ring) == [0, 0]
        assert [batch.names[index] for index in batch.columns.object] == [b"/etc/shadow"] * 2
        assert (batch.rules[0].policy, batch.rules[0].rule, getattr(batch.rules[0], "class")) == (
            "web",
            "secrets",
            "file",
        )
        assert list(batch.columns.verdict) == [-1, -1]
        assert {2} == {len(column) for _, column in batch.columns.ListFields()}

    scenario(story)


def test_it_resumes_behind_what_is_stored():
    """What the collector has is not sent again, and is forgotten."""

    node_numbers: list[int] = []

    async def run() -> None:
        node, collector = Node(), FakeCollector()
        node_numbers.extend(node.violate(1) + node.violate(2) + node.violate(5))
        collector.last_stored = node_numbers[1]
        await collector.start()
        node.uplink = Uplink(UplinkSettings(f"127.0.0.1:{collector.port}"), WHO, node.spool, node.handle)
        task = asyncio.create_task(node.uplink.run())
        await collector.until(lambda: collector.batches)
        await asyncio.wait_for(settled(acknowledged(node)), 10)
        task.cancel()
        await collector.stop()
        assert [node_numbers[2]] == list(collector.batches)
        assert node.spool.account().out == 8

    asyncio.run(run())


def test_a_collector_that_dies_and_comes_back():
    """
    What was in flight is sent again to the next one; nothing is lost, and the connection's state says why it ended.
    """

    async def story(node: Node, collector: FakeCollector) -> None:
        node.violate()
        await collector.until(lambda: len(collector.batches) == 1)
        await collector.stop()
        await settled(lambda: not node.uplink.state().connected)
        assert node.uplink.state().detail.isprintable()
        node.violate(2)
        assert node.spool.account().pending == 3

        again = await FakeCollector().start(collector.port)
        again.last_stored = 0
        await settled(acknowledged(node))
        assert len(again.events) == 3
        hop = node.uplink.hop()
        assert (hop.came, hop.out, hop.pending, hop.dropped) == (4, 3, 0, {"connection-lost": 1})
        assert hop.balances
        await again.stop()

    scenario(story, acknowledges=False)


def test_duplicate_acknowledgements_change_nothing():
    """An acknowledgement that comes five times counts once."""

    async def story(node: Node, collector: FakeCollector) -> None:
        for _ in range(10):
            node.violate()
        await settled(acknowledged(node))
        assert 10 == node.uplink.hop().out == node.spool.account().out
        assert node.uplink.state().connected

    scenario(story, acks=5)


def test_an_acknowledgement_of_what_was_never_sent():
    """A collector that acknowledges the future is not believed: nothing is forgotten, and the state says so."""

    async def story(node: Node, collector: FakeCollector) -> None:
        await settled(lambda: "never sent" in node.uplink.state().detail)
        node.violate()
        assert node.spool.account().pending == 1
        collector.extra.clear()
        await settled(acknowledged(node))

    scenario(story, extra=[ConnectResponse(acknowledge=Acknowledge(number=1 << 60))])


def test_a_collector_that_knows_an_earlier_spool():
    """If it has stored more than this spool ever gave out, everything is sent, under numbers it has not seen."""

    async def story(node: Node, collector: FakeCollector) -> None:
        node.violate()
        node.violate()
        await settled(acknowledged(node))
        assert sorted(collector.batches) == [(1 << 60) + 1, (1 << 60) + 2]
        assert node.spool.account().out == 2

    scenario(story, last_stored=1 << 60)


def test_garbage_from_the_collector():
    """Messages that are none, or none of ours, end at most the connection."""

    async def story(node: Node, collector: FakeCollector) -> None:
        node.violate()
        await settled(acknowledged(node))
        assert node.uplink.state().connected

    scenario(story, extra=[ConnectResponse(), ConnectResponse(welcome=Welcome(last_stored=1 << 63))])


def test_a_port_that_speaks_something_else():
    """Whatever listens there, the uplink says that it is not connected, and tries again."""

    async def run() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-\x1b[31m\r\n" * 10)
            await writer.drain()
            tries.append(1)
            writer.close()

        tries: list[int] = []
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        node = Node()
        uplink = Uplink(UplinkSettings(f"127.0.0.1:{port}"), WHO, node.spool, node.handle)
        task = asyncio.create_task(uplink.run())
        await asyncio.wait_for(settled(lambda: len(tries) > 1), 10)
        await asyncio.wait_for(settled(lambda: "not connected yet" not in uplink.state().detail), 10)
        assert not uplink.state().connected
        assert uplink.state().detail.isprintable()
        task.cancel()
        server.close()

    asyncio.run(run())


def test_a_message_that_is_none():
    """Bytes that do not parse end the connection with a reason, and the next one works."""

    class Broken:
        def __init__(self) -> None:
            self.sent: list[object] = []

        async def send(self, message: object) -> None:
            self.sent.append(message)

        async def receive(self) -> ConnectResponse:
            raise link.LinkError("the collector sent a message that is none")

        async def close(self) -> None:
            return None

    async def run() -> None:
        links: list[Broken] = []

        async def connector(_: UplinkSettings) -> Broken:
            links.append(Broken())
            return links[-1]

        node = Node()
        uplink = Uplink(UplinkSettings("127.0.0.1:1"), WHO, node.spool, node.handle, connector)
        task = asyncio.create_task(uplink.run())
        await asyncio.wait_for(settled(lambda: len(links) > 2), 10)
        assert "none" in uplink.state().detail
        task.cancel()

    asyncio.run(run())


def test_a_silent_collector_is_given_up(monkeypatch):
    """One that never says welcome, and one that stops acknowledging, are left, and tried again."""
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.05)
    monkeypatch.setattr(session, "ACKNOWLEDGE_TIMEOUT", 0.05)

    async def story(node: Node, collector: FakeCollector) -> None:
        await settled(lambda: node.uplink.state().connected)
        node.violate()
        await settled(lambda: "acknowledged nothing" in node.uplink.state().detail)
        assert node.spool.account().pending == 1
        collector.acknowledges = True
        collector.last_stored = 0
        await settled(acknowledged(node))

    scenario(story, acknowledges=False)


def test_reports_go_at_once_and_after_each_reconnection():
    """The newest report is sent; a new connection gets it again."""

    async def story(node: Node, collector: FakeCollector) -> None:
        report = NodeReport()
        report.status.node = "web-1"
        node.uplink.report(NodeReport())
        node.uplink.report(report)
        await collector.until(lambda: collector.reports)
        assert [report] == [found for found in collector.reports if found.status.node]
        await collector.stop()
        again = await FakeCollector().start(collector.port)
        await again.until(lambda: again.reports)
        assert [report] == again.reports
        await again.stop()

    scenario(story)


def test_a_report_that_is_too_large(monkeypatch):
    """It goes without the texts of its policies, rather than not at all and for ever."""
    monkeypatch.setattr(uplink_module, "MESSAGE_MAX", 4096)

    async def story(node: Node, collector: FakeCollector) -> None:
        report = NodeReport()
        report.policies.add(name="web", yaml="x" * 5000)
        node.uplink.report(report)
        await collector.until(lambda: collector.reports)
        assert [(policy.name, policy.yaml) for policy in collector.reports[0].policies] == [("web", "")]
        assert report.policies[0].yaml

    scenario(story)


def test_orders_are_carried_out_in_order():
    """Each order gets its outcome, under its own id; an exception is an outcome too, in printable text."""
    push = PushOrder(id="one")
    push.request.documents.append(PolicyDocument(file="a", yaml="b"))
    orders = [
        ConnectResponse(push=push),
        ConnectResponse(delete=DeleteOrder(id="bad")),
        ConnectResponse(push=PushOrder(id="three")),
    ]

    async def story(node: Node, collector: FakeCollector) -> None:
        node.outcome.push.generation = 7
        await collector.until(lambda: len(collector.outcomes) == 3)
        assert [outcome.id for outcome in collector.outcomes] == ["one", "bad", "three"]
        assert node.orders[0].request.documents[0].yaml == "b"
        assert collector.outcomes[0].push.generation == 7
        assert collector.outcomes[1].error == "ValueError: no \\x1b[31m such thing"
        assert collector.outcomes[2].error == ""

    scenario(story, extra=orders)


def test_an_order_that_comes_again_is_carried_out_once():
    """The same id gets the same outcome, without a second push."""

    async def story(node: Node, collector: FakeCollector) -> None:
        await collector.until(lambda: len(collector.outcomes) == 1)
        await collector.stop()
        again = FakeCollector()
        again.extra = [ConnectResponse(push=PushOrder(id="x"))]
        await again.start(collector.port)
        await again.until(lambda: again.outcomes)
        assert [order.id for order in node.orders] == ["x"]
        assert again.outcomes[0].id == "x"
        await again.stop()

    scenario(story, extra=[ConnectResponse(push=PushOrder(id="x"))])


def test_too_many_orders_are_refused():
    """Orders do not pile up without end: the rest is told so."""

    async def story(node: Node, collector: FakeCollector) -> None:
        await collector.until(lambda: len(collector.outcomes) == 60)
        refused = [outcome for outcome in collector.outcomes if "waiting already" in outcome.error]
        assert len(refused) + len(node.orders) == 60

    scenario(story, extra=[ConnectResponse(push=PushOrder(id=str(n))) for n in range(60)])


def test_a_large_backlog_is_sent_within_the_window(monkeypatch):
    """No more is in flight than the window takes, and all of it arrives once."""
    monkeypatch.setattr(session, "WINDOW", 20_000)
    monkeypatch.setattr(session, "CHUNK", 4_000)

    async def story(node: Node, collector: FakeCollector) -> None:
        for _ in range(50):
            node.violate(20)
        most = 0
        while node.spool.account().pending:
            most = max(most, node.uplink.hop().pending)
            await asyncio.sleep(0.001)
        assert (len(collector.events), collector.doubled) == (1000, 0)
        assert most < 300

    scenario(story)


@pytest.mark.parametrize("kind", ["unreadable", "of another version"])
def test_a_batch_that_means_nothing_is_passed_over(kind):
    """It is counted, and does not hold up those behind it."""

    async def story(node: Node, collector: FakeCollector) -> None:
        node.spool.append([Drained(b"\xc1" if kind == "unreadable" else b"\x97\x63", 4, 10)])
        node.violate(2)
        await settled(acknowledged(node))
        assert node.spool.account().dropped == {"batch-unreadable": 4}
        assert len(collector.events) == 2

    scenario(story)


def test_a_batch_the_collector_will_not_have():
    """It is dropped and counted, what was in flight beside it is sent again, and nothing is stuck."""

    async def story(node: Node, collector: FakeCollector) -> None:
        numbers = [node.violate(n)[0] for n in (1, 2, 3)]
        collector.rejects.add(numbers[1])
        await settled(acknowledged(node))
        assert node.spool.account().dropped == {"collector-rejected": 2}
        assert node.spool.account().out == 4
        assert sorted(collector.batches) == [numbers[0], numbers[2]]
        assert node.uplink.hop().balances

    scenario(story)


def test_a_node_that_was_renamed():
    """Batches from before are sent under the name that the stream has."""

    async def story(node: Node, collector: FakeCollector) -> None:
        node.violate()
        await settled(acknowledged(node))
        assert {"renamed"} == {batch.node for batch in collector.batches.values()} == {collector.hellos[0].node}
        assert collector.hellos[0].spool_id == node.spool.identity

    scenario(story, replace(WHO, node="renamed"))
