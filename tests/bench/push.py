"""
From a push to enforcement, natively: `python -m tests.bench.push [--count N] [--rules N] [--out FILE]`.

Two policies of a name take turns, so that each push changes every rule. Each goes through the agent's socket with a
collector connected, as from agentctl but without its start. After each one, a process that ran before tries what the
new one refuses and what only the one before refused.

    enforced    as the agent tells it: from the order's arrival to the switch
    answered    as a client sees it: from the call to its answer, in which the policy is enforced already
"""

import argparse
import errno
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from ringfence.v1 import agent_pb2, policy_pb2

from tests.support.quantiles import summary
from tests.support.whole import Whole, whole

PORTS = (9, 10)


def policy(scope: str, port: int, rules: int) -> str:
    """A policy whose last rule refuses that port of this machine; every rule names the port."""
    others = "".join(
        f"    - {{id: r{number}, network: {{operations: [connect], to: [10.{number // 256}.{number % 256}.0/24],"
        f" ports: [{port}]}}, action: deny}}\n"
        for number in range(rules - 1)
    )
    return (
        "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: bench}\nspec:\n"
        f"  scope:\n    - cgroup: {json.dumps(scope)}\n  rules:\n{others}"
        f"    - id: last\n      network: {{operations: [connect], to: [127.0.0.1/32], ports: [{port}]}}\n"
        "      action: deny\n"
    )


def measure(node: Whole, count: int, rules: int) -> dict[str, Any]:
    """
    Push `count` times.

    Raises:
        RuntimeError: A push was refused, or the kernel did not do what the policy just pushed says.
    """
    worker = node.attacker()
    texts = [policy(node.scope, port, rules) for port in PORTS]
    enforced: list[float] = []
    answered: list[float] = []
    with node.agent.stub() as stub:
        for number in range(count):
            documents = [policy_pb2.PolicyDocument(file="bench.yaml", yaml=texts[number % 2])]
            began = time.monotonic_ns()
            response = stub.Push(agent_pb2.PushRequest(documents=documents))
            answered.append((time.monotonic_ns() - began) / 1e6)
            enforced.append(response.enforced_after_ns / 1e6)
            answers = [worker.attempt(port=PORTS[(number + other) % 2]).answers for other in (0, 1)]
            if response.diagnostics or answers != [{errno.EPERM: 1}, {0: 1}]:
                raise RuntimeError(f"push {number}: {response.diagnostics} {answers}")
    return {
        "pushes": count,
        "rules": rules,
        "enforced_ms": summary(enforced),
        "answered_ms": summary(answered),
    }


def main() -> None:
    """Measure, and print it as JSON and as a line."""
    parser = argparse.ArgumentParser(description="from a push to enforcement")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rules", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, whole(Path(directory)) as node:
        found = measure(node, options.count, options.rules)
    print(json.dumps(found))
    enforced, answered = found["enforced_ms"], found["answered_ms"]
    print(
        f"push → enforced: p50 {enforced['p50']} ms, p99 {enforced['p99']} ms; answered: p50 {answered['p50']} ms, "
        f"p99 {answered['p99']} ms; {found['pushes']} pushes of {found['rules']} rules, every one changed"
    )


if __name__ == "__main__":
    main()
