"""The page's types against the API's own description."""

import re
from typing import Any

import httpx
import pytest

from tests.console.collector_process import running_collector
from tests.console.conftest import CONSOLE

TYPES = (CONSOLE / "src" / "api" / "types.ts").read_text()
INTERFACES = {
    name: dict(re.findall(r"readonly (\w+): (.+);", body))
    for name, body in re.findall(r"export interface (\w+) \{\n(.*?)\n\}", TYPES, re.DOTALL)
}


def test_the_page_has_types() -> None:
    """The test below looks at something."""
    assert {"Violation", "Policy", "Node", "Outcome", "Diagnostic"} <= INTERFACES.keys()


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with running_collector(tmp_path_factory.mktemp("collector")) as collector:
        described: dict[str, Any] = httpx.get(f"{collector.url}/api/v1/openapi.json").json()
    return described["components"]["schemas"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", INTERFACES)
def test_fields_are_those_of_the_api(name: str, schemas: dict[str, Any]) -> None:
    """Every field the page reads exists in the API under this name, with this type, and is always there."""
    assert name in schemas
    for field, type_ in INTERFACES[name].items():
        assert field in schemas[name]["required"]
        assert _type_of(schemas[name]["properties"][field]) == type_, f"{name}.{field}"


def _type_of(schema: dict[str, Any]) -> str:
    """The TypeScript type that the page writes for a JSON schema."""
    match schema:
        case {"anyOf": [one, {"type": "null"}]}:
            return f"{_type_of(one)} | null"
        case {"$ref": str(reference)}:
            return reference.split("/")[-1]
        case {"type": "array", "items": dict(items)}:
            return f"readonly {_type_of(items)}[]"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"Readonly<Record<string, {_type_of(values)}>>"
        case {"type": "integer"}:
            return "number"
        case {"type": str(plain)}:
            return plain
    raise AssertionError(f"no type for {schema}")
