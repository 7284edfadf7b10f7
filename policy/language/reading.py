"""
Text → policies and diagnostics. Never raises for what the text holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from policy.language import convert, findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import DocumentError, Node, documents
from policy.model.types import Policy, Position

#: Diagnostics given for one text; what is past them is counted in a last one.
DIAGNOSTICS_MAX = 100


@dataclass(frozen=True, slots=True)
class LoadResult:
    """
    Attributes:
        policies: Those documents that are valid, in the order of the text.
        diagnostics: What is wrong, in the order of the text, at most `DIAGNOSTICS_MAX` + 1.
    """

    policies: tuple[Policy, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether all of the text is valid; the policies of a text that is not should not be used."""
        return not any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


def load(text: str | bytes, file: str = "<text>") -> LoadResult:
    """
    The policies of a YAML text of one or more documents.

    Args:
        text: At most `document.TEXT_MAX` bytes of UTF-8.
        file: What diagnostics and positions call it.
    """
    policies: list[Policy] = []
    found: list[Diagnostic] = []
    seen: dict[str, int] = {}
    count = 0
    try:
        for root in documents(text, file):
            count += 1
            policy, diagnostics = _read(root, file)
            found += diagnostics or _duplicate_policy(policy, seen)
            if policy is not None:
                policies.append(policy)
            if len(found) > DIAGNOSTICS_MAX:
                break
    except DocumentError as problem:
        found.append(problem.diagnostic)
        count += 1
    if not count:
        found.append(Diagnostic(Severity.ERROR, "no-policy", "the text has no policy", Position(file)))
    return LoadResult(tuple(policies), _bounded(found))


def _read(root: Node, file: str) -> tuple[Policy | None, list[Diagnostic]]:
    duplicates = list(_duplicate_rules(root, file))
    try:
        document = schema.Document.model_validate(root.plain(), context=schema.Patience())
    except ValidationError as problem:
        details = problem.errors(include_url=False, include_context=True)
        found = [*findings.diagnostics(root, details[:DIAGNOSTICS_MAX], file), *duplicates]
        found.sort(key=lambda one: (one.position.line, one.position.column))
        return None, found + [_more(len(details) - DIAGNOSTICS_MAX, file)] * (len(details) > DIAGNOSTICS_MAX)
    return (None, duplicates) if duplicates else (convert.policy(document, root, file), [])


def _duplicate_rules(root: Node, file: str) -> Iterator[Diagnostic]:
    """Rules whose id an earlier rule of the same policy has."""
    spec = root.value.get("spec") if isinstance(root.value, dict) else None
    rules = spec.value.get("rules") if spec and isinstance(spec.value, dict) else None
    first: dict[str, int] = {}
    for at, rule in enumerate(rules.value if rules and isinstance(rules.value, list) else ()):
        node = rule.value.get("id") if isinstance(rule.value, dict) else None
        if node is None or not isinstance(node.value, str):
            continue
        if node.value not in first:
            first[node.value] = node.line
        else:
            message = f"duplicate rule id {quote(node.value)}; the first is on line {first[node.value]}"
            policy, name = findings.names_of(root, ("spec", "rules", at))
            position = Position(file, node.line, node.column)
            yield Diagnostic(Severity.ERROR, "duplicate-rule", message, position, "", policy, name)


def _duplicate_policy(policy: Policy | None, seen: dict[str, int]) -> list[Diagnostic]:
    if policy is None:
        return []
    if policy.name not in seen:
        seen[policy.name] = policy.position.line
        return []
    message = f"duplicate policy; the first is on line {seen[policy.name]}"
    return [Diagnostic(Severity.ERROR, "duplicate-policy", message, policy.position, "", policy.name)]


def _bounded(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    if len(found) <= DIAGNOSTICS_MAX + 1:
        return tuple(found)
    return (*found[:DIAGNOSTICS_MAX], _more(len(found) - DIAGNOSTICS_MAX, found[0].position.file))


def _more(count: int, file: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, "more", f"{count:,} or more further errors are not shown", Position(file))
