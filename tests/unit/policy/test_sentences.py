"""What the contract says of policies as they are written: each sentence that only the language keeps."""

import pytest

from policy.language import load
from policy.model.types import Action, Class, FailMode, Level, Mode, Policy

HEAD = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: web}\nspec:\n  scope: [{host: true}]\n"


def policy(*rules: str) -> Policy:
    (found,) = load(
        HEAD + "  rules:\n" + "".join(f"    - {{id: r{at}, {one}}}\n" for at, one in enumerate(rules))
    ).policies
    return found


def codes(text: str) -> list[str]:
    return [one.code for one in load(text).diagnostics]


def refused(*rules: str) -> list[str]:
    return codes(HEAD + "  rules:\n" + "".join(f"    - {{{one}}}\n" for one in rules))


def test_what_is_left_out() -> None:
    """A policy enforces, fails closed, wants to be enforced and allows what it does not speak of."""
    found = policy("file: {paths: [/a], operations: [read]}, action: deny")

    assert (found.mode, found.fail_mode, found.minimum_level) == (Mode.ENFORCING, FailMode.CLOSED, Level.ENFORCED)
    assert {found.default(class_) for class_ in Class} == {Action.ALLOW}
    assert found.rules[0].subject is None


@pytest.mark.parametrize("scope", ["", "  scope: []\n"])
def test_scope_is_required(scope: str) -> None:
    """A policy says what it applies to."""
    assert codes(HEAD.replace("  scope: [{host: true}]\n", scope + "  mode: permissive\n")) != []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("id: a, action: deny", "no-class"),
        ("id: a, bpf: {operations: [load]}, module: {operations: [load]}, action: deny", "two-classes"),
        ("id: a, file: {paths: [a], operations: [read]}, action: deny", "pattern"),
        ("id: a, syscall: {names: [mount]}, action: deny", "unsupported"),
        ("id: a, namespace: {kinds: [mount]}, action: deny", "unsupported"),
        ("id: a, bpf: {operations: [load]}, action: kill, errno: EACCES", "no-sense"),
        ("id: a, network: {operations: [create], to: [10.0.0.0/8]}, action: deny", "no-sense"),
        ("id: a, exec: {}, action: deny", "no-sense"),
        ("id: a, exec: {paths: [/a], fileless: true}, action: deny", "no-sense"),
        ("id: a, file: {paths: [], operations: [read]}, action: deny", "empty"),
    ],
)
def test_rules_that_cannot_be_meant(rule: str, code: str) -> None:
    """A rule that says nothing, two things, or what no node can do, is refused."""
    assert refused(rule) == [code]


def test_rule_ids_are_unique() -> None:
    """Two rules of a policy have different ids."""
    one = "id: a, bpf: {operations: [load]}, action: deny"

    assert refused(one, one) == ["duplicate-rule"]
    assert refused(one, one.replace("id: a", "id: b")) == []
