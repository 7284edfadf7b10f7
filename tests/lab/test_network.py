"""Sockets where BPF LSM is active: every operation but `accept`, by addresses and by the names of unix sockets."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, violation_pb2

from tests.lab.test_agent import SECRET, Actor, actors, agent, delete, files, lab, started
from tests.lab.test_language import accepted, policy
from tests.support.agent_process import AgentProcess

__all__ = ["actors", "agent", "files", "lab", "started"]

#: Before what an actor runs: each line is one attempt in Python, and what it raises is the answer.
HEAD = """
import socket
from socket import *
STREAM, DGRAM, SEQ = SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
"""
PLACE = SECRET.parent / "sockets"


class Runner(Actor):
    """An actor that does what a line of Python says; sockets stay in a dictionary `k`."""

    PROGRAM = HEAD + (
        "import sys\n"
        "k = {}\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        "        if not line.startswith('read '):\n"
        "            exec(line)\n"
        "        print(0, flush=True)\n"
        "    except OSError as error:\n"
        "        print(error.errno, flush=True)\n"
    )


@pytest.fixture
def runner(lab: Path, actors: list[Actor]) -> Actor:
    actors.append(Runner(lab))
    return actors[-1]


@pytest.fixture
def place() -> Iterator[Path]:
    PLACE.mkdir()
    yield PLACE
    for path in PLACE.iterdir():
        path.unlink()
    PLACE.rmdir()


#: What every test may use: servers of the actor's own, made before the policy.
SERVERS = (
    "k['t4'] = create_server(('127.0.0.1', 7001)); k['u4'] = socket(AF_INET, DGRAM); k['u4'].bind(('127.0.0.1', 7002))",
    "k['t6'] = create_server(('::1', 7003), family=AF_INET6)",
    f"k['path'] = socket(AF_UNIX, STREAM); k['path'].bind('{PLACE}/stream'); k['path'].listen(9)",
    f"k['dpath'] = socket(AF_UNIX, DGRAM); k['dpath'].bind('{PLACE}/dgram')",
    "k['abs'] = socket(AF_UNIX, STREAM); k['abs'].bind('\\0rf/stream'); k['abs'].listen(9)",
    "k['seq'] = socket(AF_UNIX, SEQ); k['seq'].bind('\\0rf/seq'); k['seq'].listen(9)",
    "k['dabs'] = socket(AF_UNIX, DGRAM); k['dabs'].bind('\\0rf/d\\0gram')",
    # connected before the policy: what they send is asked all the same
    "k['c4'] = create_connection(('127.0.0.1', 7001)); k['c6'] = create_connection(('::1', 7003))",
    "k['cu'] = socket(AF_INET, DGRAM); k['cu'].connect(('127.0.0.1', 7002))",
    f"k['cpath'] = socket(AF_UNIX, STREAM); k['cpath'].connect('{PLACE}/stream')",
    "k['cabs'] = socket(AF_UNIX, STREAM); k['cabs'].connect('\\0rf/stream')",
    "k['cseq'] = socket(AF_UNIX, SEQ); k['cseq'].connect('\\0rf/seq')",
    f"k['cd'] = socket(AF_UNIX, DGRAM); k['cd'].connect('{PLACE}/dgram')",
)

#: Attempt, the object that its event shows, and its operations as bits of the network class.
CONNECT, BIND, LISTEN, SEND, CREATE = 1, 2, 4, 16, 32
ATTEMPTS: dict[str, list[tuple[str, str, int]]] = {
    "connect": [
        ("socket(AF_INET, STREAM).connect(('127.0.0.1', 7001))", "127.0.0.1:7001", CONNECT),
        ("socket(AF_INET6, STREAM).connect(('::1', 7003))", "[::1]:7003", CONNECT),
        ("socket(AF_INET, DGRAM).connect(('127.0.0.1', 7002))", "127.0.0.1:7002", CONNECT),
        ("socket(AF_INET, DGRAM).sendto(b'x', ('127.0.0.1', 7002))", "127.0.0.1:7002", CONNECT | SEND),
        (f"socket(AF_UNIX, STREAM).connect('{PLACE}/stream')", f"{PLACE}/stream", CONNECT),
        (f"socket(AF_UNIX, DGRAM).connect('{PLACE}/dgram')", f"{PLACE}/dgram", CONNECT | SEND),
        ("socket(AF_UNIX, STREAM).connect('\\0rf/stream')", "@rf/stream", CONNECT),
        ("socket(AF_UNIX, SEQ).connect('\\0rf/seq')", "@rf/seq", CONNECT),
        ("socket(AF_UNIX, DGRAM).sendto(b'x', '\\0rf/d\\0gram')", "@rf/d\\x00gram", CONNECT | SEND),
    ],
    "send": [
        ("k['c4'].send(b'x')", "127.0.0.1:7001", SEND),
        ("k['c6'].send(b'x')", "[::1]:7003", SEND),
        ("k['cu'].send(b'x')", "127.0.0.1:7002", SEND),
        ("socket(AF_INET, DGRAM).sendto(b'x', ('127.0.0.1', 7002))", "127.0.0.1:7002", CONNECT | SEND),
        ("k['cpath'].send(b'x')", f"{PLACE}/stream", SEND),
        ("k['cabs'].send(b'x')", "@rf/stream", SEND),
        ("k['cseq'].send(b'x')", "@rf/seq", SEND),
        ("k['cd'].send(b'x')", f"{PLACE}/dgram", SEND),
    ],
    "bind": [
        ("socket(AF_INET, STREAM).bind(('127.0.0.1', 7011))", "127.0.0.1:7011", BIND),
        ("socket(AF_INET6, STREAM).bind(('::1', 7011))", "[::1]:7011", BIND),
        ("socket(AF_INET, DGRAM).bind(('127.0.0.1', 7011))", "127.0.0.1:7011", BIND),
        (
            f"import os; s = socket(AF_UNIX, STREAM); s.bind('{PLACE}/new'); os.unlink('{PLACE}/new')",
            f"{PLACE}/new",
            BIND,
        ),
        ("socket(AF_UNIX, STREAM).bind('\\0rf/new')", "@rf/new", BIND),
    ],
    "listen": [
        ("k['t4'].listen(5)", "127.0.0.1:7001", LISTEN),
        ("k['t6'].listen(5)", "[::1]:7003", LISTEN),
        ("k['path'].listen(5)", f"{PLACE}/stream", LISTEN),
        ("k['abs'].listen(5)", "@rf/stream", LISTEN),
    ],
}


def told(agent: AgentProcess) -> list[violation_pb2.Violation]:
    with agent.stub() as stub:
        recent = stub.Tail(agent_pb2.TailRequest(recent=1000))
        return [one for answer in recent for one in answer.violations if one.policy == "lab"]


def hits(agent: AgentProcess) -> int:
    with agent.stub() as stub:
        return sum(rule.hits for rule in stub.Get(agent_pb2.GetRequest(name="lab")).policy.rules)


@pytest.mark.parametrize("operation", ATTEMPTS)
def test_operations_are_refused_by_address_and_name(
    agent: AgentProcess, runner: Actor, place: Path, operation: str
) -> None:
    """Allowed, refused with the errno of the rule while the policy lives, each told once by its object, and allowed."""
    attempts = ATTEMPTS[operation]
    assert [runner(line) for line in SERVERS] == [0] * len(SERVERS)
    assert [runner(line) for line, _, _ in attempts] == [0] * len(attempts)
    before = len(told(agent))
    accepted(
        agent,
        policy(
            f'network: {{operations: [{operation}], to: ["127.0.0.0/8", "::1"], ports: ["7000-7099"]}}, action: deny, '
            "errno: EACCES",
            f'network: {{operations: [{operation}], unix: ["{PLACE}/*", "@rf/**"]}}, action: deny, errno: ENOENT',
        ),
    )

    refusals = [errno.EACCES if ":" in shown else errno.ENOENT for _, shown, _ in attempts]
    assert [runner(line) for line, _, _ in attempts] == refusals
    assert hits(agent) == len(attempts)
    found = told(agent)[before:]
    assert [one.object for one in found] == [shown for _, shown, _ in attempts]
    delete(agent, "lab")
    assert [runner(line) for line, _, _ in attempts] == [0] * len(attempts)


def test_sockets_are_made_by_family_and_protocol(agent: AgentProcess, runner: Actor) -> None:
    """What is refused is the family, or the protocol that a type stands for; the default reaches no creation."""
    makes = ("AF_INET, STREAM", "AF_INET6, DGRAM", "AF_UNIX, STREAM", "AF_NETLINK, SOCK_RAW")
    accepted(
        agent,
        policy(
            "network: {operations: [create], families: [inet], protocols: [tcp]}, action: deny, errno: EACCES",
            "network: {operations: [create], families: [unix, netlink]}, action: deny",
        ),
    )

    assert [runner(f"socket({make})") for make in makes] == [errno.EACCES, 0, errno.EPERM, errno.EPERM]
    assert runner("socketpair()") == errno.EPERM
    assert hits(agent) == 4
    delete(agent, "lab")
    assert [runner(f"socket({make})") for make in makes] == [0] * 4


def test_unix_sockets_are_peers_where_a_policy_names_them(agent: AgentProcess, runner: Actor, place: Path) -> None:
    """A default refuses addresses; sockets with a name only where some rule is about such sockets."""
    assert [runner(line) for line in SERVERS] == [0] * len(SERVERS)
    head = policy().replace("  rules:\n", "  defaults: {network: deny}\n")
    connects = [f"socket(AF_UNIX, STREAM).connect({name})" for name in (f"'{PLACE}/stream'", "'\\0rf/stream'")]
    accepted(agent, head + "  rules: []\n")
    assert [runner(line) for line in (*connects, "k['cpath'].send(b'x')", "k['c4'].send(b'x')")] == [0, 0, 0, 1]

    accepted(
        agent,
        head + '  rules:\n    - {id: abstract, network: {operations: [connect], unix: ["@rf/*"]}, action: allow}\n',
    )
    assert [runner(line) for line in (*connects, "k['cpath'].send(b'x')")] == [errno.EPERM, 0, errno.EPERM]


def test_a_name_is_the_one_that_a_socket_has_now(agent: AgentProcess, runner: Actor, place: Path) -> None:
    """Renamed, a socket is the new name; through a link it is what it is; removed, it has none."""
    assert [runner(line) for line in SERVERS] == [0] * len(SERVERS)
    (place / "link").symlink_to(place / "stream")
    accepted(agent, policy(f'network: {{operations: [connect, send], unix: ["{PLACE}/stream"]}}, action: deny'))
    connect = f"socket(AF_UNIX, STREAM).connect('{PLACE}/{{}}')"

    assert runner(connect.format("link")) == errno.EPERM
    (place / "stream").rename(place / "moved")
    assert runner(connect.format("moved")) == 0
    (place / "moved").rename(place / "stream")
    assert runner("k['cpath'].send(b'x')") == errno.EPERM
    (place / "stream").unlink()
    assert runner("k['cpath'].send(b'x')") == 0
