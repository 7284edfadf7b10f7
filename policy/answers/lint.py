"""
Everything that can be found out about policies without asking anybody: the rules of each, policies that meet in one
scope, waivers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from policy.answers.findings import (
    ENDLESS,
    EXPIRED,
    NOTHING_LEFT,
    UNDECIDED,
    Finding,
    Severity,
    about,
)
from policy.answers.links import Link, links
from policy.answers.names import Undecided
from policy.answers.outcomes import Outcomes, together
from policy.answers.rules import of_policy
from policy.answers.scopes import scope_words
from policy.answers.space import classes_of, rules_of, space
from policy.answers.vital import lockouts
from policy.model.types import Class, Effect, Policy, Waiver
from policy.model.waivers import waive

_DAY = 86_400
#: Days after which a waiver counts as endless.
ENDLESS_DAYS = 366


def lint(
    policies: Sequence[Policy], waivers: Sequence[Waiver] = (), *, now: int, link: Link | None = None
) -> list[Finding]:
    """
    Findings about policies, in the order of their files and lines.

    Args:
        policies: As written; names are different.
        waivers: Of these policies.
        now: Unix seconds.
        link: Tells symlinks of a machine; without, only those of usual machines are known.

    Raises:
        WaiverError: A waiver does not fit.
    """
    applied = waive(policies, waivers)
    found: list[Finding] = []
    for policy in applied:
        found += [*of_policy(policy, now), *lockouts(policy)]
    for policy in policies:
        found += links(policy, link)
    found += [*_profiles(applied, now), *_waivers(waivers, policies, now)]
    return sorted(found, key=lambda one: (one.position.file, one.position.line, one.position.column, one.code.id))


def _profiles(policies: Iterable[Policy], now: int) -> Iterator[Finding]:
    """Policies of one scope that leave nothing of what each allows."""
    scopes: dict[frozenset[str], list[Policy]] = defaultdict(list)
    for policy in policies:
        scopes[frozenset(map(scope_words, policy.scope))].append(policy)
    for profile in scopes.values():
        if len(profile) > 1:
            for class_ in classes_of(profile):
                yield from _profile(profile, class_, now)


def _profile(profile: Sequence[Policy], class_: Class, now: int) -> Iterator[Finding]:
    names = ", ".join(f"`{policy.name}`" for policy in profile)
    related = tuple((f"policy `{policy.name}`", policy.position) for policy in profile[1:])
    try:
        lost = _lost(profile, class_, now)
    except Undecided as problem:
        message = f"not decided whether policies {names} leave anything of class `{class_}`: {problem}"
        yield about(UNDECIDED, Severity.NOTE, profile[0], None, message, related=related)
        return
    if lost:
        operations = ", ".join(f"`{one}`" for one in lost)
        message = (
            f"policies {names} apply together, and each allows some {operations} of class `{class_}`, but all none"
        )
        yield about(NOTHING_LEFT, Severity.WARNING, profile[0], None, message, related=related)


def _lost(profile: Sequence[Policy], class_: Class, now: int) -> list[str]:
    """Operations of which each policy allows something and all together nothing."""
    profiles = [[policy] for policy in profile] + [list(profile)]
    everything = space(class_, rules_of(together(profiles), class_), now=now)
    allowed: dict[str, list[bool]] = defaultdict(lambda: [False] * len(profiles))
    for room in everything.rooms:
        if room.told is None:
            continue
        outcomes = Outcomes(room, profiles, room.told)
        for operation in room.operations:
            for outcome in outcomes.of(operation):
                if room.exists(outcome.box):
                    says = [one.effect < Effect.DENY for one in outcome.decisions]
                    allowed[operation] = [a or b for a, b in zip(allowed[operation], says, strict=True)]
    return [operation for operation, says in allowed.items() if all(says[:-1]) and not says[-1]]


def _waivers(waivers: Sequence[Waiver], policies: Sequence[Policy], now: int) -> Iterator[Finding]:
    by_name = {policy.name: policy for policy in policies}
    for waiver in waivers:
        left = waiver.until - now
        code = ENDLESS if left > ENDLESS_DAYS * _DAY else EXPIRED if left <= 0 else None
        if code is None:
            continue
        days = -(-abs(left) // _DAY)
        said = f"lasts {days} more days" if code is ENDLESS else f"ended {days} days ago"
        severity = Severity.WARNING if code is ENDLESS else Severity.NOTE
        found = about(code, severity, by_name[waiver.policy], None, f"waiver `{waiver.name}` {said}")
        yield Finding(code, severity, found.message, waiver.position, waiver.policy, waiver.rule, found.hint)
