"""
What is wrong with a policy, and where: facts as fields, and the exact text people see.

Everything quoted comes from a file somebody else wrote, so control characters are escaped when it becomes text.
"""

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from policy.model.types import Position

#: Characters of a quoted value that are shown; more is cut, visibly.
QUOTED_MAX = 80


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """
    Attributes:
        code: Stable name of the kind of finding, for programs: `unknown-field`, `duplicate-rule`, …
        message: Lower case, names in backticks; may hold characters of the file as they are.
        hint: What to do about it; empty if nothing is known.
        policy, rule: Names that it belongs to, empty if not known.
        kind: What `policy` names, in lower case: a policy, unless it says otherwise.
    """

    severity: Severity
    code: str
    message: str
    position: Position = field(default=Position())
    hint: str = ""
    policy: str = ""
    rule: str = ""
    kind: str = "policy"

    @property
    def where(self) -> str:
        """Which document, and rule, as people read it: "policy `web`, rule `egress`: ", or empty. Not escaped."""
        rule = f", rule `{self.rule}`" if self.rule else ""
        return f"{self.kind or 'document'} `{self.policy}`{rule}: " if self.policy else ""


def format_diagnostic(diagnostic: Diagnostic) -> str:
    """The text of a diagnostic, without a newline at its end; no control characters but newlines between its lines."""
    lines = [f"{diagnostic.severity}: {escape(diagnostic.where + diagnostic.message)}"]
    position = diagnostic.position
    if position.file or position.line:
        at = f":{position.line}:{position.column}" if position.line else ""
        lines.append(f"  --> {escape(position.file)}{at}")
    if diagnostic.hint:
        lines.append(f"hint: {escape(diagnostic.hint)}")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text with control, format (bidirectional overrides too), surrogate and separator characters made visible."""
    return text if text.isascii() and text.isprintable() else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    if char == " " or unicodedata.category(char)[0] not in "CZ":
        return char
    return char.encode("unicode_escape").decode("ascii")


def quote(value: object) -> str:
    """A value of a file in backticks, cut if it is long."""
    text = str(value)
    return f"`{text}`" if len(text) <= QUOTED_MAX else f"`{text[:QUOTED_MAX]}…`"
