"""`agentctl policy test`: cases beside policies, decided by the bytes that a kernel would get."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, Table, TestFormat, emit
from agent.cli.problems import Problem, show
from agent.cli.terminal import note
from agent.cli.texts import texts

if TYPE_CHECKING:
    from policy.answers.testing import Outcome, Report, TestingError
    from policy.model.types import Position


def test(files: Sequence[str], form: TestFormat, junit: str) -> None:
    """
    `policy test`.

    Args:
        junit: A file for the JUnit report as well; empty: none.

    Raises:
        CliError: Exit 4 if something is not as expected, 3 if a file is invalid, 1 if the report cannot be written.
    """
    reports = _reports(files)
    if junit:
        _write(junit, _xml(reports))
    if form is TestFormat.JUNIT:
        sys.stdout.write(_xml(reports))
    else:
        emit(Format(form), _data(reports), _table(reports))
    show(problem for report in reports for problem in _failures(report))
    count, failed = sum(len(report.outcomes) for report in reports), sum(report.failed for report in reports)
    note(f"{count} case{'s' * (count != 1)}: " + (f"{failed} not as expected" if failed else "all as expected"))
    if failed:
        raise CliError(Exit.NO)


def _reports(files: Sequence[str]) -> "list[Report]":
    from policy.answers.testing import TestingError, run

    found = texts(files)
    if not found.tests:
        hint = "cases stand in documents of `kind: PolicyTest`"
        raise CliError(Exit.INVALID, Problem("there are no tests in these files", code="no-tests", hint=hint))
    reports, problems = [], []
    for one in found.tests:
        try:
            reports.append(run(one, found.policies, found.waivers))
        except TestingError as error:
            problems.append(_invalid(one.name, error))
    if problems:
        raise CliError(Exit.INVALID, *problems)
    return reports


def _invalid(name: str, error: "TestingError") -> Problem:
    at = error.position
    return Problem(
        message=f"test `{name}`: {error}",
        code="cannot-test",
        file=at.file,
        line=at.line,
        column=at.column,
        hint=error.hint,
        policy=error.policy,
        rule=error.rule,
    )


def _xml(reports: "Sequence[Report]") -> str:
    from policy.answers.junit import junit

    return junit(reports)


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(Exit.FAILED, Problem(f"cannot write `{file}`: {error.strerror}")) from error


def _table(reports: "Sequence[Report]") -> Table:
    rows, styles = [], []
    for report in reports:
        for one in report.outcomes:
            decided = "/".join(one.decision.rule)
            rows.append(
                ("ok" if one.ok else "FAILED", report.test.name, one.case.name, one.case.expected, one.found, decided)
            )
            styles.append("" if one.ok else "red")
    return Table(("", "TEST", "CASE", "EXPECTED", "FOUND", "DECIDED BY"), rows, styles)


def _failures(report: "Report") -> Iterator[Problem]:
    """What failed and why: what was expected and found, which rule decided, and where it stands."""
    for one in report.outcomes:
        if one.ok:
            continue
        case, (policy, rule) = one.case.position, one.decision.rule
        yield Problem(
            message=f"test `{report.test.name}`, case `{one.case.name}`: {'; '.join(one.failures)}",
            code="not-as-expected",
            file=case.file,
            line=case.line,
            column=case.column,
            hint=f"policy `{policy}`, rule `{rule}` decides: {_place(one.position)}",
            policy=policy,
            rule=rule,
        )


def _place(position: "Position") -> str:
    return f"{position.file}:{position.line}:{position.column}"


def _data(reports: "Sequence[Report]") -> dict[str, Any]:
    return {
        "ok": not any(report.failed for report in reports),
        "tests": [
            {
                "name": report.test.name,
                "file": report.test.position.file,
                "cases": [_case(one) for one in report.outcomes],
            }
            for report in reports
        ],
    }


def _case(one: "Outcome") -> dict[str, Any]:
    from policy.language.requests import fields_of
    from policy.model.types import Effect

    case, (policy, rule) = one.case, one.decision.rule
    wanted = {"rule": case.rule, "policy": case.policy, "errno": str(case.errno) if case.errno else None}
    return {
        "name": case.name,
        "line": case.position.line,
        "request": fields_of(case.class_, case.operations, case.object),
        "ok": one.ok,
        "expected": {"effect": case.expected, **{name: value for name, value in wanted.items() if value}},
        "found": {
            "effect": one.found,
            "policy": policy,
            "rule": rule,
            "errno": str(one.decision.errno) if one.decision.effect >= Effect.DENY else None,
            "file": one.position.file,
            "line": one.position.line,
        },
        "failures": list(one.failures),
    }
