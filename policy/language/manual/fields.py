"""
Fields of documents as tables of Markdown, from the JSON Schema.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
#: Longest list of words that is spelled out in a table.
_WORDS_MAX = 16


def table(schema: Schema, definitions: Mapping[str, Schema], links: Mapping[str, str]) -> Iterator[str]:
    """
    Lines of a table of a model's fields.

    Args:
        definitions: Models by name.
        links: Where models have a section of their own, by name.
    """
    required = schema.get("required", ())
    yield "| field | value | left out | meaning |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        default = "**required**" if name in required else _default(field)
        yield f"| `{name}` | {value(field, links)} | {default} | {_cell(_meaning(field, definitions))} |"


def _meaning(field: Schema, definitions: Mapping[str, Schema]) -> str:
    """The field's description; where pydantic leaves it out for being the model's own, that one."""
    found = field.get("description") or definitions.get(referred(field), {}).get("description", "")
    return str(found)


def referred(field: Schema) -> str:
    """The model that a field's value is, by name; empty: it is none."""
    return str(field.get("$ref", "")).rpartition("/")[2]


def value(field: Schema, links: Mapping[str, str]) -> str:
    """What a field may be, in words."""
    if name := referred(field):
        return f"[{name}]({links[name]})" if name in links else name
    if "allOf" in field:
        return value(field["allOf"][0], links)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(value(one, links) for one in field["anyOf"]))
    if words := _words(field):
        return words
    match field.get("type"):
        case "array":
            return _list(field.get("items", {}), links)
        case "object":
            inner = field.get("additionalProperties")
            return f"fields, each {value(inner, links)}" if isinstance(inner, dict) else "fields"
        case "string":
            return "text"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "true or false"
    return "any value"


def _list(item: Schema, links: Mapping[str, str]) -> str:
    """A list, and what its entries are where that is more than their type."""
    about = str(item.get("description", "")).rstrip(".")
    return f"list of {value(item, links)}" + (f": {about[0].lower()}{about[1:]}" if about else "")


def models(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    """Names of the models that a model holds, directly or not, outermost first."""
    found: list[str] = []
    left = list(_references(schema))
    while left:
        name = left.pop(0)
        if name not in found:
            found.append(name)
            left += _references(definitions[name])
    return found


def _references(schema: object) -> Iterable[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for inner in schema.values():
            yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)


def _words(field: Schema) -> str:
    words = field.get("enum", [field["const"]] if "const" in field else [])
    if len(words) > _WORDS_MAX:
        return "a name"
    return ", ".join(f"`{str(word).lower() if isinstance(word, bool) else word}`" for word in words)


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default in (None, [], {}, "") else f"`{default}`" if isinstance(default, str | int) else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
