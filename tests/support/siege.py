"""
kill -9 of agent, collector and loader at random moments, while a process in scope goes on trying and policies change.

    siege = Siege(node, random.Random(1))
    for _ in range(50):
        siege.round()
    siege.settle()
"""

import errno
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import psutil

from tests.support.agent_process import BIN, network_policy
from tests.support.whole import Whole, eventually

ATTEMPTS, RATE = 100, 200.0
SETTLE_SECONDS = 60.0
LOADER_SECONDS = 1.5  # it is done by then on an idle machine


class Siege:
    """
    Attributes:
        kills: How often each was killed.
        refused: Attempts that were refused; every one must be a violation.
        enforced: The policy is live, so that whatever happens every attempt must be refused; before, none may be.
    """

    def __init__(self, node: Whole, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.refused = 0
        self.enforced = False
        self._node = node
        self._chance = chance
        self._attacker = node.attacker()
        self._text = network_policy("web", node.scope)
        self._turn = 0

    def begin_to_enforce(self) -> None:
        """From here on every attempt must be refused."""
        self._node.agent.push(self._text)
        self.enforced = True

    def round(self, victim: str = "") -> None:
        """Kill one of them while attempts are made, and start it again; random if none is named."""
        victim = victim or self._chance.choice(("agent", "agent", "collector", "loader"))
        self._attacker.begin(count=ATTEMPTS, rate=RATE)
        {"agent": self._kill_agent, "collector": self._kill_collector, "loader": self._kill_loader}[victim]()
        self.kills[victim] += 1
        self._check(self._attacker.answer().answers)

    def _check(self, answers: dict[int, int]) -> None:
        wanted = errno.EPERM if self.enforced else 0
        assert answers == {wanted: ATTEMPTS}, f"after {dict(self.kills)}: {answers}"
        self.refused += answers.get(errno.EPERM, 0)

    # ---- one victim each

    def _kill_agent(self) -> None:
        """While it streams, while a policy is pushed, or while it starts."""
        moment = self._chance.choice(("streaming", "pushing", "starting"))
        if moment == "pushing" and self.enforced:
            push = self._push_another()
            self._wait(0.6)  # agentctl starts, the agent compiles, installs, writes down, answers
            self._node.agent.end(signal.SIGKILL)
            push.wait(60)
        else:
            self._wait(0.4)
            self._node.agent.end(signal.SIGKILL)
        if moment == "starting":
            starting = self._spawn_agent({})
            self._wait(1.5)
            _end(starting)
        self._node.agent.start()

    def _kill_collector(self) -> None:
        self._wait(0.4)
        self._node.collector.kill()
        self._node.restart_collector()

    def _kill_loader(self) -> None:
        """Of an agent that finds no compiled programs: it must not begin with half of them."""
        self._node.agent.end(signal.SIGKILL)
        cache = self._node.directory / f"cache-{sum(self.kills.values())}"
        agent = self._spawn_agent({"RINGFENCE_AGENT_CACHE": str(cache)})
        loader = _child(agent.pid, "agent.loader")
        self._wait(LOADER_SECONDS)
        if loader is not None and loader.is_running():
            loader.kill()
            agent.wait(30)
        _end(agent)
        self._node.agent.start()

    def _wait(self, most: float) -> None:
        """A random moment is what is tested."""
        time.sleep(self._chance.uniform(0, most))

    def _push_another(self) -> "subprocess.Popen[str]":
        """Change another policy of the same cgroup, so that a new generation refuses the same."""
        self._turn += 1
        text = network_policy("other", self._node.scope).replace("ports: [9]", f"ports: [{1000 + self._turn}]")
        environment = os.environ | {"RINGFENCE_SOCKET": str(self._node.agent.socket)}
        command = [BIN / "agentctl", "policy", "push", "-"]
        quiet = subprocess.DEVNULL
        push = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True)
        assert push.stdin
        with push.stdin as stdin:
            stdin.write(text)
        return push

    def _spawn_agent(self, more: dict[str, str]) -> "subprocess.Popen[bytes]":
        command = [BIN / "ringfence-agent", "run", "--config", self._node.agent.config]
        return subprocess.Popen(command, env=os.environ | more, stderr=subprocess.DEVNULL)

    # ---- afterwards

    def settle(self) -> None:
        """
        When all are well again the accounts agree: attempts refused, the kernel's counts, the collector's rows, alerts.
        """
        node = self._node
        node.receiver.wait(self.refused, SETTLE_SECONDS)
        eventually(lambda: self._status().get("balances", False), SETTLE_SECONDS)
        stored = [one["id"] for one in node.violations()]
        assert self.refused == len(stored) == len(set(stored)), (self.refused, len(stored), len(set(stored)))
        assert self._kernel() == self.refused
        assert self._hits() == self.refused
        assert node.receiver.wait(self.refused) == {f"{one}@all" for one in stored}
        assert node.receiver.forged == 0

    def _kernel(self) -> int:
        """Violations that the programs made since they were installed, whoever was alive then."""
        (hop,) = (hop for hop in self._status()["hops"] if hop["hop"] == "kernel")
        return int(hop["in"])

    def _hits(self) -> int:
        """The rule's counter, over all generations."""
        policy = _json(self._node, "policy", "get", "web")
        return sum(int(rule["hits"]) for rule in policy["rules"])

    def _status(self) -> dict[str, Any]:
        return _json(self._node, "status")


def _json(node: Whole, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.agent.agentctl(*arguments, "-o", "json").stdout)
    return found


def _child(parent: int, module: str, seconds: float = 20.0) -> psutil.Process | None:
    """The child that runs this module, as soon as there is one; None: the parent ended first."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            children = psutil.Process(parent).children()
            found = [child for child in children if module in child.cmdline()]
        except psutil.NoSuchProcess:
            continue
        if found:
            return found[0]
        time.sleep(0.002)
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(10)
