"""The whole agent where BPF LSM is active: files, programs and connections, and host scope."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, policy_pb2

from agent.daemon import settings
from tests.support.agent_process import AgentProcess

CGROUPS = Path("/sys/fs/cgroup")
SECRET = Path("/tmp/ringfence-lab/secret")
TOOL = Path("/tmp/ringfence-lab/tool")
POISON = Path("/tmp/ringfence-lab/poison")
#: A script, whose executable is its interpreter; it ends with 2 if it may not read.
READER = Path("/tmp/ringfence-lab/reader")

#: A process that tries what it is told, and says with which errno it ended (negative: the signal that ended a child).
ACTOR = """
import ctypes, os, socket, subprocess, sys
for line in sys.stdin:
    verb, _, what = line.strip().partition(" ")
    try:
        if verb == "read":
            open(what).close()
        elif verb == "fifo":
            os.close(os.open(what, os.O_RDONLY | os.O_NONBLOCK))
        elif verb in ("mkfifo", "mkdir"):
            getattr(os, verb)(what)
        elif verb == "call":
            child = os.fork()
            if not child:
                ctypes.CDLL(None).syscall(int(what), 0)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        elif verb == "connect":
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.connect(("127.0.0.1", int(what)))
        elif verb == "exec":
            print(subprocess.run([what]).returncode, flush=True)
            continue
        elif verb == "enter":
            open(what + "/cgroup.procs", "w").write("0")
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""

#: Where the agent looks for a collector; one listens there only in the tests that need it.
STREAM = "127.0.0.1:7443"

POLICY = f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: lab}}
spec:
  scope: [{{cgroup: /lab}}]
  rules:
    - id: secret
      file: {{paths: ["{SECRET}"], operations: [read]}}
      action: deny
    - id: tool
      exec: {{paths: ["{TOOL}"], operations: [exec]}}
      action: deny
    - id: poison
      exec: {{paths: ["{POISON}"], operations: [exec]}}
      action: kill
    - id: discard
      network: {{operations: [connect], to: ["127.0.0.1/32"], ports: [9]}}
      action: deny
"""


WAIVER = """
apiVersion: ringfence.dev/v1
kind: Waiver
metadata: {{name: reads}}
spec:
  policy: lab
  rule: secret
  subject: {{exe: ["{exe}"]}}
  reason: a test
  owner: tests
  expires: {until}
"""


class Actor:
    """
    A process in a cgroup that tries things. It enters before it is executed: a task is armed at its first exec there.
    """

    PROGRAM = ACTOR

    def __init__(self, cgroup: Path | None, *, executes: bool = True) -> None:
        """
        Args:
            executes: Enter the cgroup and execute a program there, as runtimes start a workload; else be moved into it.
        """
        program = [sys.executable, "-c", self.PROGRAM]
        if cgroup is not None and executes:
            program = ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(cgroup), *program]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if cgroup is not None and not executes:
            (cgroup / "cgroup.procs").write_text(str(self._process.pid))
        assert self("read /dev/null") == 0

    def __call__(self, what: str) -> int:
        assert self._process.stdin and self._process.stdout
        print(what, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """One agent for all tests: starting takes seconds under emulation."""
    cache = settings.load(None).cache[0]
    stream = f'[collector]\naddress = "{STREAM}"'
    running = AgentProcess(tmp_path_factory.mktemp("agent"), Path("/sys/fs/bpf/ringfence"), cache, stream).start()
    yield running
    running.stop()


@pytest.fixture
def agent(started: AgentProcess) -> Iterator[AgentProcess]:
    """The agent, running and without policies, whatever the test before did."""
    if started.process is None or started.process.poll() is not None:
        started.start()
    yield started
    if started.process is not None and started.process.poll() is None:
        with started.stub() as stub:
            names = [policy.name for policy in stub.List(agent_pb2.ListRequest()).policies]
            stub.Delete(agent_pb2.DeleteRequest(names=names))


@pytest.fixture(autouse=True)
def files() -> None:
    SECRET.parent.mkdir(exist_ok=True)
    SECRET.write_text("secret")
    for path in (TOOL, POISON):
        path.write_bytes(Path("/bin/true").read_bytes())
        path.chmod(0o755)
    READER.write_text(f"#!/bin/sh\nexec 3<{SECRET}\n")
    READER.chmod(0o755)


@pytest.fixture
def lab() -> Iterator[Path]:
    """The cgroup /lab; empty and gone afterwards."""
    path = CGROUPS / "lab"
    path.mkdir()
    yield path
    for directory in (*path.glob("*/"), path):
        with suppress(OSError):
            directory.rmdir()


@pytest.fixture
def actors() -> Iterator[list[Actor]]:
    started: list[Actor] = []
    yield started
    for actor in started:
        actor.end()


def push(agent: AgentProcess, yaml: str, **more: object) -> agent_pb2.PushResponse:
    document = policy_pb2.PolicyDocument(file="lab.yaml", yaml=yaml)
    with agent.stub() as stub:
        return stub.Push(agent_pb2.PushRequest(documents=[document], **more))


def delete(agent: AgentProcess, *names: str) -> None:
    with agent.stub() as stub:
        assert not stub.Delete(agent_pb2.DeleteRequest(names=names)).diagnostics


def everything(actor: Actor) -> list[int]:
    """What becomes of each attempt that the policy forbids."""
    return [actor(f"read {SECRET}"), actor(f"exec {TOOL}"), actor("connect 9")]


def test_every_class_is_refused_in_scope_alone(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """
    Refused with EPERM to a process that ran before the push, to one in a child cgroup made later and to one that comes
    later; not outside; and no longer after the policy is deleted. Every attempt is counted once.
    """
    before, moved, outside = Actor(lab), Actor(lab, executes=False), Actor(None)
    actors += [before, moved, outside]
    assert everything(before) == everything(moved) == [0, 0, 0]
    response = push(agent, POLICY)
    assert not response.diagnostics
    child = lab / "child"
    child.mkdir()
    later, inner = Actor(lab), Actor(child)
    actors += [later, inner]

    refused = [errno.EPERM] * 3
    assert [refused] * 4 == [everything(actor) for actor in (before, moved, later, inner)]
    assert everything(outside) == [0, 0, 0]
    with agent.stub() as stub:
        policy = stub.Get(agent_pb2.GetRequest(name="lab")).policy
        recent = stub.Tail(agent_pb2.TailRequest(recent=1000))
        told = [one for answer in recent for one in answer.violations if one.policy == "lab"]
    assert {rule.id: rule.hits for rule in policy.rules if rule.hits} == {"secret": 4, "tool": 4, "discard": 4}
    assert 12 == len(told) == len({one.id for one in told})
    delete(agent, "lab")
    assert everything(before) == [0, 0, 0]


def test_entering_is_not_arming(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """A task that enters a scope is confined from its first exec there on, so that runtimes can set a container up."""
    push(agent, POLICY)
    entered = Actor(lab, executes=False)
    actors.append(entered)

    assert entered(f"read {SECRET}") == 0
    delete(agent, "lab")


def test_kill_is_sigkill(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """A rule that says kill ends the process that tried."""
    actors.append(Actor(lab))
    push(agent, POLICY)

    assert actors[0](f"exec {POISON}") == -signal.SIGKILL
    delete(agent, "lab")


def test_killed_agent_leaves_enforcement(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """After kill -9 everything is still refused, and the next agent adopts it."""
    actors.append(Actor(lab))
    push(agent, POLICY)
    agent.end(signal.SIGKILL)
    assert everything(actors[0]) == [errno.EPERM] * 3
    agent.start()

    assert agent.started()["adopted"]
    assert everything(actors[0]) == [errno.EPERM] * 3
    assert push(agent, POLICY).unchanged
    delete(agent, "lab")


def test_waiver_of_one_executable_ends_without_an_agent(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """One program may read for a while, another may not; with the agent killed the while still ends, at its time."""
    actors.append(Actor(lab))
    (waived,) = actors
    push(agent, POLICY)
    assert [waived(f"read {SECRET}"), waived(f"exec {READER}")] == [errno.EPERM, 2]
    begin = time.monotonic()
    until = datetime.now(UTC) + timedelta(seconds=15)
    text = WAIVER.format(exe=Path(sys.executable).resolve(), until=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert not push(agent, text).diagnostics
    assert [waived(f"read {SECRET}"), waived(f"exec {READER}")] == [0, 2]
    agent.end(signal.SIGKILL)
    assert waived(f"read {SECRET}") == 0
    while waived(f"read {SECRET}") == 0 and time.monotonic() - begin < 60:
        time.sleep(0.05)

    assert 13 < time.monotonic() - begin < 20
    assert everything(waived) == [errno.EPERM] * 3
    agent.start()
    with agent.stub() as stub:
        (listed,) = stub.List(agent_pb2.ListRequest()).waivers
    assert (listed.name, listed.expired) == ("reads", True)
    delete(agent, "lab")


def test_gate_opens_every_class(agent: AgentProcess, lab: Path, actors: list[Actor]) -> None:
    """The gate is open for all hooks at once."""
    actors.append(Actor(lab))
    push(agent, POLICY)
    assert agent.command("gate", "open").returncode == 0
    assert everything(actors[0]) == [0, 0, 0]
    assert agent.command("gate", "close").returncode == 0

    assert everything(actors[0]) == [errno.EPERM] * 3
    delete(agent, "lab")


def test_host_scope_that_locks_the_node_up_is_refused(agent: AgentProcess) -> None:
    """No program can be executed, nobody logs in: only with --force. A harmless host scope is accepted."""
    text = POLICY.replace("{cgroup: /lab}", "{host: true}")
    no_shells = text.replace(str(TOOL), "/bin/*sh")
    (problem,) = push(agent, no_shells, dry_run=True).diagnostics
    assert problem.code == "host-scope"
    assert not push(agent, no_shells, dry_run=True, force=True).diagnostics

    assert not push(agent, text).diagnostics
    outside = Actor(None)
    assert outside(f"read {SECRET}") == errno.EPERM
    outside.end()
    with agent.stub() as stub:
        assert stub.Status(agent_pb2.StatusRequest()).balances
    delete(agent, "lab")
    assert os.access(SECRET, os.R_OK)
    SECRET.read_text()


@pytest.mark.systemd
def test_unit_is_confined_when_it_starts(agent: AgentProcess) -> None:
    """A policy for a unit that is not running yet applies as soon as it is, and again after a restart."""
    unit = "ringfence-lab.service"
    response = push(agent, POLICY.replace("{cgroup: /lab}", f"{{unit: {unit}}}"))
    assert [one.code for one in response.diagnostics] == ["empty-scope"]
    for _ in range(2):
        script = f"sleep 1; exec cat {SECRET}"
        command = ["systemd-run", "--wait", "--collect", "--quiet", f"--unit={unit}", "/bin/sh", "-c", script]
        assert subprocess.run(command, check=False).returncode != 0
    with agent.stub() as stub:
        policy = stub.Get(agent_pb2.GetRequest(name="lab")).policy
    assert sum(rule.hits for rule in policy.rules) == 2
    delete(agent, "lab")
