"""The tables that the kernel gets say what the reference says, and reading undoes printing."""

import os

import pytest

from policy.compiler import CompileError, compile_profiles
from policy.compiler.evaluate import decide as tables_decide
from policy.compiler.limits import CORE_STATES, CORE_STEPS
from policy.language import dump, load
from policy.reference import decide as reference_decide
from tests.property.generate import Generator

SEED = int(os.environ.get("RINGFENCE_SEED", "20261123"))
PAIRS = int(os.environ.get("RINGFENCE_PAIRS", "20000"))
REQUESTS = 50


def test_tables_decide_as_the_reference_does(capsys: pytest.CaptureFixture[str]) -> None:
    """For every generated profile and request the compiled tables and the reference give the same decision."""
    generator, compared = Generator(SEED), 0
    violations = undecided = refused = 0
    while compared < PAIRS:
        profiles = generator.profiles()
        try:
            ruleset = compile_profiles(profiles)
        except CompileError as problem:
            assert problem.limit in (CORE_STATES, CORE_STEPS), (
                problem
            )  # random stars may multiply; nothing else may be refused
            refused += 1
            continue
        for at in range(2 * REQUESTS):
            profile = profiles[at % 2]
            request = generator.request(profile)
            expected = reference_decide(profile, request)
            found = tables_decide(ruleset, at % 2, request)
            assert found == expected, f"seed {SEED}, pair {compared}: {request}\n" + "".join(map(dump, profile))
            compared += 1
            violations += bool(expected.effect)
            undecided += expected.error
    with capsys.disabled():
        print(f"\noracle: seed {SEED}, {compared} pairs equal, {violations} not allowed, {undecided} undecided")
    assert refused <= 3
    assert violations > compared // 10, "the generator makes too few requests that meet a rule"
    assert undecided > compared // 100, "the generator makes too few requests that cannot be decided"


def test_reading_undoes_printing(capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that is printed and read again is the same policy, and its text is printed the same."""
    generator, count = Generator(SEED), 400
    for _ in range(count):
        policy = generator.policy("web")
        result = load(dump(policy))
        assert not result.diagnostics, (result.diagnostics, dump(policy))
        assert result.policies == (policy,)
        assert dump(result.policies[0]) == dump(policy)
    with capsys.disabled():
        print(f"\nround trip: seed {SEED}, {count} policies equal")
