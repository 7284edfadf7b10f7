"""What the guides show of a node is what an agent in the kernel that runs answers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2

from agent.workloads.tree import find_mount
from tests.support.agent_process import AgentProcess
from tests.support.compiled import CACHE
from tests.support.guides import Guide, Result

#: Commands that an agent answers; the others are run without one.
ASKS_AGENT = re.compile(r"agentctl (policy (push|list|get|delete|confirm)|waiver|violations)\b[^|;&<>$`]*")
#: What differs from one run to the next.
VOLATILE = [
    (re.compile(r"\d+\.\d ms"), "TIME"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ][0-9:.]+Z)?"), "DATE"),
    (re.compile(r"\b\d+d \d+h\b"), "LEFT"),
    (re.compile(r"/[-\w./]*/shop\.service"), "CGROUP"),
    (re.compile(r"by \S+\[\d+\]"), "by PROCESS"),
    (re.compile(r"(exe-incomplete)? +\S+:[0-9a-f]{8}:[vo]\d+"), " ID"),
    (re.compile(r"[-─ ]+"), " "),
]
#: What the shop does between the push and the look.
SHOP = """
import socket
for address in (("10.0.3.7", 5432), ("192.0.2.10", 443), ("169.254.169.254", 80)):
    with socket.socket(type=socket.SOCK_DGRAM) as found:
        found.connect_ex(address)
"""
CONNECTIONS = 3
DEADLINE = 30.0


@pytest.fixture
def agent(tmp_path: Path, pins: Path, shop: Path) -> Iterator[AgentProcess]:
    """A running agent; nothing of it is left afterwards."""
    running = AgentProcess(tmp_path, pins, CACHE, 'mode = "cgroup"').start()
    yield running
    running.stop()


@pytest.fixture
def shop() -> Iterator[Path]:
    """The cgroup that systemd would have made for the unit of the guides: below a slice, and a slice of our own."""
    path = find_mount() / f"ringfence-test-{os.getpid()}.slice" / "shop.service"
    path.mkdir(parents=True)
    yield path
    path.rmdir()
    path.parent.rmdir()


def steady(text: str) -> str:
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return text


@pytest.mark.parametrize("name", ["policy-language.md", "waivers.md"])
def test_what_a_guide_shows_of_a_node_is_what_it_answers(
    agent: AgentProcess, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The commands of a guide that need an agent print what stands there, times and processes apart."""
    monkeypatch.chdir(tmp_path)

    def run(command: str) -> Result:
        for file in tmp_path.glob("*.yaml"):
            file.write_text(lasting(file.read_text()))
        if command.startswith("agentctl violations"):
            use(shop)
            until_told(agent)
        done = agent.agentctl(*command.split()[1:])
        return Result(done.stderr + done.stdout, done.returncode)

    for shown, real in Guide(name, lambda command: ASKS_AGENT.fullmatch(command) is not None).play(
        tmp_path, run, steady
    ):
        assert shown == real


def until_told(agent: AgentProcess) -> None:
    """Wait until every connection of the shop has come up from the kernel."""
    with agent.stub() as stub:
        found, until = 0, time.monotonic() + DEADLINE
        for response in stub.Tail(agent_pb2.TailRequest(recent=100, follow=True), timeout=DEADLINE):
            found += len(response.violations)
            if found >= CONNECTIONS:
                return
            assert time.monotonic() < until


def lasting(text: str) -> str:
    """Waivers that have not ended, whenever the test is run."""
    later = (datetime.now(UTC) + timedelta(days=40)).strftime("%Y-%m-%d")
    return re.sub(r"expires: [-\d]+", f"expires: {later}", text)


def use(cgroup: Path) -> None:
    """Let the shop do what it does."""
    enter = f"open({str(cgroup / 'cgroup.procs')!r}, 'w').write('0')\n"
    subprocess.run([sys.executable, "-c", enter + SHOP], check=True, env=os.environ, timeout=30)
