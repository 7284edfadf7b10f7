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

    def stored(self) -> list[str]:
        """Ids of all violations of the policy, every page of them."""
        ids: list[str] = []
        cursor: str | None = None
        with self.collector.client() as client:
            while True:
                parameters = {"limit": "1000", "policy": "lab"} | ({"cursor": cursor} if cursor else {})
                page = client.get("/api/v1/violations", params=parameters).raise_for_status().json()
                ids += [one["id"] for one in page["violations"]]
                if (cursor := page["next"]) is None:
                    return ids


@pytest.fixture
def soc(tmp_path: Path) -> Iterator[Soc]:
    running = Soc(tmp_path)
    yield running
    running.collector.stop()
    running.receiver.close()


def hits(agent: AgentProcess) -> int:
    """What the kernel counted for the policy's rules."""
    with agent.stub() as stub:
        return sum(rule.hits for rule in stub.Get(agent_pb2.GetRequest(name="lab")).policy.rules)


def test_23_attempts_are_23_violations(agent: AgentProcess, soc: Soc, lab: Path, actors: list[Actor]) -> None:
    """23 attempts are 23 in the kernel, 23 in the collector, 23 alerts."""
    actor = Actor(lab)
    actors.append(actor)
    push(agent, POLICY)
    assert {actor(ATTEMPTS[number % 3]) for number in range(23)} == {errno.EPERM}

    alerts = soc.receiver.wait(23)
    assert hits(agent) == 23
    assert {f"{one}@all" for one in soc.stored()} == alerts
    assert (len(soc.stored()), len(soc.receiver.ids), soc.receiver.forged) == (23, 23, 0)
    delete(agent, "lab")


def test_kill_9_loses_and_doubles_nothing(agent: AgentProcess, soc: Soc, lab: Path, actors: list[Actor]) -> None:
    """Agent or collector is killed five times in the middle of things; everything is still refused, and stored once."""
    chance = random.Random(SEED)
    actor = Actor(lab)
    actors.append(actor)
    push(agent, POLICY)
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

    assert len(soc.receiver.wait(made, timeout=60)) == made
    stored = soc.stored()
    assert hits(agent) == made == len(stored) == len(set(stored))
    delete(agent, "lab")
