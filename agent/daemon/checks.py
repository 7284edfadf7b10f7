"""What this node has to say about a policy that is valid by itself: each check goes from a policy to problems."""

import grp
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from agent.daemon.ports import Contents, Problem
from policy.model.types import (
    ExecSelector,
    FileSelector,
    HostScope,
    MountSelector,
    NetworkSelector,
    Policy,
    Position,
    Rule,
    Subject,
    Waiver,
)

_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/run")  # patterns mean their targets too
_MAXIMUM_WARNINGS = 20


def resolved(contents: Contents) -> tuple[Contents, list[Problem]]:
    """The same with the names of users and groups as numbers of this node, and problems for unknown ones."""
    problems: list[Problem] = []
    policies, waivers = [], []
    for one in contents.policies:
        policy, unknown = resolve(one.policy)
        policies.append(replace(one, policy=policy))
        problems += unknown
    for other in contents.waivers:
        waiver, unknown = resolve_waiver(other.waiver)
        waivers.append(replace(other, waiver=waiver))
        problems += unknown
    return replace(contents, policies=policies, waivers=waivers), problems


def resolve(policy: Policy) -> tuple[Policy, tuple[Problem, ...]]:
    """The policy with the names of users and groups as numbers of this node, and problems for unknown ones."""
    problems: list[Problem] = []

    def resolved(rule: Rule) -> Rule:
        subject, unknown = _resolved(rule.subject)
        where = f"policy `{policy.name}`, rule `{rule.id}`"
        problems.extend(_unresolved(where, one, rule.position, policy.name, rule.id) for one in unknown)
        return rule if subject is rule.subject else replace(rule, subject=subject)

    rules = tuple(map(resolved, policy.rules))
    return replace(policy, rules=rules), tuple(problems)


def resolve_waiver(waiver: Waiver) -> tuple[Waiver, tuple[Problem, ...]]:
    """Likewise for a waiver."""
    subject, unknown = _resolved(waiver.subject)
    where = f"waiver `{waiver.name}`"
    problems = (_unresolved(where, one, waiver.position, waiver.policy, waiver.rule) for one in unknown)
    return replace(waiver, subject=subject), tuple(problems)


def _unresolved(where: str, what: str, position: Position, policy: str, rule: str) -> Problem:
    message = f"{where}: there is no {what} on this node"
    return Problem(message, "unresolved-name", hint="write the number", position=position, policy=policy, rule=rule)


def _resolved(who: Subject | None) -> tuple[Subject | None, list[str]]:
    """A subject with numbers only, and who is not known here: "user `www`"."""
    unknown: list[str] = []
    if who is None or not _named(who):
        return who, unknown

    def numbers(names: tuple[int | str, ...], find: Callable[[str], int], kind: str) -> tuple[int, ...]:
        found = []
        for name in names:
            try:
                found.append(name if isinstance(name, int) else find(name))
            except KeyError:
                unknown.append(f"{kind} `{name}`")
        return tuple(found)

    changed = replace(
        who,
        user=numbers(who.user, _user, "user"),
        not_user=numbers(who.not_user, _user, "user"),
        group=numbers(who.group, _group, "group"),
        not_group=numbers(who.not_group, _group, "group"),
    )
    return changed, unknown


def _named(who: Subject) -> bool:
    return any(isinstance(one, str) for one in (*who.user, *who.not_user, *who.group, *who.not_group))


def _user(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def symlinks(policy: Policy) -> Iterator[Problem]:
    """Warnings for patterns whose literal beginning leads through a symlink: they match real names only."""
    seen: dict[str, tuple[str, str] | None] = {}
    warnings = 0
    for rule in policy.rules:
        for pattern in _paths(rule):
            link = _link_in(_literal_directory(pattern), seen)
            if link and warnings < _MAXIMUM_WARNINGS:
                warnings += 1
                yield _symlink(policy, rule, pattern, *link)


def _paths(rule: Rule) -> Iterator[str]:
    """All patterns of a rule that match paths."""
    match rule.selector:
        case FileSelector(paths=paths) | ExecSelector(paths=paths):
            yield from paths
        case NetworkSelector(unix=unix):
            yield from (name for name in unix if name.startswith("/"))
        case MountSelector(sources=sources, targets=targets):
            yield from (*sources, *targets)
    if who := rule.subject:
        yield from (*who.exe, *who.parent, *who.ancestor, *who.not_exe, *who.not_parent, *who.not_ancestor)


def _symlink(policy: Policy, rule: Rule, pattern: str, link: str, target: str) -> Problem:
    message = f"policy `{policy.name}`, rule `{rule.id}`: `{pattern}` matches nothing here: `{link}` is a symlink"
    hint = f"patterns match real names; write `{target}{pattern.removeprefix(link)}`"
    return Problem(
        message, "symlink-prefix", "warning", hint=hint, position=rule.position, policy=policy.name, rule=rule.id
    )


def _literal_directory(pattern: str) -> str:
    """The directories at a pattern's beginning that hold nothing special; its last component is not among them."""
    directories = []
    for component in pattern.split("/")[:-1]:
        if any(character in component for character in "*?[{\\"):
            break
        directories.append(component)
    return "/".join(directories)


def _link_in(directory: str, seen: dict[str, tuple[str, str] | None]) -> tuple[str, str] | None:
    """The first symlink on the way to a directory and where it leads, merged directories apart."""
    if directory in ("", "/"):
        return None
    if directory not in seen:
        above = _link_in(directory.rpartition("/")[0], seen)
        path = Path(directory)
        here = directory not in _MERGED and above is None and path.is_symlink()
        seen[directory] = (directory, str(path.resolve())) if here else above
    return seen[directory]


def of_host(policy: Policy) -> bool:
    """Whether a policy has host scope."""
    return any(isinstance(scope, HostScope) for scope in policy.scope)
