"""
Waivers become rules, before a compiler, a reference or a report sees the policies: so none of them can disagree.

A waiver of a rule is an `allow` rule directly before it that matches only what the waived rule matches too, and only
until it ends. A waiver of `default:CLASS` is such a rule at the end of the policy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby

from policy.model.types import CLASS_OF, Action, Class, Policy, Rule, Selector, Waiver

#: What the ids of rules made from waivers begin with; a rule that is written cannot be called so.
PREFIX = "waiver:"
_DEFAULT = "default:"


@dataclass(frozen=True, slots=True)
class WaiverProblem:
    """
    Why a waiver cannot be applied.

    Attributes:
        code: `duplicate-waiver`, `unknown-policy`, `unknown-rule`, `missing-selector` or `wrong-class`.
        message: Lower case, names in backticks; they may hold any characters that names may.
        hint: What to do about it; may be empty.
    """

    code: str
    waiver: Waiver
    message: str
    hint: str = ""


class WaiverError(Exception):
    """
    Some waivers do not fit the policies.

    Attributes:
        problems: All of them, in the order of the waivers; at least one.
    """

    def __init__(self, problems: Sequence[WaiverProblem]) -> None:
        super().__init__("; ".join(f"waiver `{one.waiver.name}`: {one.message}" for one in problems))
        self.problems = tuple(problems)


def waive(policies: Iterable[Policy], waivers: Iterable[Waiver]) -> tuple[Policy, ...]:
    """
    The policies with the rules that their waivers amount to; those without waivers as they are.

    Several waivers of one rule stand in the order of their names. No clock is read: an expired waiver becomes a rule
    that matches nothing any more.

    Raises:
        WaiverError: A waiver refers to what is not there, or two have one name.
    """
    policies, waivers = tuple(policies), tuple(waivers)
    if found := problems(policies, waivers):
        raise WaiverError(found)
    of_policy = grouped(waivers)
    return tuple(_waived(policy, of_policy[policy.name]) if policy.name in of_policy else policy for policy in policies)


def problems(policies: Iterable[Policy], waivers: Iterable[Waiver]) -> tuple[WaiverProblem, ...]:
    """What is wrong with some waivers of these policies, in the order of the waivers."""
    by_name = {policy.name: policy for policy in policies}
    seen: set[str] = set()
    found: list[WaiverProblem] = []
    for waiver in waivers:
        problem = _problem(waiver, by_name)
        if waiver.name in seen:
            problem = WaiverProblem("duplicate-waiver", waiver, "another waiver has this name", "choose another name")
        seen.add(waiver.name)
        if problem is not None:
            found.append(problem)
    return tuple(found)


def grouped(waivers: Iterable[Waiver]) -> Mapping[str, Sequence[Waiver]]:
    """Waivers by the name of their policy, each in the order of their names."""
    ordered = sorted(waivers, key=lambda one: (one.policy, one.name))
    return {policy: tuple(group) for policy, group in groupby(ordered, key=lambda one: one.policy)}


def name_of(rule: str) -> str | None:
    """The waiver that a rule was made from, by the rule's id; None: it was written."""
    return rule.removeprefix(PREFIX) if rule.startswith(PREFIX) else None


def _problem(waiver: Waiver, policies: Mapping[str, Policy]) -> WaiverProblem | None:
    policy = policies.get(waiver.policy)
    if policy is None:
        message = f"there is no policy `{waiver.policy}` to waive a rule of"
        return WaiverProblem("unknown-policy", waiver, message, _near(waiver.policy, policies))
    class_ = _class_of(policy, waiver.rule)
    if class_ is None:
        message = f"policy `{policy.name}` has no rule `{waiver.rule}`"
        ids = [*(rule.id for rule in policy.rules), *(_DEFAULT + one for one in Class)]
        return WaiverProblem("unknown-rule", waiver, message, _near(waiver.rule, ids))
    if waiver.selector is None:
        if not waiver.rule.startswith(_DEFAULT):
            return None
        message = f"a waiver of a default says what it is about, and this one has no `{class_}`"
        return WaiverProblem("missing-selector", waiver, message, f"add `{class_}: …` with what is to be allowed")
    own = CLASS_OF[type(waiver.selector)]
    if own is not class_:
        message = f"rule `{waiver.rule}` of policy `{policy.name}` is about `{class_}`, this waiver about `{own}`"
        return WaiverProblem("wrong-class", waiver, message, f"select with `{class_}`, or waive a rule about `{own}`")
    return None


def _class_of(policy: Policy, rule: str) -> Class | None:
    """The class of a rule or of a default; None: there is no such rule."""
    if rule.startswith(_DEFAULT):
        name = rule.removeprefix(_DEFAULT)
        return Class(name) if name in set(Class) else None
    return next((one.class_ for one in policy.rules if one.id == rule), None)


def _near(name: str, others: Iterable[str]) -> str:
    near = get_close_matches(name, others, 1)
    return f"did you mean `{near[0]}`?" if near else ""


def _waived(policy: Policy, waivers: Sequence[Waiver]) -> Policy:
    rules: list[Rule] = []
    for rule in policy.rules:
        rules += [_rule(one, one.selector or rule.selector, rule) for one in waivers if one.rule == rule.id]
        rules.append(rule)
    of_defaults = [one for one in waivers if one.rule.startswith(_DEFAULT)]
    rules += [_rule(one, one.selector, None) for one in of_defaults if one.selector is not None]
    return replace(policy, rules=tuple(rules))


def _rule(waiver: Waiver, selector: Selector, waived: Rule | None) -> Rule:
    return Rule(
        id=PREFIX + waiver.name,
        selector=selector,
        action=Action.ALLOW,
        subject=waiver.subject,
        message=waiver.reason,
        within=waived,
        until=waiver.until,
        position=waiver.position,
    )
