"""The tables that the kernel gets say what the reference says, and reading undoes printing."""

import os

import pytest

from policy.language import dump, load
from policy.model.types import Class
from tests.property.generate import Generator
from tests.property.oracle import SEED, compare

PAIRS = int(os.environ.get("RINGFENCE_PAIRS", "100000"))


@pytest.mark.parametrize("pairs", [4_000, pytest.param(PAIRS, marks=pytest.mark.whole)])
def test_tables_decide_as_the_reference_does(pairs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """For every generated profile and request of every class, tables and reference give the same decision."""
    tally = compare(pairs)

    with capsys.disabled():
        print(f"\noracle: seed {SEED}, {tally.pairs} pairs equal: {tally.violations} not allowed, ", end="")
        print(f"{tally.undecided} undecided, {tally.refused} rulesets refused")
    assert tally.refused < pairs // 2000, "too much is refused"
    assert tally.violations > pairs // 4, "the generator makes too few requests that meet a rule"
    assert tally.undecided > pairs // 50, "the generator makes too few requests that cannot be decided"
    for class_ in Class:
        assert tally.met[class_] > pairs // 200, f"too few requests of class `{class_}` meet a rule"


def test_reading_undoes_printing(capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that is printed and read again is the same policy, and its text is printed the same."""
    generator, count = Generator(SEED), 1000
    for _ in range(count):
        policy = generator.written("web")
        result = load(dump(policy))
        assert not result.diagnostics, (result.diagnostics, dump(policy))
        assert result.policies == (policy,)
        assert dump(result.policies[0]) == dump(policy)
    with capsys.disabled():
        print(f"\nround trip: seed {SEED}, {count} policies equal")
