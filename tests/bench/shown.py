"""
What the page learns and how soon, natively: `python -m tests.bench.shown [--count N] [--rate N] [--pushes N]`.

The page's own event stream is read by a client of this machine, so what a browser takes to draw is not in it.

    violation   from the kernel's time in it to the end of its event, at a steady rate
    policies    from the agent's answer to a push to the event that says what is pushed now
"""

import argparse
import errno
import json
import queue
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from ringfence.v1 import agent_pb2, policy_pb2

from tests.bench.push import PORTS, policy
from tests.support.agent_process import network_policy
from tests.support.quantiles import summary
from tests.support.whole import Whole, whole

DEADLINE = 30.0


@dataclass
class Watch:
    """
    Reads the event stream in a thread.

    Attributes:
        latencies: Milliseconds, of each violation.
        policies: Monotonic seconds at which the policies of a node were said to have changed.
    """

    node: Whole
    latencies: list[float] = field(default_factory=list)
    policies: queue.SimpleQueue[float] = field(default_factory=queue.SimpleQueue)
    joined: threading.Event = field(default_factory=threading.Event)

    def start(self) -> "Watch":
        threading.Thread(target=self._read, daemon=True).start()
        if not self.joined.wait(DEADLINE):
            raise RuntimeError("the event stream says nothing")
        return self

    def _read(self) -> None:
        collector = self.node.collector
        headers = {"Authorization": f"Bearer {collector.token}"}
        address = collector.web + "/api/v1/events"
        with httpx.stream("GET", address, headers=headers, timeout=DEADLINE, trust_env=False) as answer:
            kind = ""
            for line in answer.iter_lines():
                self.joined.set()
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    self._take(kind, line[6:])

    def _take(self, kind: str, data: str) -> None:
        if kind == "policies":
            self.policies.put(time.monotonic())
        elif kind == "violations":
            now = time.time_ns()
            self.latencies += [(now - int(violation["unix_ns"])) / 1e6 for violation in json.loads(data)]

    def until(self, count: int) -> list[float]:
        """
        Latencies, once there are so many.

        Raises:
            RuntimeError: They do not come.
        """
        end = time.monotonic() + DEADLINE
        while len(self.latencies) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"{len(self.latencies)} of {count} violations were shown")
            time.sleep(0.01)
        return self.latencies[:count]


def violations(node: Whole, watch: Watch, count: int, rate: float) -> list[float]:
    """
    Milliseconds of each of `count` violations.

    Raises:
        RuntimeError: One was not refused, or is not shown.
    """
    node.agent.push(network_policy("web", node.scope))
    volley = node.attacker().attempt(count=count, rate=rate)
    if volley.answers != {errno.EPERM: count}:
        raise RuntimeError(f"not all were refused: {volley}")
    return watch.until(count)


def pushes(node: Whole, watch: Watch, count: int) -> list[float]:
    """Milliseconds of each of `count` pushes; 0: the page knew before the client did."""
    found = []
    with node.agent.stub() as stub:
        for number in range(count):
            while not watch.policies.empty():
                watch.policies.get()
            text = policy(node.scope, PORTS[number % 2], 10)
            stub.Push(agent_pb2.PushRequest(documents=[policy_pb2.PolicyDocument(file="bench.yaml", yaml=text)]))
            answered = time.monotonic()
            found.append(max(0.0, (watch.policies.get(timeout=DEADLINE) - answered) * 1e3))
    return found


def main() -> None:
    """Measure, and print it as JSON."""
    parser = argparse.ArgumentParser(description="what the page learns, and how soon")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=1000, help="attempts a second")
    parser.add_argument("--pushes", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, whole(Path(directory)) as node:
        watch = Watch(node).start()
        found: dict[str, Any] = {
            "violations": options.count,
            "violation_ms": summary(violations(node, watch, options.count, options.rate)),
            "pushes": options.pushes,
            "policies_ms": summary(pushes(node, watch, options.pushes)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
