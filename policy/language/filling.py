"""
Placeholders → values. In a template `${name}` stands for the value of a parameter:

- Alone, it is the value; as an entry of a list, a list's values are entries in its place.
- Inside a text it is written out; a list's values make a text each.
- A list that parameters leave empty matches nothing, so its rule is left out; below `not` it excludes nothing, so only
  the list is. An empty list therefore never widens a rule.
- `$${name}` is the text `${name}`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from policy.language.diagnostic import quote
from policy.language.document import VALUES_MAX, Node, Scalar
from policy.language.fields import LIST_MAX
from policy.language.suggestions import suggestion

#: Characters of a text that cost as much as a value.
CHARACTERS = 64
_PLACEHOLDER = re.compile(r"\$\$(?=\{)|\$\{([A-Za-z][A-Za-z0-9]*)\}")


class FillingError(Exception):
    """
    A template cannot be filled.

    Attributes:
        code, message, hint: As of a `Diagnostic`.
        place: The value at fault.
    """

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
            raise FillingError("too-many-values", message, place, "split it into several files")


def place_of(node: Node) -> tuple[int, int]:
    return node.line, node.column


def moved(node: Node, to: Node) -> Node:
    """A parameter's value at another place."""
    value = [moved(item, to) for item in node.value] if isinstance(node.value, list) else node.value
    return Node(value, to.line, to.column, None, node.weight)


@dataclass(frozen=True, slots=True)
class Filler:
    """
    Fills placeholders.

    Attributes:
        values: By parameter.
        at: Where what is not of the policy stands; None: everything stands where it does in the template.
    """

    values: Mapping[str, Node]
    budget: Budget
    at: Node | None

    def rules(self, node: Node) -> list[Node]:
        """
        The rules that are left of a template's.

        Raises:
            FillingError
        """
        kept = []
        for rule in node.value if isinstance(node.value, list) else ():
            try:
                kept.append(self.value(rule))
            except _Nothing:
                continue
        return kept

    def value(self, node: Node) -> Node:
        """A value other than an entry of a list."""
        match node.value:
            case str(text):
                return self._single(node, text)
            case list(items):
                entries = [one for item in items for one in self._entries(item)]
                if items and not entries:
                    raise _Nothing
                return self._made(node, entries)
            case dict(fields):
                return self._made(node, self._fields(fields))
            case scalar:
                return self._made(node, scalar)

    def _made(self, node: Node, value: "Scalar | list[Node] | dict[str, Node]") -> Node:
        self.budget.spend(1, node)
        at = self.at or node
        keys = node.keys if self.at is None else dict.fromkeys(node.keys or (), place_of(self.at))
        return Node(value, at.line, at.column, keys)

    def _fields(self, fields: Mapping[str, Node]) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for key, child in fields.items():
            if key == "not" and isinstance(child.value, dict):
                if excluded := self._excluded(child.value):
                    found[key] = self._made(child, excluded)
            else:
                value = self.value(child)
                if key != "subject" or value.value != {}:
                    found[key] = value
        return found

    def _excluded(self, fields: Mapping[str, Node]) -> dict[str, Node]:
        found = {}
        for key, child in fields.items():
            try:
                found[key] = self.value(child)
            except _Nothing:
                continue
        return found

    def _single(self, node: Node, text: str) -> Node:
        found = self._whole(node, text)
        if found is not None:
            if found.value == []:
                raise _Nothing
            return found
        made = self._texts(node, text)
        if not made:
            raise _Nothing
        if len(made) > 1:
            message = f"{quote(text)} is one text, and a list inside it would make several"
            raise FillingError("parameter", message, node, "make it an entry of a list")
        return made[0]

    def _entries(self, node: Node) -> list[Node]:
        if not isinstance(node.value, str):
            return [self.value(node)]
        found = self._whole(node, node.value)
        if found is None:
            return self._texts(node, node.value)
        return found.value if isinstance(found.value, list) else [found]

    def _whole(self, node: Node, text: str) -> Node | None:
        """The value of the parameter that a text is the placeholder of."""
        match = _PLACEHOLDER.fullmatch(text)
        if match is None or match[1] is None:
            return None
        found = self._value_of(match[1], node)
        self.budget.spend(len(found.value) if isinstance(found.value, list) else 1, node)
        return moved(found, node) if self.at is None else found

    def _value_of(self, name: str, node: Node) -> Node:
        if name not in self.values:
            hint = suggestion(name, list(self.values)) or "the template has no parameters"
            raise FillingError("unknown-parameter", f"unknown parameter {quote(name)}", node, hint)
        return self.values[name]

    def _texts(self, node: Node, text: str) -> list[Node]:
        """The texts that a text with placeholders inside stands for."""
        used = list(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text) if match[1]))
        values = [self._value_of(name, node) for name in used]
        made: list[Node] = []
        for chosen in product(*(value.value if isinstance(value.value, list) else [value] for value in values)):
            by_name = dict(zip(used, chosen, strict=True))
            self.budget.spend(1 + _length(text, by_name) // CHARACTERS, node)
            if len(made) >= LIST_MAX:
                raise FillingError("too-long", f"{quote(text)} stands for more than {LIST_MAX:,} texts", node)
            made.append(Node(_written(text, by_name), *self._place(chosen, node)))
        return made

    def _place(self, chosen: Iterable[Node], node: Node) -> tuple[int, int]:
        """Where a text made of values stands: where the first of the policy's does."""
        if self.at is None:
            return place_of(node)
        at = place_of(self.at)
        return next((place_of(one) for one in chosen if place_of(one) != at), at)


def _length(text: str, values: Mapping[str, Node]) -> int:
    """Characters that a text will have, or a few more."""
    return len(text) + sum(len(str(values[match[1]].value)) for match in _PLACEHOLDER.finditer(text) if match[1])


def _written(text: str, values: Mapping[str, Node]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]].value) if match[1] else "$", text)
