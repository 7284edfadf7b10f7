"""The whole agent in the kernel that runs, with network rules on cgroups of the test's own."""

import errno
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, violation_pb2

from agent.workloads.tree import find_mount
from tests.support.agent_process import BIN, AgentProcess, network_policy
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


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something another process does, of which there is no event to wait for here."""
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def violations(agent: AgentProcess, count: int) -> list[violation_pb2.Violation]:
    """The latest `count`, once there are so many."""
    with agent.stub() as stub:
        found: list[violation_pb2.Violation] = []
        until = time.monotonic() + DEADLINE
        while len(found) < count and time.monotonic() < until:
            responses = stub.Tail(agent_pb2.TailRequest(recent=count + 100))
            found = [one for response in responses for one in response.violations]
    return found


def test_attempts_are_refused_counted_and_told_exactly(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """Allowed before the push, refused with EPERM after it, 23 attempts are 23 violations, and allowed once deleted."""
    inside, outside = worker(cgroup), worker(None)
    assert inside.connect() == 0
    agent.push(network_policy("web", scope(cgroup)))

    assert [inside.connect() for _ in range(23)] == [errno.EPERM] * 23
    assert outside.connect() == 0
    found = violations(agent, 23)
    assert 23 == len(found) == len({one.id for one in found})
    assert {("web", "no-discard", "deny", "127.0.0.1:9")} == {
        (one.policy, one.rule, one.effect, one.object) for one in found
    }
    policy = json.loads(agent.agentctl("policy", "get", "web", "-o", "json").stdout)
    assert sum(rule["hits"] for rule in policy["rules"]) == 23
    assert agent.agentctl("status").returncode == 0

    assert agent.agentctl("policy", "delete", "web").returncode == 0
    assert inside.connect() == 0


def test_cgroups_that_come_later_are_confined(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """A child of a scoped cgroup inherits at once; a cgroup that a glob matches is scoped when it appears."""
    agent.push(network_policy("below", f"{scope(cgroup)}/pod-*"))
    other, pod = cgroup / "other", cgroup / "pod-1"
    other.mkdir()
    (pod / "inner").mkdir(parents=True)
    inside = worker(pod / "inner")

    eventually(lambda: inside.connect() == errno.EPERM)
    assert worker(other).connect() == 0
    for path in (pod / "inner", pod):
        inside.enter(cgroup)
        path.rmdir()
    eventually(lambda: agent_scopes(agent) == 0)


def agent_scopes(agent: AgentProcess) -> int:
    with agent.stub() as stub:
        return stub.Status(agent_pb2.StatusRequest()).scopes


def test_killed_agent_leaves_enforcement_and_loses_no_event(
    agent: AgentProcess, cgroup: Path, worker: StartWorker
) -> None:
    """After kill -9 the kernel goes on refusing; the next agent adopts, and has every event once."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    assert [inside.connect() for _ in range(5)] == [errno.EPERM] * 5
    agent.end(signal.SIGKILL)
    assert [inside.connect() for _ in range(6)] == [errno.EPERM] * 6
    agent.start()

    assert agent.started()["adopted"]
    found = violations(agent, 11)
    assert 11 == len(found) == len({one.id for one in found})
    assert {"web"} == {one.policy for one in found}
    policy = json.loads(agent.agentctl("policy", "get", "web", "-o", "json").stdout)
    assert policy["rules"][0]["hits"] == 11
    assert "unchanged" in agent.push(network_policy("web", scope(cgroup))).stdout


def test_stopped_agent_leaves_enforcement(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """SIGTERM ends the agent with status 0, and nothing else."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))

    assert agent.end() == 0
    assert inside.connect() == errno.EPERM
    assert agent.agentctl("policy", "list").returncode == 5


def test_unconfirmed_push_reverts_even_without_an_agent(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """`--confirm` reverts by time in the kernel; the next agent says so; confirmed in time it stays."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)), "--confirm", "8s")
    assert inside.connect() == errno.EPERM
    assert agent.agentctl("policy", "push", "-", text=network_policy("b", scope(cgroup))).returncode == 4
    agent.end(signal.SIGKILL)
    eventually(lambda: inside.connect() == 0)
    agent.start()
    assert json.loads(agent.agentctl("policy", "list", "-o", "json").stdout)["policies"] == []

    agent.push(network_policy("web", scope(cgroup)), "--confirm", "5s")
    assert agent.agentctl("policy", "confirm").returncode == 0
    assert agent.agentctl("policy", "confirm").returncode == 4
    time.sleep(6)  # the time itself is what is tested
    assert inside.connect() == errno.EPERM


def test_gate_opens_and_closes_without_an_agent(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """`gate open` allows everything, for a time or until it is closed, and is written down."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    agent.end()
    assert inside.connect() == errno.EPERM
    assert agent.command("gate", "open").returncode == 0
    assert inside.connect() == 0
    assert agent.command("gate", "close").returncode == 0
    assert inside.connect() == errno.EPERM
    assert agent.command("gate", "open", "--for", "1s").returncode == 0
    assert inside.connect() == 0
    eventually(lambda: inside.connect() == errno.EPERM)

    records = (agent.directory / "state" / "gate.log").read_text().splitlines()
    assert [json.loads(record)["gate"] for record in records] == ["open", "close", "open"]


def test_uninstall_leaves_nothing(agent: AgentProcess, cgroup: Path, worker: StartWorker) -> None:
    """Refused while an agent runs; afterwards nothing is enforced, pinned, or installed again by the next agent."""
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    assert agent.command("uninstall").returncode == 1
    agent.end()
    assert agent.command("uninstall").returncode == 0

    assert inside.connect() == 0
    assert not agent.pins.exists()
    assert agent.command("gate", "open").returncode == 4
    agent.start()
    assert inside.connect() == 0


def test_last_generation_is_installed_before_the_agent_runs(
    agent: AgentProcess, cgroup: Path, worker: StartWorker
) -> None:
    """
    When the kernel has lost everything, as at boot, `early` enforces again from cached programs; the agent adopts it.
    """
    inside = worker(cgroup)
    agent.push(network_policy("web", scope(cgroup)))
    agent.end()
    assert agent.command("uninstall", "--keep-policies").returncode == 0
    assert inside.connect() == 0
    assert agent.command("early").returncode == 0
    assert inside.connect() == errno.EPERM
    agent.start()

    assert agent.started()["adopted"]
    assert inside.connect() == errno.EPERM
    assert "unchanged" in agent.push(network_policy("web", scope(cgroup))).stdout


def test_what_this_kernel_cannot_enforce_is_refused(agent: AgentProcess, cgroup: Path) -> None:
    """Without BPF LSM a file rule is refused by name, with what was found, and nothing of the push is live."""
    network = "network: {operations: [connect], to: [127.0.0.1/32], ports: [9]}"
    files = "file: {paths: [/etc/shadow], operations: [read]}"
    file_rule = network_policy("files", scope(cgroup)).replace(network, files)
    both = f"{network_policy('web', scope(cgroup))}---\n{file_rule}"
    done = agent.agentctl("policy", "push", "-", text=both)

    assert done.returncode == 4
    assert "cannot enforce policy `files`" in done.stderr
    assert "required:" in done.stderr
    assert json.loads(agent.agentctl("policy", "list", "-o", "json").stdout)["policies"] == []


def test_run_tries_a_policy_on_one_command(agent: AgentProcess, tmp_path: Path) -> None:
    """`agentctl run` confines the command alone, tells what was refused, and leaves nothing."""
    file = tmp_path / "try.yaml"
    file.write_text(network_policy("try", "/ringfence-nowhere"))
    code = "import socket,sys; s=socket.socket(type=socket.SOCK_DGRAM); sys.exit(s.connect_ex(('127.0.0.1', 9)))"
    done = agent.agentctl("run", "--policy", file, "--", "/usr/bin/python3", "-c", code)

    assert done.returncode == errno.EPERM
    assert "1 violations" in done.stderr
    assert "no-discard" in done.stderr
    assert json.loads(agent.agentctl("policy", "list", "-o", "json").stdout)["policies"] == []
    assert list(find_mount().rglob("ringfence-run-*")) == []


def test_run_cleans_up_after_ctrl_c(agent: AgentProcess, tmp_path: Path) -> None:
    """Ctrl-C ends the command; the policy and the cgroup go all the same."""
    file = tmp_path / "try.yaml"
    file.write_text(network_policy("try", "/ringfence-nowhere"))
    environment = os.environ | {"RINGFENCE_SOCKET": str(agent.socket)}
    command = [BIN / "agentctl", "run", "-p", file, "--", "/bin/sh", "-c", "echo begun; exec sleep 60"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    os.killpg(running.pid, signal.SIGINT)

    assert running.wait(60) == 128 + signal.SIGINT
    assert json.loads(agent.agentctl("policy", "list", "-o", "json").stdout)["policies"] == []
    assert list(find_mount().rglob("ringfence-run-*")) == []


def test_huge_and_hostile_policies_are_refused_in_time(agent: AgentProcess, cgroup: Path) -> None:
    """10 MB of text and aliases without end are invalid within 5 s, and change nothing."""
    lines = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]\n" for n in range(20))
    huge = network_policy("huge", scope(cgroup)) + "#" * (10 << 20)
    for text in (lines, huge, "\0", "[" * 100_000):
        began = time.monotonic()
        assert agent.agentctl("policy", "push", "-", text=text).returncode == 3
        assert time.monotonic() - began < 20  # 5 s alone on the machine
    assert json.loads(agent.agentctl("status", "-o", "json").stdout)["generation"] == 0


def test_garbage_on_the_socket_hurts_nobody(agent: AgentProcess) -> None:
    """Bytes that are no request end their own connection."""
    for garbage in (os.urandom(5000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(agent.socket))
            connection.sendall(garbage)

    assert agent.agentctl("policy", "list").returncode == 0
