"""
Validated policies → the bytes the kernel walks.

Pure: no clock, no file, no kernel. Equal policies give equal rulesets, so one can be compared, cached and kept as a
golden file.
"""

from collections.abc import Sequence

from policy.compiler.comb import Comb
from policy.compiler.limits import CompileError
from policy.compiler.linking import link
from policy.compiler.profile import compile_profile
from policy.compiler.ruleset import RuleReference, Ruleset
from policy.compiler.units import Cache, Unit, key
from policy.compiler.words import Words
from policy.model.types import Class, Policy


def compile_profiles(
    profiles: Sequence[Sequence[Policy]], architecture: str = "x86_64", cache: Cache | None = None
) -> Ruleset:
    """
    The ruleset of a node.

    Args:
        profiles: The policies that apply together, one sequence a profile; their order within it does not matter.
        architecture: Whose system call numbers are meant: one of `policy.model.syscalls.ARCHITECTURES`.
        cache: Where units are kept, so that only profiles whose policies are new are compiled.

    Raises:
        CompileError: A limit is passed, or a user or group is still a name.
    """
    ordered = [tuple(sorted(profile, key=lambda policy: policy.name)) for profile in profiles]
    rules = _rules(ordered)
    places: dict[str, int] = {}
    for number, rule in enumerate(rules):
        places.setdefault(rule.policy, number)
    digests: dict[int, bytes] = {}
    units = (_unit(policies, architecture, cache, digests) for policies in ordered)
    return link(list(units), places, rules)


def _unit(policies: Sequence[Policy], architecture: str, cache: Cache | None, digests: dict[int, bytes]) -> Unit:
    """The profile's unit from the cache, or compiled and put there."""
    if cache is None:
        return compile_unit(policies, architecture)
    name = key(policies, architecture, digests)
    data = cache.get(name)
    unit = None if data is None else Unit.from_bytes(data)
    if unit is None:
        unit = compile_unit(policies, architecture)
        cache.put(name, unit.to_bytes())
    return unit


def compile_unit(policies: Sequence[Policy], architecture: str) -> Unit:
    """
    One profile; its policies are sorted by name.

    Raises:
        CompileError: A limit is passed.
    """
    references = [reference for policy in policies for reference in _references(policy)]
    numbers = {(one.policy, one.rule): number for number, one in enumerate(references)}
    words, comb = Words(), Comb()
    compiled = compile_profile(policies, numbers, words, comb, architecture)
    return Unit(
        automaton=comb.entries(),
        words=words.array(),
        kinds=words.kinds(),
        tables=tuple(words.tables),
        table=compiled.table,
        addresses=compiled.addresses,
        numbers=compiled.numbers,
    )


def _rules(profiles: Sequence[Sequence[Policy]]) -> tuple[RuleReference, ...]:
    """Every rule once, by the name of its policy, as written; then the policy's defaults."""
    policies: dict[str, Policy] = {}
    for policy in (policy for profile in profiles for policy in profile):
        if policies.setdefault(policy.name, policy) != policy:
            raise CompileError(f"two different policies are called `{policy.name}`", policy=policy.name)
    return tuple(reference for name in sorted(policies) for reference in _references(policies[name]))


def _references(policy: Policy) -> list[RuleReference]:
    written = [
        RuleReference(policy.name, rule.id, rule.class_, rule.action, policy.mode, rule.severity, rule.message)
        for rule in policy.rules
    ]
    defaults = [
        RuleReference(policy.name, f"default:{class_}", class_, policy.default(class_), policy.mode, "medium", "")
        for class_ in Class
    ]
    return written + defaults
