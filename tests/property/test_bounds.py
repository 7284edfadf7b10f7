"""However patterns multiply, compiling ends soon: with a ruleset or with a refusal that says what to change."""

import time
from dataclasses import replace

import pytest

from policy.compiler import CompileError, compile_profiles, limits
from policy.model.types import Action, FileSelector, HostScope, Policy, Rule

SECONDS = 60


def of(*patterns: str) -> Policy:
    rules = [Rule(f"r{at}", FileSelector((one,), ("read",)), Action.DENY) for at, one in enumerate(patterns)]
    return Policy("many", (HostScope(),), tuple(rules))


@pytest.mark.parametrize(
    "patterns",
    [
        [f"/{'*a' * 8}{at}{'*b' * 8}" for at in range(30)],
        [f"/**/{at}/**/a/**/b" for at in range(40)],
        ["/" + "?*" * 200 + "a", "/" + "*a" * 200],
        ["/*a" + "?" * 60],
        [f"/srv/*/{at}/**/log" for at in range(200)] + [f"/srv/**/{at}/*/key" for at in range(200)],
    ],
    ids=["stars", "depths", "long", "lookback", "products"],
)
def test_multiplying_patterns_are_refused_in_time(patterns: list[str]) -> None:
    """The refusal names some of the patterns, a rule, the limit and a way out, before time or memory run out."""
    begin = time.process_time()
    with pytest.raises(CompileError) as caught:
        compile_profiles([[of(*patterns)]])

    assert time.process_time() - begin < SECONDS
    assert caught.value.limit in (limits.CORE_STATES, limits.CORE_STEPS, limits.AUTOMATON_ENTRIES)
    assert caught.value.found >= caught.value.limit
    assert caught.value.hint


def test_names_at_any_depth_do_not_multiply() -> None:
    """Patterns that begin with `/**` cost what they are long, whatever else there is and in whichever order."""
    files = [f"/srv/d{at}/*.log" for at in range(1000)] + [f"/srv/e{at}/**" for at in range(1000)]
    names = [f"/**/secret{at}.key" for at in range(500)]
    apart = sum(len(compile_profiles([[of(*some)]]).automaton) for some in (files, names))

    for together in ([*files, *names], [*names, *files]):
        assert len(compile_profiles([[of(*together)]]).automaton) <= apart * 1.1


def test_policies_of_one_profile_do_not_multiply() -> None:
    """Directories of one policy and names at any depth of another cost what they do apart."""
    rules = [FileSelector((f"/srv/d{at}/**" if at % 4 else f"/**/secret{at}.key",), ("read",)) for at in range(2000)]
    numbered = [Rule(f"r{at}", one, Action.DENY) for at, one in enumerate(rules)]
    profile = [Policy(f"p{at}", (HostScope(),), tuple(numbered[40 * at : 40 * at + 40])) for at in range(50)]
    apart, together = compile_profiles([[replace(profile[0], rules=tuple(numbered))]]), compile_profiles([profile])

    assert len(together.automaton) == len(apart.automaton)
    assert len(together.words) <= len(apart.words) * 1.2
