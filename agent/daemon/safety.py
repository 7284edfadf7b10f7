"""
What a policy with host scope must leave alone: the agent, PID 1, and the way in for whoever has to put things right.

What they need is written in `policy.answers.vital`; the names are of this node: executables that are not installed are
left out, and names are real names.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from agent.daemon.checks import of_host
from agent.daemon.ports import Problem
from policy.answers import vital
from policy.answers.vital import Need as Need
from policy.model.types import Decision, Effect, Policy, Request

Decide = Callable[[Sequence[Policy], Request], Decision]


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
    names = vital.Names(
        agent=agent,
        state=str(state),
        socket=str(socket),
        init=next(iter(_installed(vital.INIT)), "/usr/lib/systemd/systemd"),
        logins=_installed(vital.LOGINS),
        shells=_installed(vital.SHELLS),
        helpers=_installed(vital.HELPERS),
        login_files=tuple(path for path in vital.LOGIN_FILES if Path(path).exists()),
        agent_files=(agent, _real(__file__), _real(os.__file__)),
        units=tuple(str(path) for path in Path("/usr/lib/systemd/system").glob("getty@.service")),
    )
    return vital.needs(names)


def _installed(paths: Iterable[str]) -> tuple[str, ...]:
    """Real names of those that exist, each once."""
    return tuple(dict.fromkeys(_real(path) for path in paths if Path(path).exists()))


def _real(path: str) -> str:
    return str(Path(path).resolve())
