"""The reference of the language is what schema, manual and table of programs say, and its examples are true."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from agent.kernel.coverage import DECIDES
from agent.loader.manifest import read_manifest
from policy.answers import testing
from policy.compiler import compile_profiles
from policy.language import dump, json_schema, load
from policy.language.manual import MANUAL, Case, Operation
from policy.language.manual.pages import rule_lines, words
from policy.model.types import OPERATIONS, Class
from policy.reference import decide

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "docs/reference/policy"
EXAMPLES = [
    pytest.param(class_, name, operation, id=f"{class_}-{name}")
    for class_, chapter in MANUAL.items()
    for name, operation in chapter.operations.items()
]


def generated() -> dict[str, str]:
    return dict(runpy.run_path(str(ROOT / "docs/reference/generate.py"))["generate"]())


def test_committed_reference_is_the_generated_one() -> None:
    """Nobody wrote it by hand; docs/reference/generate.py writes it anew."""
    assert {path.name: path.read_text() for path in ROOM.iterdir()} == generated()


def test_every_class_operation_and_field_is_in_the_reference() -> None:
    """What exists is named, as code."""
    text = "\n".join(generated().values())

    assert {word for word in words() if f"`{word}`" not in text} == set()


def test_every_operation_has_all_that_a_page_needs() -> None:
    """The manual has the operations of the model, in their order, and leaves nothing of one empty."""
    assert {class_: tuple(chapter.operations) for class_, chapter in MANUAL.items()} == OPERATIONS
    for chapter in MANUAL.values():
        assert all(chapter.about)
        for one in chapter.operations.values():
            assert all((one.meaning, one.hooks, one.unseen, one.rule, one.cases))


def test_every_hook_that_decides_is_named() -> None:
    """What the manual says of hooks includes those that programs are attached to."""
    hooks = {program.name: program.hook for program in read_manifest((ROOT / "bpf/manifest.toml").read_text()).programs}

    for line in DECIDES:
        for name in line.operations:
            assert hooks[line.program] in MANUAL[line.class_].operations[name].hooks


def test_the_page_of_hooks_has_what_each_program_decides() -> None:
    """The table that people wrote names the class and the operations that the table of programs has."""
    page = (ROOT / "docs/reference/hooks.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in page.splitlines() if line.startswith("| `")]
    told = {name: (class_, operations) for names, class_, operations in rows for name in re.findall("`(\\w+)`", names)}

    for line in DECIDES:
        class_, operations = told[line.program]
        assert class_ == line.class_
        assert set(line.operations) <= set(re.findall(r"\w+", operations))


def test_every_field_of_every_document_is_described() -> None:
    """An editor that reads the JSON Schema has a sentence for whatever is written."""
    definitions = json_schema()["$defs"]

    def described(field: dict[str, Any]) -> bool:
        return bool(
            field.get("description") or definitions.get(field.get("$ref", "").rpartition("/")[2], {}).get("description")
        )

    fields = {(model, name): field for model, one in definitions.items() for name, field in one["properties"].items()}
    assert {name for name, field in fields.items() if not described(field)} == set()


def case_lines(number: int, case: Case, class_: Class, name: str) -> str:
    """A case of the manual as one of a `PolicyTest`."""
    attempted = f"operations: [{name}]" if len(OPERATIONS[class_]) > 1 else ""
    request = ", ".join(filter(None, (case.request, attempted)))
    return f"""
    - name: case-{number}
      subject: {{exe: {case.exe or "/usr/bin/x"}}}
      request: {{{class_}: {{{request}}}}}
      expect: {case.expect}"""


def document(class_: Class, name: str, operation: Operation) -> str:
    """A policy with the example, and a test with its cases."""
    rule = "\n".join(f"    {line}" for line in rule_lines(operation))
    cases = "\n".join(case_lines(at, case, class_, name) for at, case in enumerate(operation.cases))
    return f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: example}}
spec:
  scope: [{{host: true}}]
  rules:
{rule}
---
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {{name: example}}
spec:
  cases:
{cases}
"""


@pytest.mark.parametrize(("class_", "name", "operation"), EXAMPLES)
def test_example_is_true(class_: Class, name: str, operation: Operation) -> None:
    """An example loads, comes back from its printed text, compiles, and decides as its page says: twice."""
    result = load(document(class_, name, operation))
    assert result.diagnostics == ()
    (policy,) = result.policies
    assert load(dump(policy)).policies == (policy,)
    assert name in policy.rules[0].selector.operations
    compile_profiles([[policy]])

    (test,) = result.tests
    report = testing.run(test, result.policies, ())
    assert [outcome.failures for outcome in report.outcomes] == [()] * len(operation.cases)
    for case in test.cases:
        assert str(decide([policy], testing.request_of(case, {})).effect) == case.expected
    assert any(case.expected != "allow" for case in test.cases)
