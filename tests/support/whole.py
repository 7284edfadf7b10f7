"""
All of it at once: collector, receiver of signed alerts, agent, and a cgroup to confine; nothing of it stays.

    with whole(tmp_path) as node:
        node.agent.push(network_policy("web", node.scope))
        node.attacker().attempt(count=23)
        node.receiver.wait(23)
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.kernel.enforcer import uninstall
from agent.kernel.pins import ensure_mounted
from agent.workloads.tree import find_mount
from tests.support.agent_process import AgentProcess
from tests.support.attacker import Attacker
from tests.support.collector_process import CollectorProcess, Receiver
from tests.support.compiled import CACHE, compiled_programs

NODE = "test"  # as AgentProcess calls itself
DEADLINE = 30.0


@dataclass
class Whole:
    """
    Attributes:
        scope: The cgroup's path as policies name it.
    """

    directory: Path
    cgroup: Path
    receiver: Receiver
    collector: CollectorProcess
    agent: AgentProcess
    stack: ExitStack

    @property
    def scope(self) -> str:
        return "/" + str(self.cgroup.relative_to(find_mount()))

    def attacker(self, cgroup: Path | None = None) -> Attacker:
        """One in that cgroup, or in the one that is confined."""
        return self.confine(Attacker.start(cgroup or self.cgroup))

    def outsider(self) -> Attacker:
        """One that is in no scope."""
        return self.confine(Attacker.start())

    def confine(self, attacker: Attacker) -> Attacker:
        """Have it ended before its cgroup goes."""
        self.stack.callback(attacker.stop)
        return attacker

    def violations(self) -> list[dict[str, Any]]:
        """Everything the collector has stored, newest first."""
        found: list[dict[str, Any]] = []
        cursor = None
        with self.collector.client() as client:
            while True:
                parameters = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
                page = client.get("/api/v1/violations", params=parameters).raise_for_status().json()
                found += page["violations"]
                if (cursor := page["next"]) is None:
                    return found

    def connected(self) -> bool:
        """Whether the collector hears from the agent."""
        with self.collector.client() as client:
            return bool(client.get("/api/v1/health").json()["connected"])

    def stop_collector(self) -> None:
        """The one that runs now."""
        self.collector.stop()

    def restart_collector(self) -> None:
        """Another one with the same state, at the same address."""
        self.collector = CollectorProcess(self.directory, self.receiver, grpc=self.collector.grpc)


def eventually(true: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for what other processes do together and nothing tells of."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def own_cgroup(name: str) -> Iterator[Path]:
    """A cgroup directly below the mount; it and what was made in it are gone afterwards."""
    path = find_mount() / name
    path.mkdir()
    try:
        yield path
    finally:
        for directory in sorted((one for one in path.rglob("*") if one.is_dir()), reverse=True):
            _remove(directory)
        _remove(path)


def _remove(cgroup: Path) -> None:
    """A process that was killed leaves its cgroup a moment after it was waited for."""
    until = time.monotonic() + 5
    while True:
        try:
            return cgroup.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


@contextmanager
def own_pins(name: str) -> Iterator[Path]:
    """A place for pins; what is pinned there is gone afterwards."""
    ensure_mounted()
    root = Path("/sys/fs/bpf") / name
    try:
        yield root
    finally:
        uninstall(root)
        with suppress(FileNotFoundError):
            shutil.rmtree(root)


@contextmanager
def whole(directory: Path, *, cgroup: Path | None = None, pins: Path | None = None) -> Iterator[Whole]:
    """Everything runs, and the collector hears from the agent."""
    compiled_programs()
    name = f"ringfence-whole-{os.getpid()}-{time.monotonic_ns()}"
    with ExitStack() as stack:
        pins = pins or stack.enter_context(own_pins(name))
        cgroup = cgroup or stack.enter_context(own_cgroup(name))
        receiver = Receiver()
        stack.callback(receiver.close)
        collector = CollectorProcess(directory, receiver)
        agent_directory = directory / "agent"
        agent_directory.mkdir()
        settings = f'mode = "cgroup"\nlog_level = "info"\n[collector]\naddress = "{collector.grpc}"'
        agent = AgentProcess(agent_directory, pins, CACHE, settings)
        node = Whole(directory, cgroup, receiver, collector, agent, stack)
        stack.callback(node.stop_collector)
        stack.callback(agent.stop)
        agent.start()
        eventually(node.connected)
        yield node
