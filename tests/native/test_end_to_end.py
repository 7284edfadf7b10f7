"""
The main job in the kernel that runs: policy, kernel, ring, spool, stream, store, alert; every part real.

Network rules on cgroups of the test's own; collector, agent and receiver on the loopback, at ports that were free.
"""

import errno
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import alert, push
from tests.support.agent_process import network_policy
from tests.support.attacker import Attacker
from tests.support.whole import Whole, eventually, whole

REFUSED, ALLOWED = errno.EPERM, 0
BEFORE, LATER = 12, 11  # 23 together


@pytest.fixture
def node(tmp_path: Path, pins: Path, cgroup: Path) -> Iterator[Whole]:
    """Agent and collector, talking to each other; nothing of them is left afterwards."""
    with whole(tmp_path, cgroup=cgroup, pins=pins) as running:
        yield running


def answer(attacker: Attacker) -> int:
    """What the kernel says to one attempt: an errno, or 0."""
    (found,) = attacker.attempt().answers
    return found


def rule_hits(node: Whole) -> int:
    """The rule's counter in the kernel, as agentctl tells it."""
    policy = json.loads(node.agent.agentctl("policy", "get", "web", "-o", "json").stdout)
    return sum(rule["hits"] for rule in policy["rules"])


def collector_hits(node: Whole) -> int:
    """The same, as the collector was last told."""
    with node.collector.client() as client:
        policies = client.get("/api/v1/policies").raise_for_status().json()["policies"]
    return sum(rule["hits"] for policy in policies for rule in policy["rules"])


def test_refused_from_the_push_to_the_delete_and_counted_everywhere(node: Whole) -> None:
    """
    Allowed, pushed, refused with EPERM, deleted, allowed: to a process that ran before the push and to one in a child
    cgroup made later; never outside the scope. 23 attempts are 23 in the kernel's counter, in the collector, and as
    alerts: the same 23.
    """
    before, outside = node.attacker(), node.outsider()
    assert answer(before) == ALLOWED
    node.agent.push(network_policy("web", node.scope))
    child = node.cgroup / "made-later"
    child.mkdir()
    later = node.attacker(child)

    assert before.attempt(count=BEFORE).answers == {REFUSED: BEFORE}
    assert later.attempt(count=LATER).answers == {REFUSED: LATER}
    assert outside.attempt(count=5).answers == {ALLOWED: 5}
    alerts = node.receiver.wait(23)
    stored = node.violations()

    assert rule_hits(node) == 23
    assert 23 == len(stored) == len({one["id"] for one in stored})
    assert alerts == {f"{one['id']}@all" for one in stored}
    assert (len(node.receiver.ids), node.receiver.forged) == (23, 0)
    told = Counter((one["policy"], one["rule"], one["effect"], one["object"], one["cgroup"]) for one in stored)
    refusal = ("web", "no-discard", "deny", "127.0.0.1:9")
    assert told == {(*refusal, node.scope): BEFORE, (*refusal, f"{node.scope}/made-later"): LATER}
    eventually(lambda: collector_hits(node) == 23)
    assert node.agent.agentctl("status").returncode == 0

    assert node.agent.agentctl("policy", "delete", "web").returncode == 0
    assert [answer(one) for one in (before, later, outside)] == [ALLOWED] * 3
    assert len(node.violations()) == 23


def test_pushed_and_deleted_through_the_collector(node: Whole) -> None:
    """What the page does: validate, push to the node, delete; the agent carries it out and the kernel follows."""
    inside = node.attacker()
    documents = [{"file": "web.yaml", "yaml": network_policy("web", node.scope)}]
    with node.collector.client() as client:
        valid = client.post("/api/v1/policies/validate", json={"documents": documents}).json()
        pushed = client.post("/api/v1/policies/push", json={"documents": documents}).json()
        refused = answer(inside)
        deleted = client.delete("/api/v1/policies/web").json()

    assert (valid["valid"], valid["policies"]) == (True, ["web"])
    assert (pushed["ok"], deleted["ok"]) == (True, True)
    assert (refused, answer(inside)) == (REFUSED, ALLOWED)
    node.receiver.wait(1)
    assert [one["rule"] for one in node.violations()] == ["no-discard"]


def test_collector_that_was_away_is_told_everything_once(node: Whole) -> None:
    """While the collector is down the kernel refuses, the agent spools and says so; afterwards nothing is missing."""
    inside = node.attacker()
    node.agent.push(network_policy("web", node.scope))
    assert answer(inside) == REFUSED
    node.receiver.wait(1)
    node.collector.kill()
    assert inside.attempt(count=22).answers == {REFUSED: 22}
    eventually(lambda: "disconnected" in node.agent.agentctl("status").stdout)
    node.restart_collector()

    assert len(node.receiver.wait(23)) == 23
    stored = node.violations()
    assert 23 == len(stored) == len({one["id"] for one in stored})


def test_push_to_enforced_is_measured(node: Whole) -> None:
    """What `python -m tests.bench.push` tells: each push is enforced when it is answered, and takes what it takes."""
    found = push.measure(node, count=6, rules=100)

    assert 0 < found["enforced_ms"]["p50"] <= found["enforced_ms"]["p99"] <= found["enforced_ms"]["max"]
    assert found["enforced_ms"]["p50"] <= found["answered_ms"]["max"]


def test_violation_to_alert_is_measured(node: Whole) -> None:
    """What `python -m tests.bench.alert` tells: an alert for each attempt, signed, later than the attempt."""
    found = alert.measure(node, count=100, rate=200)

    assert 0 < found["alert_ms"]["p50"] <= found["alert_ms"]["p99"] <= found["alert_ms"]["max"]
