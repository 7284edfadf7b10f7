"""
Validated policies → the bytes the kernel walks.

Pure: no clock, no file, no kernel. Equal policies give equal rulesets, so one can be compared, cached and kept as a
golden file.
"""

from collections.abc import Sequence

from policy.compiler.comb import Comb
from policy.compiler.limits import CompileError
from policy.compiler.profile import ProfileCompiler
from policy.compiler.ruleset import ProfileTable, RuleReference, Ruleset
from policy.compiler.words import Words
from policy.model.types import Class, Policy


def compile_profiles(profiles: Sequence[Sequence[Policy]], architecture: str = "x86_64") -> Ruleset:
    """
    The ruleset of a node.

    Args:
        profiles: The policies that apply together, one sequence a profile; their order within it does not matter.
        architecture: Whose system call numbers are meant: one of `policy.model.syscalls.ARCHITECTURES`.

    Raises:
        CompileError: A limit is passed, or a user or group is still a name.
    """
    ordered = [tuple(sorted(profile, key=lambda policy: policy.name)) for profile in profiles]
    rules = _rules(ordered)
    numbers = {(rule.policy, rule.rule): number for number, rule in enumerate(rules)}
    words, comb = Words(), Comb()
    tables: list[ProfileTable] = []
    addresses: list[tuple[int, int, bytes, int]] = []
    given: list[tuple[int, int, int, int]] = []
    for number, policies in enumerate(ordered):
        table, peers, accounts = ProfileCompiler(policies, numbers, words, architecture).compile(comb)
        tables.append(table)
        addresses += [(number, *entry) for entry in (peers.addresses if peers else ())]
        given += [(number, *entry) for entry in accounts.classes]
    return Ruleset(comb.entries(), words.array(), tuple(tables), tuple(addresses), tuple(given), rules)


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
