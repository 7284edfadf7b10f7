"""
What is wrong with a template, found before anybody uses it: with samples for its parameters it has to be a policy.

So a policy that uses a template can only be wrong in the values it gives.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from policy import templates as library
from policy.language import convert, duplicates, findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.expansion import filled
from policy.language.filling import FillingError
from policy.language.refusals import Patience
from policy.language.template_schema import TemplateDocument
from policy.language.templates import Template, template
from policy.model.types import Policy, Position

_KIND = "template"


def check(root: Node, file: str) -> Iterator[Diagnostic]:
    """What is wrong with a template's document beyond its shape; nothing if the shape is wrong."""
    try:
        found = template(TemplateDocument.model_validate(root.plain(), context=Patience()), root, file)
    except ValidationError:
        return
    if found.name in library.names():
        at = Position(file, *findings.position_of(root, ("metadata", "name")))
        message = f"the library has a template {quote(found.name)}"
        yield Diagnostic(
            Severity.ERROR, "duplicate-template", message, at, "choose another name", found.name, kind=_KIND
        )
    if defects := list(_parameters(found, root, file)):
        yield from defects
        return
    yield from _sample(found, root, file)


def _parameters(found: Template, root: Node, file: str) -> Iterator[Diagnostic]:
    """Parameters that are there twice, or whose default is not of their type."""
    seen: set[str] = set()
    for at, parameter in enumerate(found.parameters):
        place = ("spec", "parameters", at)
        if parameter.name in seen:
            position = Position(file, *findings.position_of(root, (*place, "name")))
            message = f"duplicate parameter {quote(parameter.name)}"
            yield Diagnostic(Severity.ERROR, "duplicate-parameter", message, position, "", found.name, kind=_KIND)
        seen.add(parameter.name)
        if parameter.default is not None:
            details = [{**one, "loc": (*place, "default", *one["loc"])} for one in parameter.check(parameter.default)]
            yield from findings.diagnostics(root, details, file, TemplateDocument)


def _sample(found: Template, root: Node, file: str) -> Iterator[Diagnostic]:
    try:
        sample = filled(found, root)
    except FillingError as problem:
        at = Position(file, problem.place.line, problem.place.column)
        yield Diagnostic(Severity.ERROR, problem.code, problem.message, at, problem.hint, found.name, kind=_KIND)
        return
    wrong = list(duplicates.duplicate_rules(sample, file))
    try:
        schema.PolicyDocument.model_validate(sample.plain(), context=Patience())
    except ValidationError as problem:
        details = problem.errors(include_url=False, include_context=True)
        wrong += findings.diagnostics(sample, details, file, schema.PolicyDocument)
    for one in sorted(wrong, key=lambda one: (one.position.line, one.position.column)):
        yield replace(one, kind=_KIND)


def sample_policy(found: Template, root: Node, file: str) -> Policy:
    """
    A valid template as a policy, with samples for the parameters that have no default or an empty one.

    Args:
        root: The template's document.
    """
    sample = filled(found, root)
    return convert.policy(schema.PolicyDocument.model_validate(sample.plain()), sample, file)
