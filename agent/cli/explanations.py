"""`agentctl policy explain`: why a request is decided as it is."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, emit
from agent.cli.policies import read
from agent.cli.problems import Problem
from agent.cli.terminal import note, styled
from agent.cli.texts import moment, texts

if TYPE_CHECKING:
    from policy.answers.asking import Asked
    from policy.answers.explain import Consideration, Explanation, Said
    from policy.model.types import Actor, Decision, Position, Request

_COLOURS = {"allow": "green", "audit": "blue", "would-deny": "yellow", "deny": "red", "kill": "red"}


@dataclass(frozen=True, slots=True)
class Who:
    """The process that acts, as typed; empty: not told."""

    exe: str
    user: str
    group: str
    parent: str
    ancestors: tuple[str, ...]


def explain(words: Sequence[str], who: Who, now: str, form: Format) -> None:
    """`policy explain`."""
    from policy.answers.explain import explain as why
    from policy.answers.testing import account_numbers, with_numbers
    from policy.compiler import CompileError

    files, asked = _split(words)
    policies = texts(files).applied
    if not policies:
        raise CliError(Exit.INVALID, Problem("there is no policy in these files"))
    numbers = account_numbers(policies, ())
    request = _request(asked, _actor(who, numbers), moment(now))
    _caution(who, numbers)
    try:
        found = why([with_numbers(policy, numbers) for policy in policies], request)
    except CompileError as error:
        problem = Problem(error.message, hint=error.hint, policy=error.policy, rule=error.rule)
        raise CliError(Exit.NO, problem) from error
    if form is Format.TABLE:
        _show(found, {number: name for name, number in numbers.items()})
    else:
        emit(form, _data(found))


def _split(words: Sequence[str]) -> "tuple[list[str], Asked]":
    """Files come before the first word that is an operation."""
    from policy.answers.asking import AskingError, asked, is_operation

    at = next((at for at, word in enumerate(words) if is_operation(word)), len(words))
    if not at:
        raise CliError(Exit.USAGE, Problem("no policy file is given", hint="write it before the operation"))
    try:
        return list(words[:at]), asked(list(words[at:]))
    except AskingError as error:
        raise CliError(Exit.USAGE, Problem(error.message, hint=error.hint)) from error


def _request(asked: "Asked", actor: "Actor", now: int) -> "Request":
    from policy.model.types import Request

    return Request(asked.class_, asked.operations, actor, asked.object, now)


def _actor(who: Who, numbers: Mapping[str, int]) -> "Actor":
    from policy.model.types import Actor

    user = _id(who.user, numbers)
    ancestors = {one.encode() for one in (*who.ancestors, who.parent) if one}
    return Actor(
        exe=who.exe.encode() or None,
        user=user,
        group=_id(who.group, numbers) if who.group else user,
        parent=who.parent.encode() or None,
        ancestors=frozenset(ancestors) if who.ancestors else None,
    )


def _caution(who: Who, numbers: Mapping[str, int]) -> None:
    """Names become numbers on the node: a number typed here is not known to be one of them."""
    names = ", ".join(f"`{name}`" for name in numbers if name != "root")
    if names and (who.user or who.group).isdecimal() and int(who.user or who.group):
        note(f"note: the policies name users or groups ({names}), whose numbers only a node knows")


def _id(text: str, numbers: Mapping[str, int]) -> int | None:
    """A number; names that no policy has are like any other stranger."""
    if text.isdecimal():
        return int(text)
    return numbers.get(text, 2**32 - 2 - len(numbers)) if text else None


def _show(found: "Explanation", accounts: Mapping[int, str]) -> None:
    from policy.answers.explain import text

    first, *rest = text(found, _source, accounts).splitlines()
    word, _, what = first.partition(":")
    print(styled(word, _COLOURS[str(found.decision.effect)], sys.stdout) + ":" + what, *rest, sep="\n")


def _source(position: "Position") -> str:
    """The line that stands at a position; nothing if the file cannot be read again."""
    if not position.line or position.file.startswith("<"):
        return ""
    lines = read(position.file).decode("utf-8", "replace").splitlines()
    return lines[position.line - 1] if position.line <= len(lines) else ""


def _data(found: "Explanation") -> dict[str, Any]:
    from policy.answers.wording import in_words

    return {
        "request": in_words(found.request),
        "operation": found.operation,
        "decision": _decision(found.decision),
        "position": _position(found.position),
        "severity": found.rule.severity if found.rule else "medium",
        "message": found.rule.message if found.rule else "",
        "untold": list(found.untold),
        "operations": {name: _decision(one) for name, one in found.operations},
        "policies": [_said(one) for one in found.said],
    }


def _said(said: "Said") -> dict[str, Any]:
    return {
        "policy": said.policy,
        "mode": said.mode,
        "wins": said.wins,
        "decision": _decision(said.decision),
        "rules": [_considered(one) for one in said.considered],
        "others": said.others,
    }


def _considered(one: "Consideration") -> dict[str, Any]:
    about = {"rule": one.rule, "action": one.action, "part": str(one.part), "because": list(one.parts)}
    return about | _position(one.position)


def _decision(decision: "Decision") -> dict[str, Any]:
    return {
        "effect": str(decision.effect),
        "policy": decision.rule[0],
        "rule": decision.rule[1],
        "undecided": decision.error,
        "errno": str(decision.errno),
    }


def _position(position: "Position") -> dict[str, Any]:
    return {"file": position.file, "line": position.line, "column": position.column}
