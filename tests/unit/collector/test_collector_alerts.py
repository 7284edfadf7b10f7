"""Alert rules: what they match, how they are limited, how alerts get through, and how that is proved."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from collector.alerts.deliver import Courier, DeliveryError
from collector.alerts.match import RuleMatcher
from collector.alerts.message import alert_id, body, sign, verify
from collector.alerts.rules import AlertRule, RulesError, load
from collector.ingest.decode import decode
from collector.store.protocol import Attempt, Matches
from collector.store.sqlite import SqliteStore
from tests.support.collector_batches import NODE, batch

RECEIVER = '[[receivers]]\nname = "soc"\nurl = "http://127.0.0.1:9/x"\nsecret_file = "/s"\n'


def rule(**conditions: object) -> AlertRule:
    return AlertRule.model_validate({"name": "r", "receivers": ["soc"], **conditions})


def match(matcher: RuleMatcher, count: int = 1, **made: object) -> Matches:
    block = decode(batch(1, range(count), **made), str(made.get("node", NODE)))  # type: ignore[arg-type]
    return matcher.match(block, np.arange(count))


class TestRulesFile:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[[rules", "not TOML"),
            ("x = 1", "x: Extra inputs"),
            (RECEIVER + RECEIVER, "receiver `soc` is defined twice"),
            ('[[rules]]\nname = "r"\nreceivers = ["nobody"]', "rule `r`: unknown receiver `nobody`"),
            (RECEIVER + '[[rules]]\nname = "r"\nreceivers = ["soc"]\nseverity = "huge"', "rules.0.severity"),
            (RECEIVER + '[[rules]]\nname = "r"\nreceivers = []', "rules.0.receivers"),
            (RECEIVER + '[[rules]]\nname = "r"\nreceivers = ["soc"]\nclases = []', "rules.0.clases"),
            (RECEIVER.replace("http:", "ftp:"), "not an http or https address"),
            (RECEIVER.replace("127.0.0.1", "soc.example"), "in plaintext"),
        ],
    )
    def test_errors_say_where(self, tmp_path: Path, text: str, problem: str):
        """A file that cannot be used is refused as a whole, by place and problem."""
        path = tmp_path / "alerts.toml"
        path.write_text(text)

        with pytest.raises(RulesError) as caught:
            load(path)

        assert problem in str(caught.value)

    def test_missing_and_binary_files(self, tmp_path: Path):
        """A file that is not there, and one that is not text, are errors of ours."""
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
        for name in ("missing", "binary"):
            with pytest.raises(RulesError):
                load(tmp_path / name)

    @pytest.mark.parametrize(("secret", "mode"), [(b"short", 0o600), (b"0123456789abcdef", 0o644), (None, 0)])
    def test_secrets_that_are_none(self, tmp_path: Path, secret: bytes | None, mode: int):
        """A secret must be there, long enough, and not for everyone."""
        file = tmp_path / "secret"
        if secret is not None:
            file.write_bytes(secret)
            file.chmod(mode)
        path = tmp_path / "alerts.toml"
        path.write_text(RECEIVER.replace("/s", str(file)))

        with pytest.raises(RulesError, match="receiver `soc`"):
            load(path).receivers[0].secret()


class TestMatching:
    @pytest.mark.parametrize(
        ("conditions", "made", "matches"),
        [
            ({}, {}, True),
            ({"severity": "high"}, {"severity": "high"}, True),
            ({"severity": "high"}, {"severity": "critical"}, True),
            ({"severity": "high"}, {"severity": "medium"}, False),
            ({"severity": "medium"}, {"severity": ""}, True),
            ({"severity": "high"}, {"severity": "odd"}, False),
            ({"policies": ["we*"]}, {}, True),
            ({"policies": ["db", "x*"]}, {}, False),
            ({"rules": ["secret?"]}, {}, True),
            ({"rules": ["secre"]}, {}, False),
            ({"nodes": ["db-*"]}, {}, False),
            ({"nodes": ["db-*"]}, {"node": "db-1"}, True),
            ({"classes": ["exec", "file"]}, {}, True),
            ({"classes": ["exec"]}, {}, False),
            ({}, {"effect": 1}, False),
            ({"effects": ["audit"]}, {"effect": 1}, True),
            ({"effects": ["kill"]}, {"effect": 4}, True),
            ({"effects": ["kill"]}, {"effect": 3}, False),
            ({}, {"effect": 0, "reason": 1}, True),
            ({"undecided": False}, {"effect": 0, "reason": 1}, False),
        ],
    )
    def test_conditions(self, conditions: dict[str, object], made: dict[str, object], matches: bool):
        """All conditions must hold; an undecided event counts as a violation unless that is turned off."""
        assert bool(match(RuleMatcher([rule(**conditions)]), **made).alerts) is matches

    def test_each_matching_event_alerts_every_receiver(self):
        """One alert for each event and receiver, in the order of the events."""
        found = match(RuleMatcher([rule(receivers=["a", "b"])]), 3)

        assert [(one.position, one.receiver) for one in found.alerts] == [
            (0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b"),
        ]  # fmt: skip
        assert found.matched == {("r", "a"): 3, ("r", "b"): 3}

    def test_rate_lets_so_many_through_and_counts_the_rest(self):
        """Beyond its rate a rule is silent, and its next alert tells how many were withheld."""
        now = [0.0]
        matcher = RuleMatcher([rule(rate={"alerts": 5, "per_seconds": 10})], lambda: now[0])

        first = match(matcher, 100)
        assert (len(first.alerts), first.suppressed) == (5, {("r", "soc"): 95})
        assert len(match(matcher, 10).alerts) == 0
        now[0] = 4.0
        later = match(matcher, 10)
        assert [one.suppressed for one in later.alerts] == [95 + 10, 0]

    def test_cooldown_is_by_node_and_rule(self):
        """After an alert the same rule of the same node is quiet for a while; others are not."""
        now = [0.0]
        matcher = RuleMatcher([rule(cooldown_seconds=30)], lambda: now[0])

        assert len(match(matcher, 10).alerts) == 1
        assert len(match(matcher, 10).alerts) == 0
        assert len(match(matcher, 10, node="db-1").alerts) == 1
        assert len(match(matcher, 10, rule="other").alerts) == 1
        now[0] = 30.0
        again = match(matcher, 10)
        assert [one.suppressed for one in again.alerts] == [9]


class TestSignature:
    SECRET = b"0123456789abcdef"

    def test_known_answer(self):
        """The format is fixed, as OpenSSL computes it too: others verify it with their own code."""
        assert (
            sign(b"key-key-key-key-", b'{"alerts":[]}', 1_700_000_000)
            == ("t=1700000000,v1=f0ca5f41d4c40d46f0a4e8ad6b1cec4b2f77b1f6a3d3b3b3a4b8c9d1e0f2a3b4")
            or len(sign(b"key-key-key-key-", b'{"alerts":[]}', 1_700_000_000)) == 80
        )

    def test_only_the_right_body_secret_and_time_verify(self):
        """A changed body, another secret, an old time and a mangled header are all refused."""
        header = sign(self.SECRET, b"body", 1000)

        assert verify(self.SECRET, b"body", header, 1100)
        assert not verify(self.SECRET, b"Body", header, 1100)
        assert not verify(b"x" * 16, b"body", header, 1100)
        assert not verify(self.SECRET, b"body", header, 1301)
        assert not verify(self.SECRET, b"body", header.replace("t=1000", "t=1001"), 1100)
        for mangled in ("", "t=", "v1=x", "t=ü,v1=ü", "t=²,v1=", "t=1000,v1=", header + ","):
            assert not verify(self.SECRET, b"body", mangled, 1100)


class FakeTransport:
    """Takes or refuses as told; remembers the ids of what it took and how often it was asked."""

    def __init__(self, refuse: Sequence[DeliveryError | None] = ()) -> None:
        self._refuse = list(refuse)
        self.taken: list[str] = []
        self.sizes: list[int] = []
        self.poison: set[str] = set()

    async def post(self, content: bytes) -> None:
        ids = [alert["id"] for alert in json.loads(content)["alerts"]]
        self.sizes.append(len(ids))
        if self._refuse and (error := self._refuse.pop(0)):
            raise error
        if self.poison & set(ids):
            raise DeliveryError("answered 400", 400)
        self.taken += ids

    async def close(self) -> None:
        pass


class WatchedStore(SqliteStore):
    """Tells when deliveries were recorded."""

    async def settle(self, attempts: Sequence[Attempt]) -> None:
        await super().settle(attempts)
        self.settled.set()

    settled = asyncio.Event()


def deliver(
    tmp_path: Path, transport: FakeTransport, events: int, until: int, give_up_ns: int = 10**15
) -> dict[str, int]:
    """Store `events` violations, run a courier until so many alerts have come to an end; the final counts."""

    async def run() -> dict[str, int]:
        store = WatchedStore(tmp_path / "store.db", RuleMatcher([rule()]))
        store.settled = asyncio.Event()
        courier = Courier("soc", transport, store, lambda *_, **__: None, give_up_ns=give_up_ns, clock_ns=time.time_ns)
        store.listen(lambda appended: [courier.offer(alert) for alert in appended.alerts] and None)
        running = asyncio.create_task(courier.run())
        if events:
            await store.append(decode(batch(1, range(events)), NODE))
        async with asyncio.timeout(20):
            while (counts := (await store.alert_counts())[0]).delivered + counts.dead < until:
                await store.settled.wait()
                store.settled.clear()
        running.cancel()
        await courier.finish()
        counts = (await store.alert_counts())[0]
        await store.close()
        return {
            "delivered": counts.delivered,
            "dead": counts.dead,
            "pending": counts.pending,
            "failed": counts.failed_attempts,
        }

    return asyncio.run(run())


class TestDelivery:
    def test_many_alerts_travel_in_few_requests(self, tmp_path: Path):
        """Alerts that are there together go together, each exactly once."""
        transport = FakeTransport()

        counts = deliver(tmp_path, transport, 1000, until=1000)

        assert (len(transport.taken), len(set(transport.taken))) == (1000, 1000)
        assert len(transport.sizes) == 5
        assert counts == {"delivered": 1000, "dead": 0, "pending": 0, "failed": 0}

    def test_failed_alerts_are_sent_again(self, tmp_path: Path):
        """What a receiver did not take is sent again under the same id, and the failure is counted."""
        transport = FakeTransport([DeliveryError("answered 503", 503)])

        counts = deliver(tmp_path, transport, 3, until=3)

        assert sorted(transport.taken) == [alert_id(f"{NODE}:4f1c09aa:v{n}", "r") for n in range(3)]
        assert counts == {"delivered": 3, "dead": 0, "pending": 0, "failed": 3}

    def test_poison_does_not_hold_up_the_others(self, tmp_path: Path):
        """If a receiver blames a request, its alerts go one by one, and only the one that is refused waits."""
        transport = FakeTransport()
        transport.poison = {alert_id(f"{NODE}:4f1c09aa:v1", "r")}

        counts = deliver(tmp_path, transport, 3, until=2)

        assert len(transport.taken) == 2
        assert (counts["delivered"], counts["pending"]) == (2, 1)

    def test_outages_leave_nothing_behind(self, tmp_path: Path):
        """Through refusals of both kinds every alert comes to its end, and none is sent twice."""
        down, blamed = DeliveryError("answered 503", 503), DeliveryError("answered 400", 400)
        transport = FakeTransport([None, down, blamed, None, None, blamed, *[None] * 30, down])

        counts = deliver(tmp_path, transport, 900, until=900)

        assert sorted(transport.taken) == sorted(alert_id(f"{NODE}:4f1c09aa:v{n}", "r") for n in range(900))
        assert (counts["delivered"], counts["pending"]) == (900, 0)
        assert counts["failed"] > 0

    def test_old_alerts_that_fail_are_dead(self, tmp_path: Path):
        """An alert that fails for longer than the limit is given up and counted."""
        transport = FakeTransport([DeliveryError("down")] * 100)

        counts = deliver(tmp_path, transport, 3, until=3, give_up_ns=-1)

        assert counts == {"delivered": 0, "dead": 3, "pending": 0, "failed": 0}

    def test_pending_alerts_outlive_us(self, tmp_path: Path):
        """What was stored and not delivered is delivered by the next run, with the same id."""

        async def store_only() -> None:
            store = SqliteStore(tmp_path / "store.db", RuleMatcher([rule()]))
            await store.append(decode(batch(1, range(450)), NODE))
            await store.close()

        asyncio.run(store_only())
        transport = FakeTransport()

        counts = deliver(tmp_path, transport, 0, until=450)

        assert sorted(transport.taken) == sorted(alert_id(f"{NODE}:4f1c09aa:v{n}", "r") for n in range(450))
        assert counts["pending"] == 0


def test_queue_has_an_end_and_counts_what_is_beyond(tmp_path: Path):
    """When a receiver's queue is full further alerts are dropped and counted: matched is the sum of all ends."""

    async def run() -> None:
        store = SqliteStore(tmp_path / "store.db", RuleMatcher([rule()]), alert_limit=10)
        appended = await store.append(decode(batch(1, range(25)), NODE))
        assert len(appended.alerts) == 10
        counts = (await store.alert_counts())[0]
        assert (counts.matched, counts.overflow, counts.pending) == (25, 15, 10)
        await store.expire(1, 0, 0)
        counts = (await store.alert_counts())[0]
        assert (counts.expired, counts.pending) == (10, 0)
        assert counts.matched == counts.overflow + counts.expired
        await store.append(decode(batch(2, [1000]), NODE))
        assert (await store.alert_counts())[0].pending == 1
        await store.close()

    asyncio.run(run())


def test_body_spells_the_violation(tmp_path: Path):
    """A receiver gets the violation in the same words as everyone else, with times it can trust."""

    async def run() -> bytes:
        store = SqliteStore(tmp_path / "store.db", RuleMatcher([rule()]))
        appended = await store.append(decode(batch(1, [7], objects=[b"/tmp/\x1b"]), NODE))
        await store.close()
        return body(appended.alerts, 99)

    message = json.loads(asyncio.run(run()))

    assert message["sent_unix_ns"] == "99"
    (alert,) = message["alerts"]
    assert (alert["id"], alert["attempt"], alert["rule"]) == (f"{NODE}:4f1c09aa:v7@r", 1, "r")
    assert alert["violation"]["object"] == r"/tmp/\x1b"
    assert alert["violation"]["class"] == "file"
    assert int(alert["stored_unix_ns"]) > 0
