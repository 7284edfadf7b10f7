"""The tables that the kernel gets say what the reference says, and reading undoes printing."""

import os
from collections import Counter
from dataclasses import replace

import pytest

from policy.language import Diagnostic, LoadResult, dump, load
from policy.model.types import Class, Policy
from tests.property.generate import Generator
from tests.property.oracle import SEED, compare

PAIRS = int(os.environ.get("RINGFENCE_PAIRS", "100000"))


@pytest.mark.timeout(900)
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
        assert tally.met[class_] > pairs // 500, f"too few requests of class `{class_}` meet a rule"


def test_reading_undoes_printing(capsys: pytest.CaptureFixture[str]) -> None:
    """Policies and waivers that are printed and read again are the same, and their text is printed the same."""
    generator, met, waivers = Generator(SEED), Counter[Class](), 0
    for _ in range(1000):
        policy, waiver = generator.written("web")
        policy = _sensible(policy)
        result = load(dump(policy))
        assert (result.policies, result.diagnostics) == ((policy,), ()), dump(policy)
        assert dump(result.policies[0]) == dump(policy)
        met.update(rule.class_ for rule in policy.rules)
        if not _senseless(load(dump(waiver))):
            waivers += 1
            assert load(dump(waiver)).waivers == (waiver,), dump(waiver)
    with capsys.disabled():
        print(f"\nround trip: seed {SEED}, 1000 policies with {met.total()} rules and {waivers} waivers equal")
    assert waivers > 500
    assert all(met[class_] > 50 for class_ in Class), met


def _sensible(policy: Policy) -> Policy:
    """The policy without those of its rules that could never match."""
    refused = {one.rule for one in _senseless(load(dump(policy)))}
    return replace(policy, rules=tuple(rule for rule in policy.rules if rule.id not in refused))


def _senseless(result: LoadResult) -> tuple[Diagnostic, ...]:
    """What is refused, and may only be so because together it makes no sense: every word of it has been understood."""
    assert {one.code for one in result.diagnostics} <= {"no-sense"}, result.diagnostics
    return result.diagnostics
