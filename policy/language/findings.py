"""
pydantic's errors → diagnostics in our words, each where its value stands, with a hint where one is known.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.schema import CLASSES, MODELS, NAME, fields
from policy.language.vocabulary import (
    API_VERSION,
    LATER_CLASSES,
    LATER_FIELDS,
    LATER_KINDS,
    LATER_OPERATIONS,
    PROTOCOLS,
)
from policy.model import syscalls
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

Location = tuple[str | int, ...]


def diagnostics(root: Node, errors: Sequence[Any], file: str) -> Iterator[Diagnostic]:
    """A diagnostic for each of pydantic's error details, but for a missing field that stands there misspelt."""
    misspelt = {_meant(tuple(detail["loc"])) for detail in errors if detail["type"] == "extra_forbidden"}
    for detail in errors:
        location: Location = tuple(detail["loc"])
        if detail["type"] == "missing" and location in misspelt:
            continue
        code, message, hint = _words(detail, location)
        line, column = position_of(root, location, detail["type"])
        policy, rule = names_of(root, location)
        position = Position(file, line, column)
        yield Diagnostic(Severity.ERROR, code, _cut(message), position, _cut(hint), policy, rule)


def _meant(location: Location) -> Location:
    """Where an unknown field would be if it were spelt like the nearest known one."""
    names = [step for step in location if isinstance(step, str)]
    close = _nearest(names[-1], fields(names[-2] if len(names) > 1 else ""))
    return (*location[:-1], close) if close else ()


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


def names_of(root: Node, location: Location) -> tuple[str, str]:
    """The policy, and the rule if the location is inside one; empty where they have no usable name."""
    policy = _text(_get(_get(root, "metadata"), "name"))
    if location[:2] != ("spec", "rules") or len(location) < 3 or not isinstance(location[2], int):
        return policy, ""
    rules = _get(_get(root, "spec"), "rules")
    items = rules.value if rules and isinstance(rules.value, list) else []
    return policy, _text(_get(items[location[2]], "id")) if location[2] < len(items) else ""


def suggestion(word: object, known: Sequence[str]) -> str:
    """`did you mean …?`, or what is known if that is little, or nothing."""
    if isinstance(word, str) and (close := _nearest(word, known)):
        return f"did you mean `{close}`?"
    return "known: " + ", ".join(f"`{name}`" for name in known) if 0 < len(known) <= 12 else ""


def _nearest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, 1, 0.6) if len(word) <= 64 else []
    return close[0] if close else ""


def _get(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _text(node: Node | None) -> str:
    return node.value[:64] if node is not None and isinstance(node.value, str) else ""


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_MAX else text[:MESSAGE_MAX] + "…"


def _words(detail: Any, location: Location) -> tuple[str, str, str]:
    """Code, message and hint of an error."""
    kind, found = detail["type"], detail["input"]
    names = [step for step in location if isinstance(step, str)]
    field = names[-1] if names else "the document"
    holder = names[-2] if len(names) > 1 else ""
    match kind:
        case "extra_forbidden":
            return _unknown_field(field, holder)
        case "missing":
            return "missing-field", f"field `{field}` is missing", ""
        case "literal_error":
            return _unknown_word(found, field, holder)
        case "string_pattern_mismatch":
            return _bad_name(found, field)
        case "too_short" | "string_too_short":
            return "empty", f"`{field}` is empty", ""
        case "too_long" | "string_too_long":
            most = detail["ctx"]["max_length"]
            return "too-long", f"`{field}` has {len(found):,} {_unit(found)}; at most {most:,} are allowed", ""
        case _ if kind in _WANTED:
            what = f"an entry of `{field}`" if location and isinstance(location[-1], int) else f"`{field}`"
            return _wrong_kind(found, what if names else field, _WANTED[kind])
    context = detail.get("ctx") or {}
    hint = context.get("hint", "")
    if kind in ("protocol", "syscall"):
        hint = suggestion(found, sorted(PROTOCOLS) if kind == "protocol" else sorted(syscalls.names()))
    return kind.replace("_", "-"), context.get("message", detail["msg"]), hint


def _unit(found: object) -> str:
    return "characters" if isinstance(found, str) else "entries"


def _unknown_field(field: str, holder: str) -> tuple[str, str, str]:
    if field in LATER_FIELDS.get(holder, ()):
        what = "class" if field in LATER_CLASSES else "field"
        hint = "supported: " + ", ".join(f"`{name}`" for name in _supported(field, holder))
        return "unsupported", f"{what} `{field}` is not supported by this version", hint
    hint = suggestion(field, fields(holder))
    if not hint.startswith("did"):
        homes = [name for name in MODELS if name and field in fields(name)]
        hint = f"`{field}` belongs under `{homes[0]}`" if homes else hint
    return "unknown-field", f"unknown field {quote(field)}", hint


def _supported(field: str, holder: str) -> tuple[str, ...]:
    return CLASSES if field in LATER_CLASSES else fields(holder)


def _unknown_word(found: object, field: str, holder: str) -> tuple[str, str, str]:
    """A value that is none of those a field may have."""
    known = _known_words(field, holder)
    if field == "operations":
        if isinstance(found, str) and found in LATER_OPERATIONS.get(holder, ()):
            hint = "supported: " + ", ".join(f"`{name}`" for name in known)
            return "unsupported", f"operation `{found}` of class `{holder}` is not supported by this version", hint
        return "unknown-operation", f"unknown operation {quote(found)}", suggestion(found, known)
    if field == "apiVersion":
        return "version", f"apiVersion {quote(found)} is not known", f"this version reads `{API_VERSION}`"
    if field == "kind" and isinstance(found, str) and found in LATER_KINDS:
        return "unsupported", f"kind `{found}` is not supported by this version", "supported: `Policy`"
    if holder == "defaults" and field == "syscall":
        message = f"default {quote(found)} is not supported for class `syscall`: only calls that a rule names are seen"
        return "unsupported", message, "name the calls in a rule"
    if field == "host":
        return "value", "`host` can only be `true`", "leave the entry out to leave the host out of scope"
    what = "action" if holder == "defaults" else field
    return f"unknown-{what}", f"unknown {what} {quote(found)}", suggestion(found, known)


@cache
def _known_words(field: str, holder: str) -> tuple[str, ...]:
    """The values a field of a model may have, read from the JSON Schema that pydantic makes of it."""
    model = MODELS.get(holder)
    properties = model.model_json_schema(by_alias=True)["properties"] if model else {}
    schema = properties.get(field, {})
    schema = schema.get("items", schema)
    options = [schema, *schema.get("anyOf", ())]
    return tuple(
        str(word) for option in options for word in option.get("enum", [option["const"]] if "const" in option else [])
    )


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
