"""What a node cannot do is refused by name before anything changes."""

from pathlib import Path

import pytest

from agent.daemon import enforceable
from agent.daemon.ports import ClassReach, Problem
from agent.daemon.reaches import grouped, reaches_of
from agent.kernel.coverage import DECIDES, FACTS, QUESTIONS, Reach, coverage
from agent.loader.manifest import read_manifest
from policy.language import load
from policy.model.types import Class

LSM = ClassReach(Reach.ENFORCED, "BPF LSM")
OFF = ClassReach(Reach.NONE, "BPF LSM is not active", "lockdown,apparmor", "bpf", "add `bpf`")
SEEING = reaches_of("lsm", LSM)
BLIND = reaches_of("cgroup", OFF)
CONNECT = "network: {operations: [connect]}"


def problems(rule: str, programs: str = "lsm", **spec: str) -> list[Problem]:
    """What a node says about a policy of one rule, or of none."""
    fields = {"mode": "enforcing", "minimumLevel": "enforced", "defaults": "{}", **spec}
    text = f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: web}}
spec:
  scope: [{{cgroup: /web}}]
  mode: {fields["mode"]}
  minimumLevel: {fields["minimumLevel"]}
  defaults: {fields["defaults"]}
  rules: [{f"{{id: r, {rule}}}" if rule else ""}]
"""
    result = load(text)
    assert result.diagnostics == ()
    return list(enforceable.problems(result.policies[0], SEEING if programs == "lsm" else BLIND))


def test_every_program_has_its_line() -> None:
    """The table of coverage has the programs of the manifest, in their modes, and no others."""
    manifest = read_manifest((Path(__file__).parents[3] / "bpf/manifest.toml").read_text()).programs
    modes = {program.name: set(program.modes) for program in manifest}

    assert {line.program for line in DECIDES} | set(FACTS) == modes.keys()
    for name in modes.keys() - set(FACTS):
        assert {mode for line in DECIDES if line.program == name for mode in line.modes} == modes[name]


def test_every_question_has_a_reach() -> None:
    """Whatever the mode, there is an answer for each operation of each class."""
    assert list(SEEING) == list(BLIND) == list(QUESTIONS)
    assert all(here.why for here in (*SEEING.values(), *BLIND.values()))


@pytest.mark.parametrize(
    "rule",
    [
        "file: {paths: [/a], operations: [read, write, create]}, action: kill",
        "exec: {paths: [/a]}, action: deny, errno: ENOENT",
        "network: {operations: [connect], families: [inet6]}, action: deny, subject: {exe: [/a]}",
        "syscall: {names: [ptrace]}, action: kill",
        "module: {operations: [load]}, action: allow",
    ],
)
def test_what_is_covered_is_accepted(rule: str) -> None:
    """What the programs decide passes in silence; so does a rule that allows, whatever it is about."""
    assert problems(rule) == []


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (
            "file: {paths: [/a], operations: [read, rename, link]}, action: deny",
            "`rename` and `link` of class `file`",
        ),
        ("module: {operations: [load]}, action: deny", "class `module`"),
        ("capability: {names: [sys_admin]}, action: audit", "class `capability`"),
        ("network: {operations: [connect, accept]}, action: deny", "`accept` of class `network`"),
    ],
)
def test_what_no_program_decides_is_named(rule: str, what: str) -> None:
    """The operations that are not covered are named, the covered ones are not; accepting less does not help."""
    for level in ("enforced", "observed"):
        (problem,) = problems(rule, minimumLevel=level)

        assert (problem.severity, problem.rule, problem.found) == ("error", "r", "none")
        assert problem.required == f"a program for its hook ({what}, rule `r`)"


def test_one_thing_is_told_once() -> None:
    """Several rules that want the same are one error, at the first of them."""
    rule = "module: {operations: [load]}, action: deny"

    assert len(problems(f"{rule}}}, {{id: second, {rule}")) == 1


def test_missing_module_is_told_apart_from_missing_program() -> None:
    """Where LSM is off, what it would decide says so, and what nothing decides says that."""
    found = problems("file: {paths: [/a], operations: [read, link]}, action: deny", "cgroup")

    assert [(one.message, one.required) for one in found] == [
        ("cannot enforce policy `web`: BPF LSM is not active", "bpf (`read` of class `file`, rule `r`)"),
        (
            "cannot enforce policy `web`: no program of this version decides `link` of class `file`",
            "a program for its hook (`link` of class `file`, rule `r`)",
        ),
    ]


def test_default_of_a_partly_covered_class() -> None:
    """For file, exec and network a default holds for what is covered, and the rest is named in a warning."""
    found = problems("", defaults="{file: deny, exec: kill, network: deny}")

    assert [one.severity for one in found] == ["warning", "warning"]
    assert "class `file` does not reach `rename` and `link`" in found[0].message
    assert "`accept`" in found[1].message
    assert "`create`" not in found[1].message


def test_default_of_an_uncovered_class_is_refused() -> None:
    """A default of a class of which nothing is decided would do nothing, and is an error."""
    module = problems("", defaults="{module: deny}")
    file = problems("", "cgroup", defaults="{file: audit}")

    assert [(one.severity, one.required) for one in module] == [
        ("error", "a program for its hook (class `module`, its default)")
    ]
    assert {one.severity for one in file} == {"error"}
    assert problems("", defaults="{module: allow}") == []


def test_kill_needs_a_hook_that_can_send_a_signal() -> None:
    """Where only cgroup hooks are, kill is refused; permissive it is only reported, and deny is enough for all."""
    (problem,) = problems(f"{CONNECT}, action: kill", "cgroup")

    assert (problem.code, problem.rule, problem.hint) == ("cannot-enforce", "r", "use `deny`")
    assert problem.message == "cannot enforce policy `web`, rule `r`: BPF LSM is not active"
    assert not problems(f"{CONNECT}, action: kill", "cgroup", mode="permissive")
    assert not problems(f"{CONNECT}, action: deny", "cgroup")
    assert not problems(f"{CONNECT}, action: kill")


@pytest.mark.parametrize("part", ["exe", "parent", "ancestor"])
def test_executables_need_a_hook_that_knows_them(part: str) -> None:
    """Where no exec is seen, a rule about executables is refused; one about users is not."""
    told = f"{CONNECT}, subject: {{{part}: [/usr/bin/curl]}}, action: deny"
    (problem,) = problems(told, "cgroup")
    (negated,) = problems(f"{CONNECT}, subject: {{not: {{{part}: [/usr/bin/curl]}}}}, action: deny", "cgroup")

    assert "apart" in problem.required
    assert negated.required == problem.required
    assert not problems(f"{CONNECT}, subject: {{user: [33]}}, action: deny", "cgroup")
    assert bool(problems(told)) == (part != "exe")


def test_errno_needs_a_hook_that_honours_it() -> None:
    """Cgroup hooks answer EPERM whatever is asked; a policy that refuses nothing may ask."""
    rule = f"{CONNECT}, action: deny, errno: ECONNREFUSED"

    assert [one.hint for one in problems(rule, "cgroup")] == ["leave `errno` out"]
    assert not problems(rule, "cgroup", mode="permissive")


@pytest.mark.parametrize(
    "rule",
    [
        "file: {operations: [read]}, subject: {parent: [/a]}, action: deny",
        "exec: {fileless: true}, subject: {not: {ancestor: [/a]}}, action: audit",
    ],
)
def test_what_no_program_tells_yet_says_so(rule: str) -> None:
    """A part that no program reads is an error that says that no other node of this version would take it either."""
    (problem,) = problems(rule)

    assert problem.message.endswith("no program of this version can tell")


def test_levels_of_rules() -> None:
    """A rule is worth its weakest operation; a kill that follows a system call is all that can be asked."""
    (policy,) = load(Path(__file__).parents[2].joinpath("golden/policy/example.yaml").read_text()).policies[:1]
    by_id = {rule.id: rule for rule in policy.rules}
    secrets = by_id["secrets"]

    def level(*names: str, class_: Class = Class.FILE, action: str = "deny") -> str:
        return enforceable.level(policy, class_, names, type(secrets.action)(action), SEEING)

    assert level("read", "write") == "enforced"
    assert level("read", "link") == "none"
    assert level("read", action="audit") == "observed"
    assert level("call", class_=Class.SYSCALL, action="kill") == "enforced"


def test_operations_that_reach_the_same_are_together() -> None:
    """`doctor` has a line for a class, and more only where its operations differ."""
    groups = grouped(SEEING)

    assert list(groups) == list(Class)
    assert [names for names, _ in groups[Class.EXEC]] == [("exec",)]
    assert next(names for names, _ in groups[Class.FILE]) == (
        "read",
        "write",
        "create",
        "delete",
        "attr",
        "truncate",
        "mapExec",
    )
    assert sum(len(names) for one in groups.values() for names, _ in one) == len(QUESTIONS)


def test_absent_hook_takes_what_it_alone_decides() -> None:
    """A program that this kernel cannot have is left out; what others decide too stays."""
    found = coverage("lsm", absent={"lsm_path_truncate", "lsm_bprm_check_security"})

    assert found[Class.FILE, "write"].reach is Reach.ENFORCED
    assert found[Class.EXEC, "exec"].reach is Reach.NONE
    assert "lsm_bprm_check_security" in reaches_of("lsm", LSM, ["lsm_bprm_check_security"])[Class.EXEC, "exec"].why


@pytest.mark.parametrize("part", ["families: [inet, vsock]", "protocols: [tcp, sctp]"])
def test_sockets_that_no_hook_sees_are_not_promised(part: str) -> None:
    """Cgroup hooks see TCP and UDP over IP: a rule against more is refused there, one that allows more is not."""
    rule = f"network: {{operations: [connect], {part}}}"

    assert [one.code for one in problems(f"{rule}, action: deny", "cgroup")] == ["cannot-enforce"]
    assert not problems(f"{rule}, action: allow", "cgroup")
    assert not problems(f"{rule}, action: deny")
    assert not problems("network: {operations: [connect], families: [inet6], protocols: [udp]}, action: deny", "cgroup")
