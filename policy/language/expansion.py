"""
A policy that uses a template → the policy without one.

The rules of the policy come before those of the template, so that its exceptions win, and its defaults override the
template's. In the template `${name}` stands for the value of a parameter:

- Alone, it is the value; as an entry of a list, a list's values are entries in its place.
- Inside a text it is written out; a list's values make a text each.
- A list that parameters leave empty matches nothing, so its rule is left out; below `not` it excludes nothing, so only
  the list is. An empty list therefore never widens a rule.
- `$${name}` is the text `${name}`.

What comes from the policy keeps its place; what comes from the template stands where the policy names it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from policy.language import findings, parameters
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import VALUES_MAX, Node, Scalar
from policy.language.schema import LIST_MAX
from policy.language.templates import Template
from policy.model.types import Position

_PLACEHOLDER = re.compile(r"\$\$(?=\{)|\$\{([A-Za-z][A-Za-z0-9]*)\}")
#: Longest id of a rule.
_ID_MAX = 63


class ExpansionError(Exception):
    """A template cannot be filled; `code`, `message` and `hint` as of a `Diagnostic`, `place` the node at fault."""

    def __init__(self, code: str, message: str, place: Node, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.hint = hint


class _Nothing(Exception):
    """Parameters left a list empty."""


@dataclass(slots=True)
class Budget:
    """How many values templates may still add to a text: what bounds what a small text can amount to."""

    left: int = VALUES_MAX

    def spend(self, values: int, place: Node) -> None:
        self.left -= values
        if self.left < 0:
            message = f"the templates of the text amount to more than {VALUES_MAX:,} values"
            raise ExpansionError("too-many-values", message, place, "split it into several files")


@dataclass(slots=True)
class _Filler:
    """
    Fills placeholders.

    Attributes:
        values: By parameter.
        at: Where what is not of the policy stands; None: it keeps its own place.
    """

    values: Mapping[str, Node]
    budget: Budget
    at: Node | None

    def value(self, node: Node) -> Node:
        """A value other than an entry of a list."""
        match node.value:
            case str(text):
                return self._single(node, text)
            case list(items):
                filled = [one for item in items for one in self._entries(item)]
                if items and not filled:
                    raise _Nothing
                return self._made(node, filled)
            case dict(entries):
                return self._made(node, self._mapping(entries))
        return self._made(node, node.value)

    def rules(self, node: Node) -> list[Node]:
        """The rules that are left of a template's."""
        kept = []
        for rule in node.value if isinstance(node.value, list) else ():
            try:
                kept.append(self.value(rule))
            except _Nothing:
                continue
        return kept

    def _made(self, node: Node, value: "Scalar | list[Node] | dict[str, Node]") -> Node:
        self.budget.spend(1, node)
        at = self.at or node
        keys = node.keys if self.at is None else dict.fromkeys(node.keys or (), _place(self.at))
        return Node(value, at.line, at.column, keys)

    def _mapping(self, entries: Mapping[str, Node]) -> dict[str, Node]:
        filled: dict[str, Node] = {}
        for key, child in entries.items():
            if key == "not" and isinstance(child.value, dict):
                if found := self._excluded(child.value):
                    filled[key] = self._made(child, found)
            else:
                value = self.value(child)
                if key != "subject" or value.value != {}:
                    filled[key] = value
        return filled

    def _excluded(self, entries: Mapping[str, Node]) -> dict[str, Node]:
        filled = {}
        for key, child in entries.items():
            try:
                filled[key] = self.value(child)
            except _Nothing:
                continue
        return filled

    def _single(self, node: Node, text: str) -> Node:
        found = self._parameter(node, text)
        if found is not None:
            if found.value == []:
                raise _Nothing
            return found
        made = self._texts(node, text)
        if len(made) != 1:
            raise ExpansionError("template", f"a list in {quote(text)}, which is one text", node)
        return made[0]

    def _entries(self, node: Node) -> list[Node]:
        if not isinstance(node.value, str):
            return [self.value(node)]
        found = self._parameter(node, node.value)
        if found is None:
            return self._texts(node, node.value)
        return found.value if isinstance(found.value, list) else [found]

    def _parameter(self, node: Node, text: str) -> Node | None:
        """The value that a text stands for as a whole."""
        match = _PLACEHOLDER.fullmatch(text)
        if match is None or match[1] is None:
            return None
        found = self._value_of(match[1], node)
        self.budget.spend(found.weight, node)
        return _moved(found, node) if self.at is None else found

    def _value_of(self, name: str, node: Node) -> Node:
        if name not in self.values:
            hint = findings.suggestion(name, list(self.values)) or "the template has no parameters"
            raise ExpansionError("unknown-parameter", f"unknown parameter {quote(name)}", node, hint)
        return self.values[name]

    def _texts(self, node: Node, text: str) -> list[Node]:
        """The texts that a text with placeholders inside stands for; they stand where a value of the policy does."""
        used = list(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text) if match[1]))
        choices = [self._choices(self._value_of(name, node)) for name in used]
        made: list[Node] = []
        for chosen in product(*choices):
            self.budget.spend(1, node)
            if len(made) >= LIST_MAX:
                raise ExpansionError("too-long", f"{quote(text)} stands for more than {LIST_MAX:,} texts", node)
            by_name = dict(zip(used, chosen, strict=True))
            made.append(Node(_written(text, by_name), *self._place_of(chosen, node)))
        return made

    def _place_of(self, chosen: Iterable[Node], node: Node) -> tuple[int, int]:
        """Where a text made of values stands: where the first of the policy's does."""
        if self.at is None:
            return _place(node)
        at = _place(self.at)
        return next((_place(one) for one in chosen if _place(one) != at), at)

    def _choices(self, value: Node) -> list[Node]:
        return value.value if isinstance(value.value, list) else [value]


def _place(node: Node) -> tuple[int, int]:
    return node.line, node.column


def _written(text: str, values: Mapping[str, Node]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]].value) if match[1] else "$", text)


def expand(
    root: Node, templates: Mapping[str, Template], budget: Budget, file: str
) -> tuple[Node | None, list[Diagnostic]]:
    """
    A policy's document without `spec.template` and `spec.parameters`, or what is wrong with these.

    Args:
        templates: Those that may be used, by name.
    """
    spec = _get(root, "spec")
    named, given = _get(spec, "template"), _get(spec, "parameters")
    if spec is None or named is None:
        found = [_diagnostic(root, "template", "`parameters` without a `template`", given, file)] if given else []
        return (None, found) if found else (root, [])
    if not isinstance(named.value, str) or named.value not in templates:
        hint = findings.suggestion(named.value, sorted(templates))
        hint = hint or "`agentctl policy templates` lists those of the library"
        message = f"unknown template {quote(named.value)}"
        return None, [_diagnostic(root, "unknown-template", message, named, file, hint)]
    template = templates[named.value]
    if found := list(_wrong_parameters(root, named, given, template, file)):
        return None, found
    values = _values(given, template, named)
    try:
        return _expanded(root, template, _Filler(values, budget, named)), []
    except ExpansionError as problem:
        return None, [_diagnostic(root, problem.code, problem.message, named, file, problem.hint)]


def check(template: Template, root: Node) -> Node:
    """
    A policy made of a template with samples, every value at its place in the template: what to check rules and defaults
    by.

    Raises:
        ExpansionError: A placeholder is wrong.
    """
    filler = _Filler({one.name: one.sample() for one in template.parameters}, Budget(), None)
    host = Node([Node({"host": Node(True, 0, 0)}, 0, 0)], 0, 0)
    entries = {"scope": host}
    for key, node in (("defaults", template.defaults), ("rules", template.rules)):
        if node is not None:
            entries[key] = filler.value(node)
    spec = _get(root, "spec") or root
    metadata = Node({"name": Node(template.name, root.line, root.column)}, root.line, root.column)
    made = {**_entries(root), "kind": Node("Policy", 0, 0), "metadata": metadata, "spec": replace(spec, value=entries)}
    return replace(root, value=made)


def _get(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _diagnostic(root: Node, code: str, message: str, at: Node | None, file: str, hint: str = "") -> Diagnostic:
    policy, _ = findings.names_of(root, ())
    line, column = _place(at or root)
    return Diagnostic(Severity.ERROR, code, message, Position(file, line, column), hint, policy)


def _wrong_parameters(
    root: Node, named: Node, given: Node | None, template: Template, file: str
) -> Iterable[Diagnostic]:
    if given is not None and not isinstance(given.value, dict):
        yield _diagnostic(root, "type", "`parameters` must be fields", given, file)
        return
    for one in template.parameters:
        if one.default is None and one.name not in _entries(given):
            message = f"template `{template.name}` needs the parameter `{one.name}`"
            yield _diagnostic(root, "missing-parameter", message, named, file, f"{one.type}: {one.description}")
    if given is not None:
        yield from parameters.check_values(root, given, template.parameters, file)


def _values(given: Node | None, template: Template, named: Node) -> dict[str, Node]:
    """The value of every parameter; defaults stand where the policy names the template."""
    defaults = {one.name: _moved(one.default, named) for one in template.parameters if one.default is not None}
    return defaults | _entries(given)


def _moved(node: Node, to: Node) -> Node:
    value = [_moved(item, to) for item in node.value] if isinstance(node.value, list) else node.value
    return Node(value, to.line, to.column, None, node.weight)


def _expanded(root: Node, template: Template, filler: _Filler) -> Node:
    spec = _get(root, "spec") or root
    entries = {key: value for key, value in _entries(spec).items() if key not in ("template", "parameters")}
    named = _entries(spec)["template"]
    keys = {**(spec.keys or {})}
    own = _get(spec, "rules")
    if own is None or isinstance(own.value, list):
        mine = own.value if own is not None and isinstance(own.value, list) else []
        theirs = filler.rules(template.rules) if template.rules is not None else []
        made = Node([*mine, *_distinct(mine, theirs, template.name)], *_place(own or named))
        entries["rules"] = made
        keys.setdefault("rules", _place(named))
    defaults = _get(spec, "defaults")
    if template.defaults is not None and (defaults is None or isinstance(defaults.value, dict)):
        filled = filler.value(template.defaults)
        merged = {**_entries(filled), **_entries(defaults)}
        at = {**(filled.keys or {}), **((defaults.keys if defaults else None) or {})}
        entries["defaults"] = Node(merged, *_place(defaults or named), at)
        keys.setdefault("defaults", _place(named))
    return replace(root, value={**_entries(root), "spec": replace(spec, value=entries, keys=keys)})


def _distinct(mine: Iterable[Node], theirs: Iterable[Node], name: str) -> list[Node]:
    """The template's rules, prefixed with its name where the policy has a rule of the same id."""
    taken = {_get(rule, "id").value for rule in mine if _get(rule, "id")}  # type: ignore[union-attr]
    return [_prefixed(rule, name) if (id_ := _get(rule, "id")) and id_.value in taken else rule for rule in theirs]


def _prefixed(rule: Node, name: str) -> Node:
    entries = _entries(rule)
    id_ = entries["id"]
    return replace(rule, value={**entries, "id": replace(id_, value=f"{name}.{id_.value}"[:_ID_MAX])})
