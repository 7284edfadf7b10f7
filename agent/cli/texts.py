"""Policies for questions that need no agent: from files and directories, with their waivers."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.exits import CliError, Exit
from agent.cli.policies import load, misfits
from agent.cli.problems import Problem, from_language, show

if TYPE_CHECKING:
    from policy.language.cases import PolicyTest
    from policy.model.types import Policy, Position, Waiver

#: Files of one directory; more is a mistake, not a set of policies.
FILES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Texts:
    """
    Attributes:
        policies: As written.
        applied: With the rules that waivers amount to.
        tests: Cases beside them.
    """

    policies: "tuple[Policy, ...]"
    waivers: "tuple[Waiver, ...]"
    applied: "tuple[Policy, ...]"
    tests: "tuple[PolicyTest, ...]" = ()

    def positions(self) -> "Mapping[tuple[str, str], Position]":
        """Where each rule stands; a default stands where its policy does."""
        found: dict[tuple[str, str], Position] = {}
        for policy in self.applied:
            found |= {(policy.name, rule.id): rule.position for rule in policy.rules}
        return found


def texts(files: Sequence[str]) -> Texts:
    """
    The policies of some files, or of all YAML files below directories.

    Raises:
        CliError: One cannot be read (exit 1) or is invalid (exit 3).
    """
    from policy.model.waivers import waive

    results = [load(name) for file in files for name in _files(file)]
    problems = [from_language(found) for result in results for found in result.diagnostics]
    problems += misfits(results, alone=False)
    policies = [policy for result in results for policy in result.policies]
    problems += _twice(policies)
    if any(problem.is_error for problem in problems):
        raise CliError(Exit.INVALID, *problems)
    show(problems)
    waivers = tuple(waiver for result in results for waiver in result.waivers)
    tests = tuple(test for result in results for test in result.tests)
    return Texts(tuple(policies), waivers, waive(policies, waivers), tests)


def _files(name: str) -> Iterator[str]:
    if name == "-" or not Path(name).is_dir():
        yield name
        return
    found = sorted(
        str(Path(directory) / file)
        for directory, _, files in os.walk(name)
        for file in files
        if file.endswith((".yaml", ".yml"))
    )
    if not found or len(found) > FILES_MAX:
        what = "no YAML files" if not found else f"more than {FILES_MAX:,} YAML files"
        raise CliError(Exit.FAILED, Problem(f"`{name}` has {what}"))
    yield from found


def _twice(policies: "Sequence[Policy]") -> Iterator[Problem]:
    first: dict[str, Policy] = {}
    for policy in policies:
        other = first.setdefault(policy.name, policy)
        if other is not policy and other.position.file != policy.position.file:
            where = f"{other.position.file}:{other.position.line}"
            at = policy.position
            message = f"policy `{policy.name}`: duplicate policy; the first is in {where}"
            yield Problem(message, "error", "duplicate-policy", at.file, at.line, at.column, policy=policy.name)


def moment(text: str) -> int:
    """
    Unix seconds of `--now`; empty: the clock's.

    Raises:
        CliError: It is no time (exit 2).
    """
    if not text:
        return int(datetime.now(UTC).timestamp())
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write it like 2026-11-24 or 2026-11-24T08:00:00Z"
        raise CliError(Exit.USAGE, Problem(f"`--now {text}` is no time", hint=hint)) from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
