"""
A policy that uses a template → the policy without one.

The rules of the policy come before those of the template, so that its exceptions win, and its defaults override the
template's. What comes from the policy keeps its place, so that mistakes are shown there; what comes from the template
stands where the policy names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from policy.language import findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.filling import Budget, Filler, FillingError, moved, place_of
from policy.language.parameters import Parameter
from policy.language.suggestions import suggestion
from policy.language.templates import Template, child
from policy.model.types import Position

#: Longest id of a rule.
_ID_MAX = 63


def expand(
    root: Node, templates: Mapping[str, Template], budget: Budget, file: str
) -> tuple[Node | None, list[Diagnostic]]:
    """
    A policy's document without `spec.template` and `spec.parameters`, or what is wrong with these.

    Args:
        templates: Those that may be used, by name.
    """
    spec = child(root, "spec")
    named, given = child(spec, "template"), child(spec, "parameters")
    if spec is None or named is None:
        found = [_diagnostic(root, "template", "`parameters` without a `template`", given, file)] if given else []
        return (None, found) if found else (root, [])
    if not isinstance(named.value, str) or named.value not in templates:
        hint = suggestion(named.value, list(templates)) or "`agentctl policy templates` lists those of the library"
        message = f"unknown template {quote(named.value)}"
        return None, [_diagnostic(root, "unknown-template", message, named, file, hint)]
    template = templates[named.value]
    if found := list(_wrong_parameters(root, named, given, template, file)):
        return None, found
    try:
        return _expanded(root, spec, template, Filler(_values(given, template, named), budget, named)), []
    except FillingError as problem:
        return None, [_diagnostic(root, problem.code, problem.message, named, file, problem.hint)]


def filled(template: Template, root: Node) -> Node:
    """
    A policy made of a template with samples, every value at its place in the template: what to check rules and defaults
    by.

    Args:
        root: The template's document.

    Raises:
        FillingError: A placeholder is wrong.
    """
    filler = Filler({one.name: one.sample() for one in template.parameters}, Budget(), None)
    at = place_of(root)
    scope = Node([Node({"host": Node(True, *at)}, *at, {"host": at})], *at)
    spec = {"scope": scope}
    for key, node in (("defaults", template.defaults), ("rules", template.rules)):
        if node is not None:
            spec[key] = filler.value(node)
    metadata = Node({"name": Node(template.name, *at)}, *at, {"name": at})
    keys = {**dict.fromkeys(spec, at), **((child(root, "spec") or root).keys or {})}
    made = {**_fields(root), "kind": Node("Policy", *at), "metadata": metadata, "spec": Node(spec, *at, keys)}
    return replace(root, value=made)


def _fields(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _diagnostic(root: Node, code: str, message: str, at: Node | None, file: str, hint: str = "") -> Diagnostic:
    kind, policy, _ = findings.names_of(root, ())
    position = Position(file, *place_of(at or root))
    return Diagnostic(Severity.ERROR, code, message, position, hint, policy, kind=kind)


def _wrong_parameters(
    root: Node, named: Node, given: Node | None, template: Template, file: str
) -> Iterator[Diagnostic]:
    if given is not None and not isinstance(given.value, dict):
        yield _diagnostic(root, "type", "`parameters` must be fields", given, file)
        return
    for one in template.parameters:
        if one.default is None and one.name not in _fields(given):
            message = f"template `{template.name}` needs the parameter `{one.name}`"
            yield _diagnostic(root, "missing-parameter", message, named, file, f"{one.kind.meaning}: {one.description}")
    for name, value in _fields(given).items():
        yield from _wrong_value(root, name, value, template.parameters, file)


def _wrong_value(
    root: Node, name: str, value: Node, parameters: Sequence[Parameter], file: str
) -> Iterator[Diagnostic]:
    known = {parameter.name: parameter for parameter in parameters}
    place = ("spec", "parameters", name)
    if name in known:
        details = [{**detail, "loc": (*place, *detail["loc"])} for detail in known[name].check(value)]
        yield from findings.diagnostics(root, details, file, schema.PolicyDocument)
        return
    at = Node(None, *findings.position_of(root, place, "extra_forbidden"))
    hint = suggestion(name, list(known)) or f"template has {len(known)} parameters, none of this name"
    yield _diagnostic(root, "unknown-parameter", f"unknown parameter {quote(name)}", at, file, hint)


def _values(given: Node | None, template: Template, named: Node) -> dict[str, Node]:
    """The value of every parameter; defaults stand where the policy names the template."""
    defaults = {one.name: moved(one.default, named) for one in template.parameters if one.default is not None}
    return defaults | _fields(given)


def _expanded(root: Node, spec: Node, template: Template, filler: Filler) -> Node:
    fields = {key: value for key, value in _fields(spec).items() if key not in ("template", "parameters")}
    named = _fields(spec)["template"]
    keys = {"rules": place_of(named), "defaults": place_of(named), **(spec.keys or {})}
    own, defaults = fields.get("rules"), fields.get("defaults")
    if template.rules is not None and (own is None or isinstance(own.value, list)):
        mine = own.value if own is not None and isinstance(own.value, list) else []
        theirs = _distinct(mine, filler.rules(template.rules), template.name)
        fields["rules"] = Node([*mine, *theirs], *place_of(own or named))
    if template.defaults is not None and (defaults is None or isinstance(defaults.value, dict)):
        fields["defaults"] = _merged(filler.value(template.defaults), defaults or Node({}, *place_of(named), {}))
    return replace(root, value={**_fields(root), "spec": replace(spec, value=fields, keys=keys)})


def _merged(theirs: Node, mine: Node) -> Node:
    """Defaults of both; mine win."""
    keys = {**(theirs.keys or {}), **(mine.keys or {})}
    return Node({**_fields(theirs), **_fields(mine)}, *place_of(mine), keys)


def _distinct(mine: Sequence[Node], theirs: Sequence[Node], name: str) -> list[Node]:
    """The template's rules, prefixed with its name where the policy has a rule of the same id."""
    taken = [id_.value for rule in mine if (id_ := child(rule, "id"))]
    return [_prefixed(rule, name) if (id_ := child(rule, "id")) and id_.value in taken else rule for rule in theirs]


def _prefixed(rule: Node, name: str) -> Node:
    fields = _fields(rule)
    id_ = fields["id"]
    return replace(rule, value={**fields, "id": replace(id_, value=f"{name}.{id_.value}"[:_ID_MAX])})
