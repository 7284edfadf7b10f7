"""The guide's examples are policies that are valid and compile."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from policy.compiler import compile_profiles
from policy.language import dump, format_diagnostic, load

GUIDE = (Path(__file__).parents[3] / "docs/guides/policy-language.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=re.findall(r"\n  name: (\S+)", GUIDE))
def test_example_is_valid_and_compiles(text: str) -> None:
    """An example can be pushed as it stands, once names of users are numbers."""
    result = load(text)
    assert result.diagnostics == ()
    (policy,) = result.policies
    assert load(dump(policy)).policies == (policy,)
    rules = tuple(
        replace(rule, subject=replace(rule.subject, user=(33,))) if rule.subject and rule.subject.user else rule
        for rule in policy.rules
    )
    compile_profiles([[replace(policy, rules=rules)]])


def test_the_mistake_shown_is_the_mistake_made() -> None:
    """The diagnostic in the guide is what its first example gives with that misspelling."""
    text = EXAMPLES[0].replace("paths", "pahts")
    shown = [format_diagnostic(one) for one in load(text, "web.yaml").diagnostics if one.code == "unknown-field"]

    assert shown[0] in GUIDE
