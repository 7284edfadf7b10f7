"""agentctl waiver: what ends next stands first, and what the agent says reaches the person."""

import json
import time
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, policy_pb2

from agent.cli.durations import left
from tests.unit.cli.conftest import Agentctl
from tests.unit.cli.node import NotFound, Running, waiver

WAIVER = """\
apiVersion: ringfence.dev/v1
kind: Waiver
metadata: {name: backup}
spec: {policy: web, rule: some-rule, reason: nightly, owner: ops, expires: 2027-01-31}
"""
HOSTILE = "because\n\x1b[2Jof \u202ethat"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h 0m"), (90_000, "1d 1h"), (864_000, "10d 0h")],
)
def test_what_is_left_is_told_in_units_that_matter(seconds: float, text: str) -> None:
    """Rounded down: a waiver never seems to last longer than it does."""
    assert left(seconds) == text


def test_list_has_the_next_to_end_first(agentctl: Agentctl, node: Running) -> None:
    """Expired ones say so; the others how long they last; what people wrote is escaped."""
    later = waiver("later", until_unix_s=int(time.time()) + 7260, expired=False, ticket="", reason=HOSTILE)
    node.node.answers["list"] = agent_pb2.ListResponse(waivers=[later, waiver()], generation=4)
    ran = agentctl("waiver", "list", "--socket", node.path)

    heading, first, second = ran.out.splitlines()
    assert heading.split() == ["WAIVER", "POLICY", "RULE", "LEFT", "OWNER", "TICKET", "REASON"]
    assert first.split() == ["backup", "web", "secrets", "expired", "ops", "OPS-7", "nightly"]
    assert second.split()[:6] == ["later", "web", "secrets", "2h", "0m", "ops"]
    assert not set(ran.out) & set("\x1b\u202e")


def test_get_asks_for_a_waiver_and_not_for_a_policy(agentctl: Agentctl, node: Running) -> None:
    """A waiver and a policy may have one name; `-o json` has the text."""
    node.node.answers["get"] = agent_pb2.GetResponse(waiver=waiver(yaml="kind: Waiver"))
    ran = agentctl("waiver", "get", "backup", "--socket", node.path)

    assert "expires  2023-11-14T22:13:20Z" in ran.out
    assert (node.node.requests[0].name, node.node.requests[0].waiver) == ("", "backup")
    assert json.loads(agentctl("waiver", "get", "backup", "-o", "json", "--socket", node.path).out)["yaml"]


def test_there_is_no_such_waiver(agentctl: Agentctl, node: Running) -> None:
    """The answer is no: exit 4."""
    node.node.answers["get"] = NotFound("there is no waiver `backup`")
    ran = agentctl("waiver", "get", "backup", "--socket", node.path)

    assert (ran.code, ran.err) == (4, "error: there is no waiver `backup`\n")


def test_delete_names_waivers_alone(agentctl: Agentctl, node: Running) -> None:
    """Deleting a waiver leaves a policy of the same name."""
    ran = agentctl("waiver", "delete", "backup", "--socket", node.path)

    assert ran.code == 0
    assert (list(node.node.requests[0].names), list(node.node.requests[0].waivers)) == ([], ["backup"])


@pytest.mark.parametrize(("code", "status"), [("waiver-left", 4), ("unknown-policy", 4), ("unknown-rule", 3)])
def test_a_push_that_a_waiver_stops(
    agentctl: Agentctl, node: Running, policy_file: Path, code: str, status: int
) -> None:
    """What is live on the node stands against it: no. What is wrong in the text: invalid."""
    found = policy_pb2.Diagnostic(severity=policy_pb2.Diagnostic.SEVERITY_ERROR, code=code, message="m")
    node.node.answers["push"] = agent_pb2.PushResponse(diagnostics=[found])

    assert agentctl("policy", "push", policy_file, "--socket", node.path).code == status


def test_push_tells_the_waivers_it_made_live(agentctl: Agentctl, node: Running, policy_file: Path) -> None:
    """A push of waivers alone says nothing of policies."""
    node.node.answers["push"] = agent_pb2.PushResponse(generation=2, waivers=[waiver("a"), waiver("b")])
    ran = agentctl("policy", "push", policy_file, "--socket", node.path)

    assert "waivers           a, b\n" in ran.out
    assert "policies" not in ran.out


@pytest.mark.parametrize(("rule", "code"), [("secrets", 0), ("secret", 3), ("default:exec", 3)])
def test_validate_compares_waivers_with_the_policies_beside_them(
    agentctl: Agentctl, policy_file: Path, rule: str, code: int
) -> None:
    """A waiver of a rule that its policy has not, or of a default without a selector, is invalid where both are."""
    file = policy_file.with_name("waiver.yaml")
    file.write_text(WAIVER.replace("some-rule", rule))
    ran = agentctl("policy", "validate", file, policy_file, "-o", "json")

    assert ran.code == code
    assert json.loads(ran.out)["valid"] == (code == 0)
    if rule == "secret":
        assert "did you mean `secrets`?" in ran.err


def test_a_waiver_alone_is_valid(agentctl: Agentctl, tmp_path: Path) -> None:
    """Its policy is on some node, so nobody here can say that it fits nothing."""
    file = tmp_path / "waiver.yaml"
    file.write_text(WAIVER)
    ran = agentctl("policy", "validate", file)

    assert ran.code == 0
    assert ran.out.splitlines()[1].split()[:3] == ["backup", "web", "some-rule"]
    assert agentctl("run", "-p", file, "--", "true").code == 3


def test_a_waiver_beside_policies_names_one_of_them(agentctl: Agentctl, policy_file: Path) -> None:
    """Checked together, a misspelt policy is found before any node sees it."""
    file = policy_file.with_name("waiver.yaml")
    file.write_text(WAIVER.replace("policy: web", "policy: wbe"))
    ran = agentctl("policy", "validate", policy_file, file)

    assert ran.code == 3
    assert "there is no policy `wbe`" in ran.err
