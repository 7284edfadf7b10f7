"""
Tests of policies: requests, each with what policies have to make of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from policy.language import findings
from policy.language.case_schema import CaseEntry, PolicyTestDocument
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.requests import name, object_of, operations_of
from policy.model.types import Class, Errno, Object, Position


@dataclass(frozen=True, slots=True)
class Who:
    """
    Who acts, as of `policy.model.types.Actor`, but users and groups may still be names. None: it could not be told.
    """

    exe: bytes | None = None
    user: int | str | None = None
    group: int | str | None = None
    parent: bytes | None = None
    ancestors: frozenset[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """
    Attributes:
        object: As of `policy.model.types.Request`.
        expected: An effect, or `undecided`.
        rule, policy, errno: Of the decision; None: whichever.
    """

    name: str
    subject: Who
    class_: Class
    operations: tuple[str, ...]
    object: Object
    expected: str
    time: int = 0
    rule: str | None = None
    policy: str | None = None
    errno: Errno | None = None
    position: Position = field(default=Position(), compare=False)


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """
    Attributes:
        policies: Names of those that apply together; empty: those of the same text, or all if it has none.
    """

    name: str
    policies: tuple[str, ...]
    cases: tuple[Case, ...]
    position: Position = field(default=Position(), compare=False)


def policy_test(document: PolicyTestDocument, root: Node, file: str, architecture: str = "x86_64") -> PolicyTest:
    """The test that a valid document means."""
    spec = document.spec
    cases = (
        _case(entry, Position(file, *findings.position_of(root, ("spec", "cases", at))), architecture)
        for at, entry in enumerate(spec.cases)
    )
    position = Position(file, *findings.position_of(root, ()))
    return PolicyTest(document.metadata.name, tuple(spec.policies), tuple(cases), position)


def check(root: Node, file: str) -> Iterator[Diagnostic]:
    """Cases whose name an earlier one has."""
    spec = root.value.get("spec") if isinstance(root.value, dict) else None
    cases = spec.value.get("cases") if spec and isinstance(spec.value, dict) else None
    first: dict[str, int] = {}
    for case in cases.value if cases and isinstance(cases.value, list) else ():
        node = case.value.get("name") if isinstance(case.value, dict) else None
        if node is None or not isinstance(node.value, str):
            continue
        if first.setdefault(node.value, node.line) != node.line:
            message = f"duplicate case {quote(node.value)}; the first is on line {first[node.value]}"
            kind, test, _ = findings.names_of(root, ())
            at = Position(file, node.line, node.column)
            yield Diagnostic(Severity.ERROR, "duplicate-case", message, at, "", test, kind=kind)


def _case(entry: CaseEntry, position: Position, architecture: str) -> Case:
    who, class_ = entry.subject, entry.request.class_()
    fields = getattr(entry.request, class_)
    return Case(
        name=entry.name,
        subject=Who(
            exe=None if who.exe is None else name(who.exe),
            user=who.user,
            group=who.group,
            parent=None if who.parent is None else name(who.parent),
            ancestors=None if who.ancestors is None else frozenset(map(name, who.ancestors)),
        ),
        class_=class_,
        operations=operations_of(class_, fields),
        object=object_of(class_, fields, architecture),
        expected=entry.expect,
        time=entry.time or 0,
        rule=entry.rule,
        policy=entry.policy,
        errno=Errno(entry.errno) if entry.errno else None,
        position=position,
    )
