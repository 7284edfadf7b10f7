"""
The kinds of document, each with how it is read: one table.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from policy.language import convert, findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.suggestions import nearest, suggestion
from policy.model.types import Policy, Position, Waiver

#: What a document may mean.
Item = Policy | Waiver


def _nothing_more(_root: Node, _file: str) -> Iterator[Diagnostic]:
    yield from ()


@dataclass(frozen=True, slots=True)
class Kind:
    """
    Attributes:
        model: What a document's values are checked against.
        convert: Model instance, document and the file's name → what it means; called if nothing is wrong.
        check: What is wrong beyond the model, found in the document itself, valid or not.
    """

    model: type[BaseModel]
    convert: Callable[[Any, Node, str], Item]
    check: Callable[[Node, str], Iterator[Diagnostic]] = _nothing_more


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


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Policy": Kind(schema.PolicyDocument, convert.policy, duplicate_rules),
        "Waiver": Kind(schema.WaiverDocument, convert.waiver),
    }
)


def kind_of(root: Node, file: str) -> Kind | Diagnostic:
    """
    How to read a document: as what it says it is, or nearly says; one that says nothing as a policy.

    Returns:
        The kind, or that it is none.
    """
    node = root.value.get("kind") if isinstance(root.value, dict) else None
    if node is None or not isinstance(node.value, str):
        return KINDS["Policy"]
    name = node.value if node.value in KINDS else nearest(node.value, tuple(KINDS))
    if name:
        return KINDS[name]
    position = Position(file, node.line, node.column)
    message = f"unknown kind {quote(node.value)}"
    return Diagnostic(Severity.ERROR, "unknown-kind", message, position, suggestion(node.value, tuple(KINDS)))
