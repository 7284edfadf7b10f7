"""What the agent itself costs, natively: the time it takes to start, and its memory a while after a push."""

import os
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.push import policy
from tests.support.agent_process import AgentProcess
from tests.support.compiled import CACHE
from tests.support.whole import own_pins, whole

STARTS = 3


def memory(rules: int = 1_000, seconds: float = 60) -> dict[str, float]:
    """
    MiB of the agent, collector connected, so long after a push of that many rules.

    `resident` is the long-lived process; `together` is the sum over it and its children, shared pages split.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, whole(Path(directory)) as node:
        node.agent.push(policy(node.scope, 9, rules))
        time.sleep(seconds)  # a minute after is what the budget says
        assert node.agent.process is not None
        agent = psutil.Process(node.agent.process.pid)
        family = [agent, *agent.children(recursive=True)]
        together = sum(one.memory_full_info().pss for one in family)
        return {"resident": agent.memory_info().rss / 2**20, "together": together / 2**20, "processes": len(family)}


def starts(cached: bool) -> list[float]:
    """
    Seconds from the start of the process until it is ready, STARTS times; nothing is pinned before each.

    The first of all is not counted: what a machine reads from its disk once, it has in memory afterwards.
    """
    return [_start(cached) for _ in range(1 + STARTS)][1:]


def _start(cached: bool) -> float:
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as directory,
        own_pins(f"ringfence-start-{os.getpid()}") as pins,
    ):
        cache = CACHE if cached else Path(directory) / "cache"
        agent = AgentProcess(Path(directory), pins, cache, 'mode = "cgroup"')
        began = time.perf_counter()
        try:
            agent.start()
            return time.perf_counter() - began
        finally:
            agent.stop()
