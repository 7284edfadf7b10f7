"""Answers about the template library, as reviewed; RINGFENCE_GOLDEN=write writes the files anew."""

import os
from pathlib import Path

import pytest

from policy.answers.diff import Comparison, compare
from policy.answers.explain import explain, text
from policy.answers.testing import account_numbers, request_of, with_numbers
from policy.language import LoadResult, load
from policy.model.types import Policy

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden/answers"
LIBRARY = sorted((ROOT / "policy/templates/library").glob("*.test.yaml"))
CASES = [pytest.param(file, id=file.name.split(".")[0]) for file in LIBRARY]


def loaded(file: Path) -> tuple[LoadResult, list[Policy]]:
    """A test of a template: what its file says, and the policies with numbers for names."""
    result = load(file.read_text(), file.name)
    assert result.ok
    numbers = account_numbers(result.policies, [case.subject for test in result.tests for case in test.cases])
    return result, [with_numbers(policy, numbers) for policy in result.policies]


def reviewed(name: str, found: str) -> None:
    """Compare with the golden file."""
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found + "\n")

    assert golden.read_text() == found + "\n"


def differences(found: Comparison) -> list[str]:
    return [
        f"{one.change}: {one.example.text}  [{one.before.effect} {one.before.rule[1]} → {one.after.effect}]"
        for part in found.compared
        for one in part.differences
    ]


@pytest.mark.parametrize("file", CASES)
def test_what_would_be_allowed_without_a_template(file: Path) -> None:
    """The difference between a policy and none is all that it stops, the riskiest first."""
    _, policies = loaded(file)
    found = compare(policies, [])

    assert found.is_weaker
    reviewed(f"diff-{file.name.split('.')[0]}", "\n".join(differences(found)))


@pytest.mark.parametrize("file", CASES)
def test_why_the_attack_is_stopped(file: Path) -> None:
    """The first case that a template's tests expect to be refused, explained."""
    result, policies = loaded(file)
    (test, *_) = result.tests
    numbers = account_numbers(result.policies, [case.subject for case in test.cases])
    case = next(case for case in test.cases if case.expected in ("deny", "kill"))
    found = explain(policies, request_of(case, numbers))

    assert str(found.decision.effect) == case.expected
    reviewed(f"explain-{file.name.split('.')[0]}", text(found, accounts={id_: name for name, id_ in numbers.items()}))
