"""The collector is killed with -9 at random moments under load: nothing stored is lost or doubled."""

import random
import threading
from pathlib import Path

from tests.support.collector_agent import Agent
from tests.support.collector_batches import BOOT, NODE, batch
from tests.support.collector_process import CollectorProcess, Receiver

KILLS = 20
BATCHES = 6_000
EVENTS = 4


class Killer:
    """Kills a collector a random moment after a random number of batches was acknowledged."""

    def __init__(self, collector: CollectorProcess, chance: random.Random, acknowledged: int) -> None:
        self._collector = collector
        self._target = acknowledged + chance.randint(1, 100)
        self._timer = threading.Timer(chance.uniform(0.0, 0.02), collector.kill)

    def progress(self, acknowledged: int) -> None:
        if acknowledged >= self._target and self._timer.ident is None:
            self._timer.start()

    def join(self) -> None:
        self._timer.join()


def test_kills_lose_and_double_nothing(tmp_path: Path):
    """
    Every event is in the store exactly once; what was acknowledged before a kill is there after it (the agent checks
    the welcome); each event's alert arrives at least once, under its one id.
    """
    chance = random.Random(23)
    agent = Agent([batch(n, range(n * 100, n * 100 + EVENTS)) for n in range(1, BATCHES + 1)])
    receiver = Receiver()
    for _ in range(KILLS):
        collector = CollectorProcess(tmp_path, receiver)
        killer = Killer(collector, chance, agent.acknowledged)
        assert not agent.deliver(collector.grpc, killer.progress), "there was no load any more when it was to be killed"
        killer.join()
    collector = CollectorProcess(tmp_path, receiver)
    assert agent.deliver(collector.grpc)
    ids = {f"{NODE}:{BOOT[:8]}:v{n * 100 + i}" for n in range(1, BATCHES + 1) for i in range(EVENTS)}
    alerted = receiver.wait(len(ids), timeout=60)
    stored = _stored_ids(collector)
    account = collector.client().get(f"/api/v1/nodes/{NODE}").json()["account"]
    assert collector.stop() == 0
    receiver.close()

    assert (len(stored), set(stored)) == (len(ids), ids)
    assert account["stored"] == len(ids)
    assert account["received"] == account["stored"] + account["duplicate"] + account["pending"]
    assert alerted == {f"{one}@all" for one in ids}
    assert receiver.forged == 0


def _stored_ids(collector: CollectorProcess) -> list[str]:
    """Every violation's id, by following the pages."""
    found: list[str] = []
    cursor: str | None = None
    with collector.client() as client:
        while True:
            page = client.get("/api/v1/violations", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
            found += [violation["id"] for violation in page.raise_for_status().json()["violations"]]
            if (cursor := page.json()["next"]) is None:
                return found
