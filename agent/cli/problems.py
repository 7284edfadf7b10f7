"""
Problems in the words of the design:

    error: policy `web`, rule `no-shell`: unknown operation `exce`
      --> policies/web.yaml:14:11
    hint: did you mean `exec`?
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TextIO

from agent.cli.terminal import printable, styled

if TYPE_CHECKING:
    from ringfence.v1 import policy_pb2

    from policy.language import Diagnostic

#: Codes with which a node refuses a policy that is valid: the answer is no, but not for the policy's text.
REFUSALS = frozenset(
    {
        "cannot-enforce",
        "limit",
        "unresolved-name",
        "host-scope",
        "confirmation-pending",
        "scope-too-deep",
        "not-found",
        "waiver-left",
        "unknown-policy",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One error or warning.

    Attributes:
        severity: "error" or "warning".
        line, column: 1-based; 0: no position.
        found, required: What the node has and what the policy needs, where that is the point.
    """

    message: str
    severity: str = "error"
    code: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    policy: str = ""
    rule: str = ""
    found: str = ""
    required: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


def from_language(diagnostic: "Diagnostic") -> Problem:
    """A problem the policy language found."""
    position = diagnostic.position
    return Problem(
        message=diagnostic.where + diagnostic.message,
        severity=str(diagnostic.severity),
        code=diagnostic.code,
        file=position.file,
        line=position.line,
        column=position.column,
        hint=diagnostic.hint,
        policy=diagnostic.policy,
        rule=diagnostic.rule,
    )


def from_wire(diagnostic: "policy_pb2.Diagnostic") -> Problem:
    """A problem the agent reported."""
    return Problem(
        message=diagnostic.message,
        severity="warning" if diagnostic.severity == diagnostic.SEVERITY_WARNING else "error",
        code=diagnostic.code,
        file=diagnostic.file,
        line=diagnostic.line,
        column=diagnostic.column,
        hint=diagnostic.hint,
        policy=diagnostic.policy,
        rule=diagnostic.rule,
        found=diagnostic.found,
        required=diagnostic.required,
    )


def lines(problem: Problem) -> list[str]:
    """A problem as lines of text, escaped, without colours."""
    text = [f"{problem.severity}: {printable(problem.message)}"]
    if problem.file and problem.line:
        text.append(f"  --> {printable(problem.file)}:{problem.line}:{problem.column}")
    elif problem.file and problem.code != "cannot-enforce":
        text.append(f"  --> {printable(problem.file)}")
    if problem.found or problem.required:
        text.append(f"  found:    {printable(problem.found)}")
        text.append(f"  required: {printable(problem.required)}")
    if problem.hint:
        text.append(f"hint: {printable(problem.hint)}")
    return text


def show(problems: Iterable[Problem], stream: TextIO | None = None) -> None:
    """Print problems, an empty line between two."""
    stream = stream or sys.stderr
    sys.stdout.flush()  # what was said before comes before, where both lead to one place
    for number, problem in enumerate(problems):
        first, *rest = lines(problem)
        word, _, message = first.partition(": ")
        colour = "red" if problem.is_error else "yellow"
        print("\n" * bool(number) + styled(word, colour, stream) + ": " + message, *rest, sep="\n", file=stream)


def as_data(problem: Problem) -> dict[str, Any]:
    """A problem for `-o json`: every field that says something."""
    return {name: value for name, value in asdict(problem).items() if value}
