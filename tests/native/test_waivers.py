"""Waivers in the kernel that runs: allowed by one, refused again when it ends, whether or not an agent lives."""

import errno
import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.workloads.tree import find_mount
from tests.support.agent_process import AgentProcess, network_policy
from tests.support.compiled import CACHE
from tests.support.workers import Worker

StartWorker = Callable[[Path | None], Worker]
DEADLINE = 30.0


@pytest.fixture
def agent(tmp_path: Path, pins: Path, cgroup: Path) -> Iterator[AgentProcess]:
    """A running agent; nothing of it is left afterwards."""
    running = AgentProcess(tmp_path, pins, CACHE, 'mode = "cgroup"').start()
    yield running
    running.stop()


def scope(cgroup: Path) -> str:
    """A cgroup's path as policies name it."""
    return "/" + str(cgroup.relative_to(find_mount()))


def waiver(seconds: float, **more: str) -> str:
    """A waiver of the network policy's rule that ends so many seconds from now."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    spec = {"policy": "web", "rule": "no-discard", "reason": "a test", "owner": "tests"}
    spec |= {"expires": until.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}
    listed = "".join(f"  {name}: {value}\n" for name, value in spec.items())
    return f"apiVersion: ringfence.dev/v1\nkind: Waiver\nmetadata: {{name: discard}}\nspec:\n{listed}"


def refused_from(inside: Worker, begin: float) -> float:
    """Seconds from `begin` to the first connection that is refused; the test fails if none is."""
    while inside.connect() == 0:
        assert time.monotonic() - begin < DEADLINE
        time.sleep(0.01)
    return time.monotonic() - begin


def test_a_waiver_ends_without_an_agent(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """Refused, waived, the agent killed, allowed until the waiver ends, and refused from then on."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    assert inside.connect() == errno.EPERM
    begin = time.monotonic()
    agent.push(waiver(6))
    assert inside.connect() == 0
    agent.end(signal.SIGKILL)
    assert inside.connect() == 0

    assert 4.9 < refused_from(inside, begin) < 7.5  # whole seconds, rounded down; the rest is this machine's
    assert [inside.connect() for _ in range(23)] == [errno.EPERM] * 23
    agent.start()
    (listed,) = json.loads(agent.agentctl("waiver", "list", "-o", "json").stdout)["waivers"]
    assert (listed["name"], listed["expired"]) == ("discard", True)
    policy = json.loads(agent.agentctl("policy", "get", "web", "-o", "json").stdout)
    assert {rule["id"]: rule["hits"] for rule in policy["rules"]} == {"no-discard": 25}


def test_a_waiver_is_no_wider_than_it_says(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """Another port stays refused; deleted before its time, everything is."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    agent.push(waiver(3600, network="{operations: [connect], ports: [10]}"))
    assert inside.connect() == errno.EPERM
    agent.push(waiver(3600, network="{operations: [connect], ports: [9]}"))
    assert inside.connect() == 0

    assert agent.agentctl("waiver", "delete", "discard").returncode == 0
    assert inside.connect() == errno.EPERM


def test_another_policy_still_refuses(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """A waiver is an exception to one policy: the strictest of the others counts."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    agent.push(network_policy("baseline", scope(cgroup)))
    agent.push(waiver(3600))

    assert inside.connect() == errno.EPERM
    assert agent.agentctl("policy", "delete", "baseline").returncode == 0
    assert inside.connect() == 0


def test_a_restarted_agent_keeps_waivers_and_drops_ended_ones(
    agent: AgentProcess, cgroup: Path, worker: StartWorker
) -> None:
    """After a restart the same push changes nothing; as after a reboot, a lasting waiver is installed again."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    agent.push(waiver(3600))
    agent.end()
    assert agent.command("uninstall", "--keep-policies").returncode == 0
    assert agent.command("early").returncode == 0
    assert inside.connect() == 0
    agent.start()

    assert [one["name"] for one in json.loads(agent.agentctl("waiver", "list", "-o", "json").stdout)["waivers"]] == [
        "discard"
    ]
    gone = agent.agentctl("policy", "delete", "web")
    assert "waiver `discard` is deleted with policy `web`" in gone.stderr
    assert inside.connect() == 0


def test_run_tries_a_policy_with_its_waiver(agent: AgentProcess, tmp_path: Path) -> None:
    """`agentctl run` takes the waivers of the file along, and leaves none."""
    file = tmp_path / "try.yaml"
    file.write_text(network_policy("web", "/ringfence-nowhere") + "---\n" + waiver(3600))
    code = "import socket,sys; s=socket.socket(type=socket.SOCK_DGRAM); sys.exit(s.connect_ex(('127.0.0.1', 9)))"
    done = agent.agentctl("run", "--policy", file, "--", "/usr/bin/python3", "-c", code)

    assert done.returncode == 0, done.stderr
    assert json.loads(agent.agentctl("waiver", "list", "-o", "json").stdout)["waivers"] == []
