"""
What is there twice in a document.
"""

from collections.abc import Iterator

from policy.language import findings
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.model.types import Position


def duplicate_rules(root: Node, file: str) -> Iterator[Diagnostic]:
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
            kind, policy, name = findings.names_of(root, ("spec", "rules", at))
            position = Position(file, node.line, node.column)
            yield Diagnostic(Severity.ERROR, "duplicate-rule", message, position, "", policy, name, kind)
