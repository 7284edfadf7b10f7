"""What policies can say beyond paths and peers, where BPF LSM is active: decided in the kernel as it is written."""

import errno
import os
import platform
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, policy_pb2

from policy.model import syscalls
from tests.lab.test_agent import SECRET, TOOL, Actor, actors, agent, delete, files, lab, push, started
from tests.support.agent_process import AgentProcess

__all__ = ["actors", "agent", "files", "lab", "started"]

PLACE = SECRET.parent
#: Seconds that a waiver lives: long enough to be pushed under emulation.
LIFE = 20


def policy(*rules: str) -> str:
    """A policy for /lab; each rule without its id."""
    listed = "".join(f"    - {{id: r{number}, {rule}}}\n" for number, rule in enumerate(rules))
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: lab}\nspec:\n  scope: [{cgroup: /lab}]\n"
    return f"{head}  rules:\n{listed}"


def waiver(until: float) -> str:
    """Rule r0 allows everything until then (Unix seconds)."""
    end = datetime.fromtimestamp(int(until), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = f'{{policy: lab, rule: r0, reason: a test, owner: lab, expires: "{end}"}}'
    return f"apiVersion: ringfence.dev/v1\nkind: Waiver\nmetadata: {{name: soon}}\nspec: {spec}\n"


@pytest.fixture
def actor(lab: Path, actors: list[Actor]) -> Actor:
    actors.append(Actor(lab))
    return actors[0]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a file and a FIFO."""
    directory = PLACE / "language"
    directory.mkdir()
    (directory / "file").write_text("")
    os.mkfifo(directory / "fifo")
    yield directory
    for path in directory.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()


def accepted(agent: AgentProcess, text: str) -> None:
    """Push; what comes back are warnings at most."""
    assert not [one for one in push(agent, text).diagnostics if one.severity == policy_pb2.Diagnostic.SEVERITY_ERROR]


def test_a_refusal_answers_what_the_rule_says(agent: AgentProcess, actor: Actor) -> None:
    """Each class answers with the errno of the rule that decided, EPERM if it names none; violations tell it too."""
    accepted(
        agent,
        policy(
            f'file: {{paths: ["{SECRET}"], operations: [read]}}, action: deny, errno: EACCES',
            f'exec: {{paths: ["{TOOL}"]}}, action: deny, errno: ENOENT',
            "network: {operations: [connect], ports: [9]}, action: deny, errno: ECONNREFUSED",
            "network: {operations: [connect], ports: [10]}, action: deny, errno: EHOSTUNREACH",
            "network: {operations: [connect], ports: [11]}, action: deny, errno: ENETUNREACH",
            "network: {operations: [connect], ports: [12]}, action: deny",
        ),
    )

    assert actor(f"read {SECRET}") == errno.EACCES
    assert actor(f"exec {TOOL}") == errno.ENOENT
    found = [actor(f"connect {port}") for port in (9, 10, 11, 12, 13)]
    refusals = [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM]
    assert found == [*refusals, 0]
    with agent.stub() as stub:
        recent = stub.Tail(agent_pb2.TailRequest(recent=1000))
        told = [-one.verdict for answer in recent for one in answer.violations if one.policy == "lab"]
    assert told[-6:] == [errno.EACCES, errno.ENOENT, *refusals]
    delete(agent, "lab")
    assert actor(f"read {SECRET}") == 0


def test_files_are_told_apart_by_type(agent: AgentProcess, actor: Actor, place: Path) -> None:
    """The same names, another type: opened by what the inode says, made by what is asked for."""
    accepted(
        agent,
        policy(
            f'file: {{paths: ["{place}/**"], types: [fifo], operations: [read, create]}}, action: deny',
            f'file: {{paths: ["{place}/**"], types: [directory], operations: [create]}}, action: deny, errno: EROFS',
        ),
    )

    assert (actor(f"fifo {place}/fifo"), actor(f"read {place}/file")) == (errno.EPERM, 0)
    assert (actor(f"mkfifo {place}/other"), actor(f"mkdir {place}/other")) == (errno.EPERM, errno.EROFS)
    delete(agent, "lab")
    assert actor(f"mkdir {place}/other") == 0


def test_patterns_of_any_depth_stand_beside_directories(agent: AgentProcess, actor: Actor, place: Path) -> None:
    """`/**/name` decides where no rule written earlier does, for files and for who acts."""
    (place / "public").mkdir()
    keys = place / "id_key", place / "public" / "id_key"
    for key in keys:
        key.write_text("")
    accepted(
        agent,
        policy(
            f'file: {{paths: ["{place}/public/**"], operations: [read]}}, action: allow',
            'file: {paths: ["/**/id_key"], operations: [read]}, action: deny',
            f'subject: {{exe: ["/**/python3*"]}}, file: {{paths: ["{SECRET}"], operations: [read]}}, action: deny',
            f'subject: {{exe: ["/**/other"]}}, file: {{paths: ["{place}/file"], operations: [read]}}, action: deny',
        ),
    )

    assert [actor(f"read {key}") for key in keys] == [errno.EPERM, 0]
    assert (actor(f"read {SECRET}"), actor(f"read {place}/file")) == (errno.EPERM, 0)
    delete(agent, "lab")
    for key in keys:
        assert actor(f"read {key}") == 0
        key.unlink()


def test_a_system_call_kills(agent: AgentProcess, lab: Path, actor: Actor, actors: list[Actor]) -> None:
    """The process that makes the call is killed, in scope alone; the event says kill, and that nothing was refused."""
    actors.append(Actor(None))
    call = f"call {syscalls.numbers(platform.machine())['personality']}"
    accepted(agent, policy("syscall: {names: [personality]}, action: kill"))

    assert (actor(call), actors[-1](call)) == (-signal.SIGKILL, 0)
    with agent.stub() as stub:
        recent = stub.Tail(agent_pb2.TailRequest(recent=1000))
        told = [one for answer in recent for one in answer.violations if one.policy == "lab"]
    assert [(one.rule, one.effect, one.verdict) for one in told][-1] == ("r0", "kill", 0)
    delete(agent, "lab")
    assert actor(call) == 0


def test_a_waiver_ends_without_an_agent(agent: AgentProcess, actor: Actor) -> None:
    """The kernel alone knows the time: what was waived is refused again at the second, the agent killed meanwhile."""
    until = int(time.time()) + LIFE
    accepted(
        agent, policy(f'file: {{paths: ["{SECRET}"], operations: [read]}}, action: deny') + "---\n" + waiver(until)
    )
    agent.end(signal.SIGKILL)
    answer = actor(f"read {SECRET}")
    assert time.time() < until, "too slow to tell: the waiver had ended before it was tried"
    assert answer == 0

    time.sleep(until - time.time())
    assert actor(f"read {SECRET}") == errno.EPERM


def test_a_clock_that_is_set_moves_the_end(agent: AgentProcess, actor: Actor) -> None:
    """Set past the end, the clock ends a waiver once the agent has told the programs; set back, it lives again."""
    until = int(time.time()) + 3600
    accepted(
        agent, policy(f'file: {{paths: ["{SECRET}"], operations: [read]}}, action: deny') + "---\n" + waiver(until)
    )
    assert actor(f"read {SECRET}") == 0
    for seconds, expected in ((7200, errno.EPERM), (-7200, 0)):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        limit = time.monotonic() + 20
        while actor(f"read {SECRET}") != expected and time.monotonic() < limit:
            pass
        assert actor(f"read {SECRET}") == expected
