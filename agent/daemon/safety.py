"""
What a policy with host scope must leave alone: the agent, PID 1, and the way in for whoever has to put things right.

The list of requests is of this node: executables that are not installed are left out, and names are real names.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.daemon.checks import of_host
from agent.daemon.ports import Problem
from policy.model.types import Actor, Class, Decision, Effect, File, Policy, Request

Decide = Callable[[Sequence[Policy], Request], Decision]

_INIT = ("/sbin/init", "/usr/lib/systemd/systemd")
_LOGINS = ("/sbin/agetty", "/bin/login", "/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/bin/su", "/usr/bin/sudo")
_SHELLS = ("/bin/sh", "/bin/bash")
_HELPERS = ("/usr/lib/systemd/systemd-executor", "/usr/lib/systemd/systemd-logind", "/bin/systemctl", "/usr/bin/env")
_LOGIN_FILES = (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/login.defs",
    "/etc/pam.d/login",
    "/etc/pam.d/sshd",
    "/etc/ssh/sshd_config",
    "/etc/profile",
    "/etc/ld.so.cache",
)


@dataclass(frozen=True, slots=True)
class Need:
    """
    One thing that must go on working.

    Attributes:
        what: In words, for the person who pushed: "PID 1 executes `/usr/sbin/agetty`".
    """

    what: str
    request: Request


def lockouts(policies: Iterable[Policy], needs: Sequence[Need], decide: Decide) -> Iterator[Problem]:
    """One error for each policy with host scope that would refuse something that is needed."""
    for policy in policies:
        if not of_host(policy):
            continue
        for need in needs:
            decision = decide([policy], need.request)
            if decision.effect >= Effect.DENY:
                yield _lockout(policy, need, decision)
                break


def _lockout(policy: Policy, need: Need, decision: Decision) -> Problem:
    return Problem(
        message=f"policy `{policy.name}`, rule `{decision.rule[1]}`: with host scope it would lock this node up",
        code="host-scope",
        hint="allow it in an earlier rule, try `mode: permissive` first, or push with `--force`",
        policy=policy.name,
        rule=decision.rule[1],
        found=f"{decision.effect}: {need.what}",
        required="the agent, PID 1 and logins go on working",
    )


def needs(state: Path, socket: Path) -> list[Need]:
    """What must go on working on this node."""
    agent = _real(sys.executable)
    init = _init()
    logins, shells = _installed(_LOGINS), _installed(_SHELLS)
    found = [_execute("PID 1", init, path) for path in (agent, *logins, *_installed(_HELPERS), *shells)]
    found += [_file("PID 1", init, path, "read") for path in ("/etc/fstab", "/etc/passwd", *_units())]
    found += [_file("the agent", agent, path, "read") for path in _agent_files(agent)]
    for operation in ("read", "write", "create"):
        found.append(_file("the agent", agent, str(state / "state.json"), operation))
    found.append(_file("the agent", agent, str(socket), "create"))
    for login in logins:
        found += [_file("the login path", login, path, "read") for path in _LOGIN_FILES if Path(path).exists()]
        found += [_execute("the login path", login, path) for path in (*logins, *shells)]
    for shell in shells:
        found += [_execute("a root shell", shell, path) for path in (*shells, agent)]
        found.append(_file("a root shell", shell, "/etc/profile", "read"))
    return found


def _init() -> str:
    return next(iter(_installed(_INIT)), "/usr/lib/systemd/systemd")


def _agent_files(agent: str) -> list[str]:
    """Enough of what the agent reads at start to notice a rule about it: interpreter, libraries, its own code."""
    return [agent, _real(__file__), _real(os.__file__)]


def _units() -> list[str]:
    return [str(path) for path in Path("/usr/lib/systemd/system").glob("getty@.service")]


def _installed(paths: Iterable[str]) -> list[str]:
    """Real names of those that exist, each once."""
    return list(dict.fromkeys(_real(path) for path in paths if Path(path).exists()))


def _real(path: str) -> str:
    return str(Path(path).resolve())


def _execute(who: str, exe: str, path: str) -> Need:
    return Need(f"{who} executes `{path}`", _request(Class.EXEC, "exec", exe, path.encode()))


def _file(who: str, exe: str, path: str, operation: str) -> Need:
    what = {"read": "reads", "write": "writes", "create": "creates"}[operation]
    return Need(f"{who} {what} `{path}`", _request(Class.FILE, operation, exe, File(path.encode())))


def _request(class_: Class, operation: str, exe: str, what: File | bytes) -> Request:
    return Request(class_, (operation,), _actor(exe), what)


def _actor(exe: str) -> Actor:
    """Root; started by PID 1, which nobody started."""
    init = _init().encode()
    if exe.encode() == init:
        return Actor(init, 0, 0, ancestors=frozenset())
    return Actor(exe.encode(), 0, 0, init, frozenset([init]))
