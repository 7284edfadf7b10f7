"""
What lint finds: codes that stay, severities, positions.
"""

from dataclasses import dataclass
from enum import StrEnum

from policy.model.types import Policy, Position, Rule


class Severity(StrEnum):
    """`warning` and worse make `agentctl policy lint` say no."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """
    Attributes:
        id: Stable; never given to something else.
        name: The same in words, for people.
        meaning: One sentence.
        advice: What to do about it.
    """

    id: str
    name: str
    meaning: str
    advice: str


UNREACHED = Code(
    "RF101",
    "never-decides",
    "A rule never decides anything: rules before it match all that it matches.",
    "Put it before them, make them narrower, or remove it.",
)
UNREACHED_OPERATION = Code(
    "RF102",
    "operation-never-decided",
    "A rule never decides some of its operations: rules before it match all that it matches there.",
    "Leave the operation out, or put the rule before them.",
)
CONTRADICTION = Code(
    "RF103",
    "contradiction",
    "Two rules that overlap only in part ask for opposite things, and their order alone decides.",
    "If that is meant, write the overlap as a rule of its own before both.",
)
MOOT = Code(
    "RF104",
    "changes-nothing",
    "Without the rule everything would be decided the same, by the class default or by later rules.",
    "Remove it, or change the default.",
)
NOTHING = Code(
    "RF105",
    "matches-nothing",
    "No request can match the rule: its parts exclude each other, or no such name or number exists.",
    "Correct the part that is named.",
)
EVERYTHING = Code(
    "RF106",
    "matches-nearly-everything",
    "The rule is about nearly every object of its class, whoever acts.",
    "Narrow it, or say it with `defaults`.",
)
NOTHING_LEFT = Code(
    "RF107",
    "nothing-left",
    "Policies of one scope each allow something of a class, but together they allow none of it.",
    "Every policy of a scope must allow what is to be allowed: join them, or widen one.",
)
LOCKOUT = Code(
    "RF108",
    "locks-out",
    "The policy applies to the agent, systemd, a container runtime or logins, and would refuse what they need.",
    "Allow it in an earlier rule, narrow the scope, or try `mode: permissive` first.",
)
SYMLINK = Code(
    "RF109",
    "symlink",
    "A pattern goes through a symbolic link, and names are matched as they really are.",
    "Write the name that the link leads to.",
)
ENDLESS = Code(
    "RF110",
    "endless-waiver",
    "A waiver ends in more than 366 days: an exception that nobody has to think about again.",
    "Let it end within a year.",
)
EXPIRED = Code(
    "RF111",
    "expired-waiver",
    "A waiver has ended and matches nothing any more.",
    "Remove it.",
)
UNDECIDED = Code(
    "RF190",
    "not-decided",
    "A question could not be answered within its limits.",
    "Split the policy, or write fewer patterns that begin with `/**/`.",
)
CODES = (
    UNREACHED,
    UNREACHED_OPERATION,
    CONTRADICTION,
    MOOT,
    NOTHING,
    EVERYTHING,
    NOTHING_LEFT,
    LOCKOUT,
    SYMLINK,
    ENDLESS,
    EXPIRED,
    UNDECIDED,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Attributes:
        message: Lower case, names in backticks; names of files in it are escaped.
        hint: What to do about this one.
        rule: Empty if it is about the policy.
        related: Other places that have to do with it, and what they are.
    """

    code: Code
    severity: Severity
    message: str
    position: Position
    policy: str = ""
    rule: str = ""
    hint: str = ""
    related: tuple[tuple[str, Position], ...] = ()


def about(
    code: Code,
    severity: Severity,
    policy: Policy,
    rule: Rule | None,
    message: str,
    *,
    hint: str = "",
    related: tuple[tuple[str, Position], ...] = (),
) -> Finding:
    """A finding about a rule, or about a policy."""
    position = rule.position if rule else policy.position
    hint = hint or code.advice[0].lower() + code.advice[1:].rstrip(".")
    return Finding(code, severity, message, position, policy.name, rule.id if rule else "", hint, related)


def table() -> str:
    """The page of codes, in Markdown."""
    rows = "\n".join(f"| `{code.id}` | `{code.name}` | {code.meaning} | {code.advice} |" for code in CODES)
    return f"""# Codes of lint

`agentctl policy lint` gives every finding a code that stays. Findings of severity `warning` or `error` make it exit
with 4. See [Ask your policies](../guides/answers.md).

| code | name | meaning | what to do |
|---|---|---|---|
{rows}
"""
