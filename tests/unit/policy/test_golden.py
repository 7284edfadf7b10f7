"""Texts that people and editors see, kept as files; RINGFENCE_GOLDEN=write writes them anew."""

import json
import os
from pathlib import Path

from policy.language import format_diagnostic, json_schema, load

ROOM = Path(__file__).parents[3]
GOLDEN = ROOM / "tests/golden/policy"


def check(found: str, path: Path) -> None:
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        path.write_text(found)
    assert found == path.read_text()


def test_diagnostics_read_as_they_should() -> None:
    """One text with most mistakes gives these diagnostics, in the order of the text."""
    diagnostics = load((GOLDEN / "mistakes.yaml").read_text(), "policies/web.yaml").diagnostics

    check("\n\n".join(map(format_diagnostic, diagnostics)) + "\n", GOLDEN / "mistakes.txt")


def test_published_schema_is_that_of_the_models() -> None:
    """The JSON Schema in the reference is generated, not written."""
    path = ROOM / "docs/reference/policy/policy.schema.json"

    check(json.dumps(json_schema(), indent=2) + "\n", path)
