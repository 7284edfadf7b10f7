"""`agentctl policy lint`: what can be found out about policies without asking a node."""

import posixpath
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.exits import CliError, Exit
from agent.cli.output import LintFormat, emit_json
from agent.cli.problems import Problem
from agent.cli.terminal import printable, styled
from agent.cli.texts import moment, texts

if TYPE_CHECKING:
    from policy.answers.findings import Finding
    from policy.model.types import Position

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}


def lint(files: Sequence[str], root: str, now: str, form: LintFormat) -> None:
    """`policy lint`."""
    from importlib.metadata import version

    from policy.answers import lint as linting
    from policy.answers.sarif import sarif

    loaded = texts(files)
    found = linting.lint(loaded.policies, loaded.waivers, now=moment(now), link=_links_of(root) if root else None)
    match form:
        case LintFormat.TABLE:
            _show(found, len(loaded.policies))
        case LintFormat.JSON:
            emit_json({"findings": [_data(one) for one in found]})
        case LintFormat.SARIF:
            emit_json(sarif(found, version("ringfence")))
    if any(str(one.severity) != "note" for one in found):
        raise CliError(Exit.NO)


def _links_of(root: str) -> Callable[[str], str | None]:
    """Where names lead below a root file system."""
    if not Path(root).is_dir():
        raise CliError(Exit.FAILED, Problem(f"`{root}` is no directory"))

    def link(name: str) -> str | None:
        path = Path(root) / name.lstrip("/")
        try:
            target = str(path.readlink())
        except OSError:
            return None
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))

    return link


def _show(findings: "Sequence[Finding]", policies: int) -> None:
    for one in findings:
        print(*_lines(one), "", sep="\n")
    counts = Counter(str(one.severity) for one in findings)
    said = [f"{counts[name]} {name}{'s' * (counts[name] > 1)}" for name in _COLOURS if counts[name]]
    print(f"{', '.join(said) or 'nothing found'} in {policies} {'policy' if policies == 1 else 'policies'}")


def _lines(finding: "Finding") -> list[str]:
    severity = str(finding.severity)
    head = styled(f"{severity}[{finding.code.id}]", _COLOURS[severity], sys.stdout)
    who = f"policy `{finding.policy}`" + (f", rule `{finding.rule}`" if finding.rule else "")
    lines = [f"{head}: {printable(who)}: {printable(finding.message)}", f"  --> {_place(finding.position)}"]
    lines += [f"  see {printable(what)}: {_place(position)}" for what, position in finding.related]
    return lines + [f"hint: {printable(finding.hint)}"] * bool(finding.hint)


def _place(position: "Position") -> str:
    return printable(f"{position.file}:{position.line}:{position.column}")


def _data(finding: "Finding") -> dict[str, Any]:
    return {
        "code": finding.code.id,
        "name": finding.code.name,
        "severity": str(finding.severity),
        "message": finding.message,
        "hint": finding.hint,
        "policy": finding.policy,
        "rule": finding.rule,
        **_position(finding.position),
        "related": [{"what": what, **_position(position)} for what, position in finding.related],
    }


def _position(position: "Position") -> dict[str, Any]:
    return {"file": position.file, "line": position.line, "column": position.column}
