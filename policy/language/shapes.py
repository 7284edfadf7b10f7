"""
The shapes of documents of all kinds: what a field may hold, by its path, and the JSON Schema.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from policy.language.case_schema import PolicyTestDocument
from policy.language.schema import PolicyDocument
from policy.language.template_schema import TemplateDocument
from policy.language.vocabulary import API_VERSION
from policy.language.waiver_schema import WaiverDocument

#: The model of each kind of document.
DOCUMENTS: MappingProxyType[str, type[BaseModel]] = MappingProxyType(
    {
        "Policy": PolicyDocument,
        "Waiver": WaiverDocument,
        "Template": TemplateDocument,
        "PolicyTest": PolicyTestDocument,
    }
)


def fields(model: type[BaseModel] | None) -> tuple[str, ...]:
    """The names of the fields that a model has in a file."""
    return tuple(info.alias or name for name, info in model.model_fields.items()) if model else ()


def model_at(model: type[BaseModel] | None, names: tuple[str, ...]) -> type[BaseModel] | None:
    """The model behind a path of fields from another one; None: there is no such field, or no model behind it."""
    for name in names:
        model = _below(model).get(name) if model else None
    return model


@cache
def holders(model: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """The models inside another one, by the name of the field that holds them; the outermost of a name."""
    found: dict[str, type[BaseModel]] = {}
    left = [model]
    while left:
        for name, inner in _below(left.pop(0)).items():
            if name not in found:
                found[name] = inner
                left.append(inner)
    return found


@cache
def _below(model: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    found = {info.alias or name: _model_of(info.annotation) for name, info in model.model_fields.items()}
    return {name: inner for name, inner in found.items() if inner}


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that values of an annotation are, or are lists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_of(one))), None)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one document of any kind."""
    kinds = {kind: model.__name__ for kind, model in DOCUMENTS.items()}
    _, found = models_json_schema([(model, "validation") for model in DOCUMENTS.values()], by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{API_VERSION}/policy.schema.json",
        "title": "A Ringfence document",
        "description": "One YAML document: " + ", ".join(f"`kind: {kind}`" for kind in kinds) + ".",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"enum": list(kinds), "description": "What the document is."}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{name}"}}
            for kind, name in kinds.items()
        ],
        "$defs": found["$defs"],
    }
