"""
pydantic's errors → diagnostics in our words, each where its value stands, with a hint where one is known.
"""

import re
from collections.abc import Collection, Iterator, Sequence, Set
from functools import cache
from typing import Any

from pydantic import BaseModel

from policy.language.classes import CLASSES
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.fields import NAME
from policy.language.shapes import DOCUMENTS, fields, holders, model_at
from policy.language.suggestions import nearest, suggestion
from policy.language.vocabulary import API_VERSION, LATER_FIELDS
from policy.model.types import Position

MESSAGE_MAX = 400
_KINDS = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "fields"}
_WANTED = {
    "string_type": "text",
    "list_type": "a list",
    "model_type": "fields",
    "dict_type": "fields",
    "int_type": "a number",
    "bool_type": "true or false",
}

#: What one of a field's entries is called.
_ONE_OF = {"types": "type", "kinds": "kind"}

Location = tuple[str | int, ...]


def diagnostics(root: Node, errors: Sequence[Any], file: str, model: type[BaseModel]) -> Iterator[Diagnostic]:
    """
    A diagnostic for each of pydantic's error details, but for a missing field that stands there misspelt.

    Args:
        model: What the document was checked against.
    """
    misspelt = {_meant(tuple(detail["loc"]), model) for detail in errors if detail["type"] == "extra_forbidden"}
    for detail in errors:
        location: Location = tuple(detail["loc"])
        if detail["type"] == "missing" and location in misspelt:
            continue
        code, message, hint = _words(detail, location, model)
        position = Position(file, *position_of(root, location, detail["type"]))
        kind, policy, rule = names_of(root, location)
        yield Diagnostic(Severity.ERROR, code, _cut(message), position, _cut(hint), policy, rule, kind)


def _meant(location: Location, model: type[BaseModel]) -> Location:
    """Where an unknown field would be if it were spelt like the nearest known one."""
    names = _fields_in(location)
    close = nearest(names[-1], fields(model_at(model, names[:-1])))
    return (*location[:-1], close) if close else ()


def _fields_in(location: Location) -> tuple[str, ...]:
    return tuple(step for step in location if isinstance(step, str))


def position_of(root: Node, location: Location, kind: str = "") -> tuple[int, int]:
    """Line and column of the value at a location; of its key if it should not be there; else of what holds it."""
    node, at = root, (root.line, root.column)
    for step in location:
        if isinstance(step, str) and isinstance(node.value, dict) and step in node.value:
            at = (node.keys or {})[step]
            node = node.value[step]
        elif isinstance(step, int) and isinstance(node.value, list) and step < len(node.value):
            node = node.value[step]
            at = (node.line, node.column)
        else:
            return at
    return at if kind == "extra_forbidden" or isinstance(node.value, list | dict) else (node.line, node.column)


def names_of(root: Node, location: Location) -> tuple[str, str, str]:
    """What the document is, its name, and the rule if the location is inside one; empty where they cannot be used."""
    said = _text(_get(root, "kind"))
    kind = said.lower() if said in DOCUMENTS else "document"
    name = _text(_get(_get(root, "metadata"), "name"))
    if location[:2] != ("spec", "rules") or len(location) < 3 or not isinstance(location[2], int):
        return kind, name, ""
    rules = _get(_get(root, "spec"), "rules")
    items = rules.value if rules and isinstance(rules.value, list) else []
    return kind, name, _text(_get(items[location[2]], "id")) if location[2] < len(items) else ""


def _get(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _text(node: Node | None) -> str:
    return node.value[:64] if node is not None and isinstance(node.value, str) else ""


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_MAX else text[:MESSAGE_MAX] + "…"


def _words(detail: Any, location: Location, root: type[BaseModel]) -> tuple[str, str, str]:
    """Code, message and hint of an error."""
    kind, found = detail["type"], detail["input"]
    names = _fields_in(location)
    field = names[-1] if names else "the document"
    match kind:
        case "extra_forbidden":
            return _unknown_field(names, root)
        case "missing":
            return "missing-field", f"field `{field}` is missing", ""
        case "literal_error":
            return _unknown_word(found, names, root)
        case "string_pattern_mismatch":
            return _mismatch(found, field, detail["ctx"]["pattern"])
        case "too_short" | "string_too_short":
            return "empty", f"`{field}` is empty", ""
        case "too_long" | "string_too_long":
            most = detail["ctx"]["max_length"]
            return "too-long", f"`{field}` has {len(found):,} {_unit(found)}; at most {most:,} are allowed", ""
        case _ if kind in _WANTED:
            what = f"an entry of `{field}`" if location and isinstance(location[-1], int) else f"`{field}`"
            return _wrong_kind(found, what if names else field, _WANTED[kind])
    context = detail.get("ctx") or {}
    hint = context.get("hint", "") or suggestion(context.get("meant"), _words_of(context.get("known", ())))
    return kind.replace("_", "-"), context.get("message", detail["msg"]), hint


def _words_of(known: Collection[str]) -> tuple[str, ...]:
    """In the order that they have, or one that does not change."""
    return tuple(sorted(known) if isinstance(known, Set) else known)


def _unit(found: object) -> str:
    return "characters" if isinstance(found, str) else "entries"


def _unknown_field(names: tuple[str, ...], root: type[BaseModel]) -> tuple[str, str, str]:
    field, known = names[-1], fields(model_at(root, names[:-1]))
    if len(names) > 1 and field in LATER_FIELDS.get(names[-2], ()):
        hint = "supported: " + ", ".join(f"`{name}`" for name in known)
        return "unsupported", f"field `{field}` is not supported by this version", hint
    homes = [name for name, model in holders(root).items() if field in fields(model) and name not in CLASSES]
    hint = f"`{field}` belongs under `{homes[0]}`" if homes else suggestion(field, known)
    return "unknown-field", f"unknown field {quote(field)}", hint


def _unknown_word(found: object, names: tuple[str, ...], root: type[BaseModel]) -> tuple[str, str, str]:
    """A value that is none of those a field may have."""
    field, holder = names[-1], names[-2] if len(names) > 1 else ""
    known = _known_words(model_at(root, names[:-1]), field)
    if field == "operations":
        return "unknown-operation", f"unknown operation {quote(found)}", _operation_hint(found, holder, known, root)
    if field == "apiVersion":
        return "version", f"apiVersion {quote(found)} is not known", f"this version reads `{API_VERSION}`"
    if holder == "defaults" and field == "syscall":
        message = f"default {quote(found)} is not supported for class `syscall`: only calls that a rule names are seen"
        return "unsupported", message, "name the calls in a rule"
    if field in ("host", "fileless"):
        return "value", f"`{field}` can only be `true`", "leave it out to mean the opposite"
    what = "action" if holder == "defaults" else _ONE_OF.get(field, field)
    return f"unknown-{what}", f"unknown {what} {quote(found)}", suggestion(found, known)


def _operation_hint(found: object, holder: str, known: tuple[str, ...], root: type[BaseModel]) -> str:
    """The nearest operation; else the class that has one of that name."""
    homes = [name for name in CLASSES if found in _known_words(holders(root).get(name), "operations")]
    if homes and not (isinstance(found, str) and nearest(found, known)):
        return f"class `{homes[0]}` has it; class `{holder}` has {', '.join(f'`{name}`' for name in known)}"
    return suggestion(found, known)


@cache
def _known_words(model: type[BaseModel] | None, field: str) -> tuple[str, ...]:
    """The values a field of a model may have, read from the JSON Schema that pydantic makes of it."""
    properties = model.model_json_schema(by_alias=True)["properties"] if model else {}
    schema = properties.get(field, {})
    schema = schema.get("items", schema)
    options = [schema, *schema.get("anyOf", ())]
    return tuple(
        str(word) for option in options for word in option.get("enum", [option["const"]] if "const" in option else [])
    )


def _mismatch(found: object, field: str, pattern: str) -> tuple[str, str, str]:
    """Text that does not have the form of its field."""
    if pattern == NAME:
        return _bad_name(found, field)
    if not str(found).strip():
        return "empty", f"`{field}` is empty", ""
    return "value", f"`{field}`: {quote(found)} is not of the form `{pattern}`", ""


def _bad_name(found: object, field: str) -> tuple[str, str, str]:
    lowered = str(found).lower().replace("_", "-").replace(" ", "-")[:63]
    hint = f"did you mean `{lowered}`?" if re.fullmatch(NAME[1:-1], lowered) else ""
    message = f"{quote(found)} is not a name: lower-case letters and digits, with `-` and `.` inside"
    return "name", f"`{field}`: {message}", hint


def _wrong_kind(found: object, what: str, wanted: str) -> tuple[str, str, str]:
    kind = _KINDS.get(type(found), "nothing")
    hint = ""
    if wanted == "text" and isinstance(found, int | float):
        hint = f'write it in quotes: "{found}"'
    if wanted == "a list" and isinstance(found, str):
        hint = f'write it as a list: ["{found[:60]}"]'
    return "type", f"{what} must be {wanted}, found {kind}", hint
