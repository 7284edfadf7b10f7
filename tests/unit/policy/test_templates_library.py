"""
The library of templates, and the policies of real size: valid, tested, told in full.

RINGFENCE_GOLDEN=write writes anew what `agentctl policy render` and `agentctl policy test` make of them.
"""

from functools import cache
from pathlib import Path

import pytest

from policy import templates
from policy.answers import catalogue, testing
from policy.language import dump, load
from policy.language.cases import PolicyTest
from policy.language.reading import LoadResult
from policy.model.types import Action, Policy, Rule
from policy.reference import decide
from tests.unit.policy.test_golden import check

ROOT = Path(__file__).parents[3]
EXAMPLES = ("ci-runner", "nginx", "postgresql")
REQUIRED = {
    *("build-job", "container-baseline", "container-escape", "database", "fileless-execution", "host-secrets"),
    *("kernel-tampering", "least-egress", "log-tampering", "metadata-service", "no-package-managers", "no-shells"),
    *("persistence", "reverse-shells", "service-account-tokens", "web-server"),
}


@cache
def of_library(name: str) -> LoadResult:
    return load(templates.tests(name), f"templates/{name}.test.yaml")


@cache
def of_example(name: str) -> tuple[LoadResult, LoadResult]:
    files = [f"docs/examples/{name}.yaml", f"docs/examples/{name}.test.yaml"]
    first, second = (load((ROOT / file).read_text(), file) for file in files)
    return first, second


def library_tests() -> list[tuple[PolicyTest, tuple[Policy, ...]]]:
    found = [(test, of_library(name).policies) for name in templates.names() for test in of_library(name).tests]
    return found + [(test, of_example(name)[0].policies) for name in EXAMPLES for test in of_example(name)[1].tests]


TESTS = [pytest.param(test, policies, id=test.name) for test, policies in library_tests()]


def told(rule: Rule) -> bool:
    return bool(rule.message and rule.tags and rule.controls)


def test_the_library_has_what_it_promises() -> None:
    """A template for each of these; a further one is welcome, a missing one is not."""
    assert set(templates.names()) >= REQUIRED


@pytest.mark.parametrize("name", templates.names())
def test_a_template_is_valid_and_told_in_full(name: str) -> None:
    """Checked as a text of its own would be; with purpose, attack, limits, and a word about each parameter."""
    result = load(templates.text(name).replace(f"name: {name}\n", "name: another\n", 1), name)
    assert result.diagnostics == ()
    (one,) = result.templates
    assert of_library(name).diagnostics == ()

    assert all((one.description, one.stops, one.limits, one.tags, one.owner))
    assert len({parameter.name for parameter in one.parameters}) == len(one.parameters) > 0


@pytest.mark.parametrize("name", templates.names())
def test_every_rule_says_why(name: str) -> None:
    """What refuses or records has a message, ATT&CK techniques and controls; ids are unique."""
    rules = catalogue.entry(name).sample.rules
    silent = [rule.id for rule in rules if rule.action is not Action.ALLOW and not told(rule)]

    assert silent == []
    assert len({rule.id for rule in rules}) == len(rules)


@pytest.mark.parametrize("name", templates.names())
def test_every_parameter_is_used(name: str) -> None:
    """A parameter that changes nothing would be a promise that nobody keeps."""
    unused = [
        one.name for one in catalogue.entry(name).template.parameters if f"${{{one.name}}}" not in templates.text(name)
    ]

    assert unused == []


@pytest.mark.parametrize("name", templates.names())
def test_cases_show_attack_and_workload(name: str) -> None:
    """At least four attacks that are stopped and four things that go on working."""
    effects = [case.expected for test in of_library(name).tests for case in test.cases]

    assert sum(effect in ("deny", "kill", "audit") for effect in effects) >= 4
    assert effects.count("allow") >= 4


@pytest.mark.parametrize(("test", "policies"), TESTS)
def test_compiled_policies_decide_as_expected(test: PolicyTest, policies: tuple[Policy, ...]) -> None:
    """Every case, by the bytes that a kernel gets."""
    report = testing.run(test, policies, ())

    assert [(one.case.name, one.failures, one.decision.rule) for one in report.outcomes if not one.ok] == []


@pytest.mark.parametrize(("test", "policies"), TESTS)
def test_the_reference_decides_alike(test: PolicyTest, policies: tuple[Policy, ...]) -> None:
    """The slow evaluator agrees with the compiled ruleset on every case."""
    numbers = testing.account_numbers(policies, [case.subject for case in test.cases])
    profile = [testing.with_numbers(policy, numbers) for policy in policies]
    found = [one.decision for one in testing.run(test, policies, ()).outcomes]

    assert found == [decide(profile, testing.request_of(case, numbers)) for case in test.cases]


@pytest.mark.parametrize("name", templates.names())
def test_rendered_templates_are_as_reviewed(name: str) -> None:
    """The policy that the template's own test uses, filled in; printing it and reading it gives it back."""
    (policy,) = of_library(name).policies

    assert load(dump(policy)).policies == (policy,)
    check(dump(policy), ROOT / f"tests/golden/templates/{name}.yaml")


@pytest.mark.parametrize("name", EXAMPLES)
def test_rendered_examples_are_as_reviewed(name: str) -> None:
    """Policies of real size: valid, 25 to 60 rules, and printed as they apply."""
    result, _ = of_example(name)
    (policy,) = result.policies

    assert result.diagnostics == ()
    assert 25 <= len(policy.rules) <= 60
    assert load(dump(policy)).policies == (policy,)
    check(dump(policy), ROOT / f"tests/golden/examples/{name}.render.yaml")
