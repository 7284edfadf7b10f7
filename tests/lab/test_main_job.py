"""The main job where BPF LSM is active: what is refused is in the collector and an alert, once each."""

import errno
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2

from tests.lab.test_agent import POLICY, SECRET, STREAM, TOOL, Actor, actors, agent, delete, files, lab, push, started
from tests.support.agent_process import AgentProcess
from tests.support.collector_process import CollectorProcess, Receiver

__all__ = ["actors", "agent", "files", "lab", "started"]

ATTEMPTS = (f"read {SECRET}", f"exec {TOOL}", "connect 9")
SEED = 20261123


class Soc:
    """A collector that can be killed and started again, and the receiver of its alerts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.receiver = Receiver()
        self.start()

    def start(self) -> None:
        self.collector = CollectorProcess(self.directory, self.receiver, grpc=STREAM)

    def stored(self, policy: str) -> list[str]:
        """Ids of all violations of a policy, every page of them."""
        ids: list[str] = []
        cursor: str | None = None
        with self.collector.client() as client:
            while True:
                parameters = {"limit": "1000", "policy": policy} | ({"cursor": cursor} if cursor else {})
                page = client.get("/api/v1/violations", params=parameters).raise_for_status().json()
                ids += [one["id"] for one in page["violations"]]
                if (cursor := page["next"]) is None:
                    return ids


@pytest.fixture(scope="module")
def soc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soc]:
    """One for all tests: to a new one the agent sends again what it still has."""
    running = Soc(tmp_path_factory.mktemp("soc"))
    yield running
    running.collector.stop()
    running.receiver.close()


def named(name: str) -> str:
    """The policy under a name of the test's own, so that its violations can be told apart."""
    return POLICY.replace("name: lab", f"name: {name}")


def hits(agent: AgentProcess, policy: str) -> int:
    """What the kernel counted for the policy's rules."""
    with agent.stub() as stub:
        return sum(rule.hits for rule in stub.Get(agent_pb2.GetRequest(name=policy)).policy.rules)


def test_23_attempts_are_23_violations(agent: AgentProcess, soc: Soc, lab: Path, actors: list[Actor]) -> None:
    """23 attempts are 23 in the kernel, 23 in the collector, 23 alerts."""
    before = len(soc.receiver.ids)
    actor = Actor(lab)
    actors.append(actor)
    push(agent, named("count"))
    assert {actor(ATTEMPTS[number % 3]) for number in range(23)} == {errno.EPERM}

    alerts = soc.receiver.wait(before + 23)
    stored = soc.stored("count")
    assert hits(agent, "count") == 23
    assert (len(stored), len(soc.receiver.ids), soc.receiver.forged) == (23, before + 23, 0)
    assert {f"{one}@all" for one in stored} <= alerts
    delete(agent, "count")


def test_kill_9_loses_and_doubles_nothing(agent: AgentProcess, soc: Soc, lab: Path, actors: list[Actor]) -> None:
    """Agent or collector is killed five times in the middle of things; everything is still refused, and stored once."""
    chance = random.Random(SEED)
    before = len(set(soc.receiver.ids))
    actor = Actor(lab)
    actors.append(actor)
    push(agent, named("siege"))
    made = 0
    for round_number in range(5):
        moment = chance.randrange(12)
        for number in range(12):
            assert actor(ATTEMPTS[number % 3]) == errno.EPERM
            made += 1
            if number == moment and round_number % 2:
                soc.collector.kill()
            elif number == moment:
                agent.end(signal.SIGKILL)
        if round_number % 2:
            soc.start()
        else:
            agent.start()

    alerts = soc.receiver.wait(before + made, timeout=60)
    stored = soc.stored("siege")
    assert hits(agent, "siege") == made == len(stored) == len(set(stored))
    assert {f"{one}@all" for one in stored} <= alerts
    delete(agent, "siege")
