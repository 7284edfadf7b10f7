"""
The kinds of document, each with how it is read: one table.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from policy.language import case_schema, cases, convert, samples, schema, template_schema, templates, waiver_schema
from policy.language.cases import PolicyTest
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.duplicates import duplicate_rules
from policy.language.suggestions import nearest, suggestion
from policy.language.templates import Template
from policy.model.types import Policy, Position, Waiver

#: What a document may mean.
Item = Policy | Waiver | Template | PolicyTest


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


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Policy": Kind(schema.PolicyDocument, convert.policy, duplicate_rules),
        "Waiver": Kind(waiver_schema.WaiverDocument, convert.waiver),
        "Template": Kind(template_schema.TemplateDocument, templates.template, samples.check),
        "PolicyTest": Kind(case_schema.PolicyTestDocument, cases.policy_test, cases.check),
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
