"""
Templates: lists of rules with typed parameters, which a policy uses by name.

A template is checked when it is read, with samples for its parameters, so that a policy that uses it can only be wrong
in the values it gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema

from policy import templates as library
from policy.language import findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node, documents
from policy.language.parameters import KINDS, Parameter
from policy.language.vocabulary import API_VERSION
from policy.model.types import Position

PARAMETERS_MAX = 64
_Given = Annotated[Any, WithJsonSchema({})]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TemplateMetadata(_Strict):
    """What the template is called, and for what."""

    name: schema.Name
    description: schema.Text = ""
    owner: schema.Text = ""
    tags: list[schema.Text] = Field(default=[], max_length=64)


class ParameterEntry(_Strict):
    """What a policy that uses the template may, or has to, say."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]*$", max_length=63)]
    type: Literal[tuple(KINDS)]  # type: ignore[valid-type]
    default: _Given = Field(default=None, description="Left out: every policy has to give a value.")
    description: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class TemplateSpec(_Strict):
    """Parameters, and what is filled with them: `${name}` in any text of the defaults and rules."""

    stops: schema.Text = ""
    limits: list[schema.Text] = Field(default=[], max_length=64, description="What it does not stop.")
    parameters: list[ParameterEntry] = Field(default=[], max_length=PARAMETERS_MAX)
    defaults: _Given = None
    rules: _Given = None


class TemplateDocument(_Strict):
    """A Ringfence template."""

    apiVersion: Literal[API_VERSION]  # type: ignore[valid-type]
    kind: Literal["Template"]
    metadata: TemplateMetadata
    spec: TemplateSpec


@dataclass(frozen=True, slots=True)
class Template:
    """
    Attributes:
        stops: The attack it is made against.
        limits: What it does not stop, a sentence each.
        defaults, rules: As they stand in the file, placeholders included; None: none.
    """

    name: str
    description: str
    owner: str
    tags: tuple[str, ...]
    stops: str
    limits: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    defaults: Node | None
    rules: Node | None
    position: Position


def read(root: Node, file: str) -> tuple[Template | None, list[Diagnostic]]:
    """
    The template of a document of kind `Template`, unless something is wrong with it.

    Rules and defaults are looked at by whoever can make a policy of them: `expansion.check`.
    """
    try:
        document = TemplateDocument.model_validate(root.plain(), context=schema.Patience())
    except ValidationError as problem:
        details = problem.errors(include_url=False, include_context=True)
        return None, list(findings.diagnostics(root, details, file))
    spec = _child(root, "spec")
    template = Template(
        name=document.metadata.name,
        description=document.metadata.description,
        owner=document.metadata.owner,
        tags=tuple(document.metadata.tags),
        stops=document.spec.stops,
        limits=tuple(document.spec.limits),
        parameters=tuple(_parameters(document, spec)),
        defaults=_child(spec, "defaults"),
        rules=_child(spec, "rules"),
        position=Position(file, root.line, root.column),
    )
    found = list(_defects(template, root, file))
    return (None, found) if found else (template, [])


def _child(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _parameters(document: TemplateDocument, spec: Node | None) -> Iterator[Parameter]:
    held = _child(spec, "parameters")
    nodes = held.value if held is not None and isinstance(held.value, list) else []
    for entry, node in zip(document.spec.parameters, nodes, strict=True):
        yield Parameter(entry.name, entry.type, entry.description, _child(node, "default"))


def _defects(template: Template, root: Node, file: str) -> Iterator[Diagnostic]:
    """Parameters that are there twice or whose default is not of their type."""
    seen: set[str] = set()
    for at, parameter in enumerate(template.parameters):
        place = ("spec", "parameters", at)
        if parameter.name in seen:
            position = Position(file, *findings.position_of(root, (*place, "name")))
            yield Diagnostic(
                Severity.ERROR, "duplicate-parameter", f"duplicate parameter {quote(parameter.name)}", position
            )
        seen.add(parameter.name)
        if parameter.default is not None:
            details = [{**one, "loc": (*place, "default", *one["loc"])} for one in parameter.check(parameter.default)]
            yield from findings.diagnostics(root, details, file)


@cache
def from_library(name: str) -> Template:
    """
    A template of the library.

    Raises:
        KeyError: There is none of this name.
    """
    (root,) = documents(library.text(name), library.file(name))
    template, found = read(root, library.file(name))
    assert template is not None, found  # noqa: S101 (a test reads every template of the library)
    return template
