"""
From a violation in the kernel to its alert, natively: `python -m tests.bench.alert [--count N] [--rate N]`.

A process in scope tries what its policy refuses, at a steady pace. Kernel, ring, spool, stream, store, rules and
webhook are all real; the latency is from the kernel's time in the violation to the arrival of the signed request that
carries it, by one clock.
"""

import argparse
import errno
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.support.agent_process import network_policy
from tests.support.quantiles import summary
from tests.support.whole import Whole, whole

WARM_UP = 20


def measure(node: Whole, count: int, rate: float) -> dict[str, Any]:
    """
    Have `count` attempts refused.

    Raises:
        RuntimeError: One was not refused, or made no alert of its own, or one whose signature is wrong.
    """
    node.agent.push(network_policy("web", node.scope))
    worker, receiver = node.attacker(), node.receiver
    worker.attempt(count=WARM_UP)  # connections are opened, code is loaded: a minute of running does as much
    receiver.wait(WARM_UP)
    before = len(receiver.ids)
    volley = worker.attempt(count=count, rate=rate)
    receiver.wait(WARM_UP + count)
    ids, latencies = receiver.ids[before:], receiver.latencies[before:]
    if volley.answers != {errno.EPERM: count} or len(ids) != len(set(ids)) or len(ids) != count or receiver.forged:
        raise RuntimeError(f"{volley}, {len(ids)} alerts, {len(set(ids))} different, {receiver.forged} forged")
    return {"alerts": count, "per_second": round((count - 1) / volley.seconds), "alert_ms": summary(latencies)}


def main() -> None:
    """Measure, and print it as JSON and as a line."""
    parser = argparse.ArgumentParser(description="from a violation to its alert")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1000, help="attempts a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, whole(Path(directory)) as node:
        found = measure(node, options.count, options.rate)
    print(json.dumps(found))
    alert = found["alert_ms"]
    print(
        f"violation → alert: p50 {alert['p50']} ms, p99 {alert['p99']} ms; "
        f"{found['alerts']} violations at {found['per_second']} a second, signed webhook"
    )


if __name__ == "__main__":
    main()
