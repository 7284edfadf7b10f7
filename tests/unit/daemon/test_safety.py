"""Host scope: what would lock a node up is refused, what would not is accepted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.checks import resolve, symlinks
from agent.daemon.safety import lockouts, needs
from policy.language import load
from policy.model.types import Action as A
from policy.model.types import (
    CgroupScope,
    FileSelector,
    MountSelector,
    NetworkSelector,
    Policy,
    Rule,
    Selector,
    Subject,
)
from policy.reference import decide

NEEDS = needs(Path("/var/lib/ringfence"), Path("/run/ringfence/agent.sock"))


def host(rules: str, more: str = "") -> list[Policy]:
    text = f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: p}}
spec:
  scope: [{{host: true}}]
{more}
  rules:
{rules}
"""
    result = load(text)
    assert not result.diagnostics
    return list(result.policies)


@pytest.mark.parametrize(
    ("rules", "more"),
    [
        ('  - {id: r, exec: {paths: ["/bin/*sh"], operations: [exec]}, action: kill}', ""),
        ('  - {id: r, file: {paths: ["/**"], operations: [read]}, action: deny}', ""),
        ('  - {id: r, file: {paths: ["/etc/shadow"], operations: [read]}, action: deny}', ""),
        ('  - {id: r, file: {paths: ["/var/lib/ringfence/**"], operations: [write]}, action: deny}', ""),
        ('  - {id: r, file: {paths: ["/nothing"], operations: [read]}, action: deny}', "  defaults: {exec: deny}"),
    ],
)
def test_lockouts_are_refused(rules: str, more: str) -> None:
    """The refusal names who would be refused what."""
    (problem,) = lockouts(host(rules, more), NEEDS, decide)

    assert problem.code == "host-scope"
    assert "--force" in problem.hint
    assert problem.found


@pytest.mark.parametrize(
    ("rules", "more"),
    [
        ('  - {id: r, file: {paths: ["/opt/secret/**"], operations: [read]}, action: deny}', ""),
        ('  - {id: r, exec: {paths: ["/usr/bin/nmap"], operations: [exec]}, action: kill}', ""),
        ('  - {id: r, exec: {paths: ["/bin/*sh"], operations: [exec]}, action: kill}', "  mode: permissive"),
        (
            '  - {id: r, subject: {user: [1000]}, file: {paths: ["/etc/shadow"], operations: [read]}, action: deny}',
            "",
        ),
    ],
)
def test_harmless_host_scopes_are_accepted(rules: str, more: str) -> None:
    """Rules that never meet the agent, PID 1 or root's login."""
    assert list(lockouts(host(rules, more), NEEDS, decide)) == []


def test_smaller_scopes_are_nobodys_lockout() -> None:
    """A policy without host scope may refuse what it likes."""
    policy = Policy("p", (CgroupScope("/a"),), (Rule("r", FileSelector(("/**",), ("read",)), A.DENY),))

    assert list(lockouts([policy], NEEDS, decide)) == []


def test_names_of_users_become_numbers_of_this_node() -> None:
    """A name that is unknown here is an error with its place."""
    rule = Rule("r", FileSelector(("/x",), ("read",)), A.DENY, Subject(user=("root", 5), not_group=("root",)))
    policy, problems = resolve(Policy("p", (CgroupScope("/a"),), (rule,)))
    assert problems == ()
    subject = policy.rules[0].subject
    assert subject is not None
    assert (subject.user, subject.not_group) == ((0, 5), (0,))

    rule = Rule("r", FileSelector(("/x",), ("read",)), A.DENY, Subject(user=("nobody-of-that-name",)))
    _, problems = resolve(Policy("p", (CgroupScope("/a"),), (rule,)))
    assert [problem.code for problem in problems] == ["unresolved-name"]


def test_symlinked_prefix_is_warned_of(tmp_path: Path) -> None:
    """Patterns match real names, so one through a symlink matches nothing; merged directories are known."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    paths = (f"{tmp_path}/link/x", f"{tmp_path}/real/x", "/bin/sh", f"{tmp_path}/*/x")
    policy = Policy("p", (CgroupScope("/a"),), (Rule("r", FileSelector(paths, ("read",)), A.DENY),))
    (problem,) = symlinks(policy)

    assert problem.severity == "warning"
    assert f"`{tmp_path}/real/x`" in problem.hint


@pytest.mark.parametrize(
    ("selector", "subject"),
    [
        (FileSelector((), ("read",)), Subject(ancestor=("{}/link/x",))),
        (FileSelector((), ("read",)), Subject(not_parent=("{}/link/x",))),
        (NetworkSelector(unix=("@{}/link/x", "{}/link/x")), None),
        (MountSelector(("mount",), targets=("{}/link/x",)), None),
    ],
)
def test_every_pattern_of_a_rule_is_looked_at(tmp_path: Path, selector: Selector, subject: Subject | None) -> None:
    """Of subjects, mounts and unix sockets too; abstract names lead nowhere."""
    (tmp_path / "link").symlink_to("real")

    def placed(value: object) -> object:
        return tuple(one.format(tmp_path) for one in value) if isinstance(value, tuple) else value

    def with_place(one: Any) -> Any:
        return one and replace(one, **{name: placed(getattr(one, name)) for name in one.__slots__})

    policy = Policy("p", (CgroupScope("/a"),), (Rule("r", with_place(selector), A.DENY, with_place(subject)),))

    assert [problem.code for problem in symlinks(policy)] == ["symlink-prefix"]
