"""
kill -9 of the whole agent at random moments, natively: enforcement stands or had not begun, and no violation is lost or
doubled.
"""

import errno
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, policy_pb2

from agent.cli.exits import CliError
from agent.workloads.tree import find_mount
from tests.support.agent_process import AgentProcess, network_policy
from tests.support.compiled import CACHE
from tests.support.workers import Worker

KILLS = int(os.environ.get("RINGFENCE_KILLS", "50"))


@pytest.fixture
def cgroup() -> Iterator[Path]:
    path = find_mount() / f"ringfence-kill-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    pins = Path(f"/sys/fs/bpf/ringfence-kill-{os.getpid()}")
    running = AgentProcess(tmp_path, pins, CACHE, 'mode = "cgroup"').start()
    yield running
    running.stop()
    assert running.command("uninstall").returncode == 0


class Pusher(threading.Thread):
    """Pushes and deletes a second policy as fast as it can until the agent dies."""

    def __init__(self, agent: AgentProcess, scope: str) -> None:
        super().__init__(daemon=True)
        self._agent = agent
        self._scope = scope

    def run(self) -> None:
        with suppress(CliError), self._agent.stub() as stub:
            while True:
                document = policy_pb2.PolicyDocument(file="b", yaml=network_policy("b", self._scope, action="audit"))
                stub.Push(agent_pb2.PushRequest(documents=[document]))
                stub.Delete(agent_pb2.DeleteRequest(names=["b"]))


@pytest.mark.timeout(1800)
def test_enforcement_stands_and_every_violation_is_told_once(agent: AgentProcess, cgroup: Path) -> None:
    """
    While policies come and go around it, a rule that was live before each kill refuses every attempt, before, during
    and after it; in the end there are as many violations as attempts.
    """
    scope = "/" + str(cgroup.relative_to(find_mount()))
    inside, choose = Worker.start(cgroup), random.Random(20261123)
    attempts = 0
    try:
        agent.push(network_policy("a", scope))
        for _ in range(KILLS):
            pusher = Pusher(agent, scope)
            pusher.start()
            for _ in range(choose.randrange(1, 120)):  # each takes a fraction of a millisecond: a random moment
                assert inside.connect() == errno.EPERM
                attempts += 1
            pusher.join(choose.random() * 0.3)
            agent.end(signal.SIGKILL)
            for _ in range(5):
                assert inside.connect() == errno.EPERM
                attempts += 1
            agent.start()
            assert {"a"} <= policies(agent) <= {"a", "b"}
    finally:
        inside.stop()
    told = Counter(violations(agent, "a"))
    assert {1} == set(told.values())
    assert attempts == len(told)
    assert attempts == hits(agent, "a")
    with agent.stub() as stub:
        assert stub.Status(agent_pb2.StatusRequest()).balances


def policies(agent: AgentProcess) -> set[str]:
    with agent.stub() as stub:
        return {policy.name for policy in stub.List(agent_pb2.ListRequest()).policies}


def hits(agent: AgentProcess, name: str) -> int:
    with agent.stub() as stub:
        return sum(rule.hits for rule in stub.Get(agent_pb2.GetRequest(name=name)).policy.rules)


def violations(agent: AgentProcess, name: str) -> list[str]:
    """Ids of all violations of a policy that the agent remembers."""
    with agent.stub() as stub:
        responses = stub.Tail(agent_pb2.TailRequest(recent=100_000, policies=[name]))
        return [one.id for response in responses for one in response.violations]
