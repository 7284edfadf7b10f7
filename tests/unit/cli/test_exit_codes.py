"""Exit codes are a contract: 0 done, 1 failed, 2 usage, 3 invalid, 4 the answer is no, 5 unreachable."""

import json
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2, policy_pb2

from tests.unit.cli.conftest import POLICY, Agentctl
from tests.unit.cli.node import NotFound, Running, summary

ERROR = policy_pb2.Diagnostic.SEVERITY_ERROR
REFUSED = policy_pb2.Diagnostic(
    severity=ERROR,
    code="cannot-enforce",
    message="cannot enforce policy `web`: BPF LSM is not active",
    found="lockdown,capability,yama,apparmor  (/sys/kernel/security/lsm)",
    required="bpf",
    hint="add `bpf` to the kernel's `lsm=` list",
)
INVALID = policy_pb2.Diagnostic(severity=ERROR, code="syntax", message="no", file="web.yaml", line=3, column=1)
FAILED = policy_pb2.Diagnostic(severity=ERROR, code="node-failed", message="no memory")


def test_valid_policy_exits_0(agentctl: Agentctl, policy_file: Path) -> None:
    """Data on stdout, nothing on stderr."""
    ran = agentctl("policy", "validate", policy_file)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].split()[:3] == ["web", "enforcing", "1"]


def test_invalid_policy_exits_3_with_the_designs_words(agentctl: Agentctl, policy_file: Path) -> None:
    """A diagnostic names policy, rule, place and what to do, on stderr alone."""
    policy_file.write_text(POLICY.replace("[read]", "[raed]"))
    ran = agentctl("policy", "validate", policy_file)

    assert (ran.code, ran.out) == (3, "")
    assert ran.err.splitlines() == [
        "error: policy `web`, rule `secrets`: unknown operation `raed`",
        f"  --> {policy_file}:8:51",
        "hint: did you mean `read`?",
    ]


def test_invalid_policy_as_json_is_data(agentctl: Agentctl, policy_file: Path) -> None:
    """With `-o json` the verdict is on stdout as well, whatever the exit code."""
    policy_file.write_text("nonsense: [")
    ran = agentctl("policy", "validate", "-o", "json", policy_file)

    assert ran.code == 3
    assert json.loads(ran.out)["valid"] is False


def test_absent_file_exits_1(agentctl: Agentctl, tmp_path: Path) -> None:
    """A file that cannot be read is a failure, not an invalid policy."""
    assert agentctl("policy", "validate", tmp_path / "absent.yaml").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("policy", "validate"),
        ("nonsense",),
        ("policy", "push", "--nope", "x"),
        ("policy", "push", "--confirm", "x", "f"),
    ],
)
def test_wrong_usage_exits_2(agentctl: Agentctl, arguments: tuple[str, ...]) -> None:
    """What the shell typed is at fault: nothing on stdout."""
    ran = agentctl(*arguments)

    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("command", [("status",), ("policy", "list"), ("policy", "get", "web"), ("violations", "tail")])
def test_nobody_there_exits_5(agentctl: Agentctl, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without an agent the command says where it looked."""
    ran = agentctl(*command, "--socket", tmp_path / "nobody.sock")

    assert (ran.code, ran.out) == (5, "")
    assert f"cannot reach the agent at `{tmp_path}/nobody.sock`" in ran.err


def test_refusal_by_the_node_exits_4_with_found_and_required(
    agentctl: Agentctl, node: Running, policy_file: Path
) -> None:
    """A valid policy that this node cannot enforce: exactly the design's words."""
    node.node.answers["push"] = agent_pb2.PushResponse(diagnostics=[REFUSED])
    ran = agentctl("policy", "push", policy_file, "--socket", node.path)

    assert (ran.code, ran.out) == (4, "")
    assert ran.err.splitlines() == [
        "error: cannot enforce policy `web`: BPF LSM is not active",
        "  found:    lockdown,capability,yama,apparmor  (/sys/kernel/security/lsm)",
        "  required: bpf",
        "hint: add `bpf` to the kernel's `lsm=` list",
    ]


@pytest.mark.parametrize(("diagnostics", "code"), [([INVALID], 3), ([FAILED], 1), ([REFUSED, INVALID], 3)])
def test_who_is_at_fault_decides(
    agentctl: Agentctl, node: Running, policy_file: Path, diagnostics: list[policy_pb2.Diagnostic], code: int
) -> None:
    """An invalid policy weighs more than a node that says no; a node that fails is a failure."""
    node.node.answers["push"] = agent_pb2.PushResponse(diagnostics=diagnostics)

    assert code == agentctl("policy", "push", policy_file, "--socket", node.path).code


def test_push_tells_generation_rules_and_time(agentctl: Agentctl, node: Running, policy_file: Path) -> None:
    """What a push did is data; the way to keep it is said beside it."""
    node.node.answers["push"] = agent_pb2.PushResponse(
        generation=7, policies=[summary()], rules_enforced=3, rules_observed=1, enforced_after_ns=12_345_678
    )
    ran = agentctl("policy", "push", policy_file, "--confirm", "2m", "--force", "--socket", node.path)

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "generation           7",
        "policies             web",
        "rules enforced       3",
        "rules observed only  1",
        "push to enforced     12.3 ms",
    ]
    assert "reverts in 120 s" in ran.err
    (request,) = node.node.requests
    assert (request.confirm_seconds, request.force, request.documents[0].yaml) == (120, True, POLICY)


def test_unknown_policy_exits_4(agentctl: Agentctl, node: Running) -> None:
    """A question with the answer no."""
    node.node.answers["get"] = NotFound("there is no policy `web`")
    ran = agentctl("policy", "get", "web", "--socket", node.path)

    assert (ran.code, ran.err) == (4, "error: there is no policy `web`\n")


def test_nothing_to_confirm_exits_4(agentctl: Agentctl, node: Running) -> None:
    """A confirmation that came too late is told apart from one in time."""
    assert agentctl("policy", "confirm", "--socket", node.path).code == 0
    node.node.answers["confirm"] = agent_pb2.ConfirmResponse(generation=3)
    assert agentctl("policy", "confirm", "--socket", node.path).code == 4


def test_unbalanced_accounts_exit_4(agentctl: Agentctl, node: Running) -> None:
    """`status` says no when an event is not accounted for."""
    hop = agent_pb2.HopAccount(hop="ring", out=1, dropped={"full": 2})
    node.node.answers["status"] = agent_pb2.StatusResponse(node="n", gate="closed", hops=[hop], balances=False)
    ran = agentctl("status", "--socket", node.path)

    assert ran.code == 4
    assert ran.out.splitlines()[-1].split() == ["ring", "0", "1", "0", "full", "2", "no"]


def test_failed_check_exits_4(agentctl: Agentctl, node: Running) -> None:
    """`doctor` says no when something cannot be enforced."""
    check = agent_pb2.DoctorCheck(name="btf", result="fail", found="no BTF", hint="CONFIG_DEBUG_INFO_BTF")
    node.node.answers["doctor"] = agent_pb2.DoctorResponse(kernel="6.1", checks=[check])

    assert agentctl("doctor", "--socket", node.path).code == 4


def test_fault_of_the_agent_exits_1(agentctl: Agentctl, node: Running) -> None:
    """An agent that fails is not an agent that is away."""
    node.node.answers["list"] = RuntimeError("broken")

    assert agentctl("policy", "list", "--socket", node.path).code == 1


def level(class_: str, level: str, *operations: str) -> agent_pb2.ClassLevel:
    return agent_pb2.ClassLevel(**{"class": class_}, level=level, why="because", operations=operations)


LEVELS = [
    level("file", "enforced", "read", "write"),
    level("file", "none", "delete"),
    level("exec", "enforced"),
    level("syscall", "observed"),
    level("module", "none"),
]


def test_status_sorts_classes_by_level(agentctl: Agentctl, node: Running) -> None:
    """A class is shown once, at the best that any of its operations reaches."""
    node.node.answers["status"] = agent_pb2.StatusResponse(node="n", gate="closed", balances=True, levels=LEVELS)
    lines = [line.split() for line in agentctl("status", "--socket", node.path).out.splitlines()]

    assert ["enforced", "file", "(partly),", "exec"] in lines
    assert ["observed", "syscall"] in lines
    assert ["not", "enforced", "module"] in lines


def test_doctor_names_operations_that_differ(agentctl: Agentctl, node: Running) -> None:
    """A class has a line for each level of its operations; one that has one level says `all`."""
    node.node.answers["doctor"] = agent_pb2.DoctorResponse(kernel="6.12", levels=LEVELS)
    rows = [line.split() for line in agentctl("doctor", "--socket", node.path).out.splitlines()]

    assert ["file", "read,", "write", "enforced", "because"] in rows
    assert ["file", "delete", "none", "because"] in rows
    assert ["exec", "all", "enforced", "because"] in rows
