"""
What a change of policies says of itself, before any request is asked: modes, scopes, waivers, policies gone and come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from policy.answers.scopes import applies, scope_words
from policy.model.types import FailMode, Level, Mode, Policy, Position, Rule

_WAIVER = "waiver:"


@dataclass(frozen=True, slots=True)
class Fact:
    """
    Attributes:
        text: About the policy, without its name.
        weaker: The change weakens it, whatever it says.
        position: Where the new text says so, or the old one if there is no new one.
    """

    policy: str
    text: str
    weaker: bool
    position: Position


def facts(before: Sequence[Policy], after: Sequence[Policy]) -> Iterator[Fact]:
    """Facts about each policy, by name."""
    old = {policy.name: policy for policy in before}
    new = {policy.name: policy for policy in after}
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Fact(name, "is missing", True, old[name].position)
        elif name not in old:
            yield Fact(name, "is new", False, new[name].position)
        else:
            yield from _of_policy(old[name], new[name])


def _of_policy(old: Policy, new: Policy) -> Iterator[Fact]:
    if old.mode is not new.mode:
        yield Fact(new.name, f"mode: {old.mode} → {new.mode}", new.mode is Mode.PERMISSIVE, new.position)
    if old.fail_mode is not new.fail_mode:
        text = f"failMode: {old.fail_mode} → {new.fail_mode}"
        yield Fact(new.name, text, new.fail_mode is FailMode.OPEN, new.position)
    if old.minimum_level is not new.minimum_level:
        text = f"minimumLevel: {old.minimum_level} → {new.minimum_level}"
        yield Fact(new.name, text, new.minimum_level is Level.OBSERVED, new.position)
    for scope in old.scope:
        if not applies(new, scope):
            yield Fact(new.name, f"no longer applies to all of `{scope_words(scope)}`", True, new.position)
    for scope in new.scope:
        if not applies(old, scope):
            yield Fact(new.name, f"now applies to all of `{scope_words(scope)}`", False, new.position)
    yield from _waivers(old, new)


def _waivers(old: Policy, new: Policy) -> Iterator[Fact]:
    before, after = _waived(old), _waived(new)
    for id_, rule in after.items():
        if id_ not in before:
            yield Fact(new.name, f"waiver `{id_[len(_WAIVER) :]}` is new, until {_date(rule)}", True, rule.position)
        elif (rule.until or 0) > (before[id_].until or 0):
            text = f"waiver `{id_[len(_WAIVER) :]}` lasts longer: {_date(before[id_])} → {_date(rule)}"
            yield Fact(new.name, text, True, rule.position)
    for id_, rule in before.items():
        if id_ not in after:
            yield Fact(new.name, f"waiver `{id_[len(_WAIVER) :]}` is gone", False, rule.position)


def _waived(policy: Policy) -> Mapping[str, Rule]:
    return {rule.id: rule for rule in policy.rules if rule.id.startswith(_WAIVER)}


def _date(rule: Rule) -> str:
    return "ever" if rule.until is None else f"{datetime.fromtimestamp(rule.until, UTC):%Y-%m-%d %H:%M}Z"
