"""
Which scopes are part of which, as far as their text tells.
"""

from functools import lru_cache

from policy.answers.names import Names, Undecided
from policy.model.types import CgroupScope, HostScope, Policy, Scope, UnitScope

_SPECIAL = frozenset("*?[]{},\\!^")


def covers(outer: Scope, inner: Scope) -> bool:
    """Whether every cgroup of `inner` is in `outer`, for certain; what is below a cgroup is in its scope too."""
    if outer == inner or isinstance(outer, HostScope):
        return True
    if isinstance(outer, UnitScope) or isinstance(inner, HostScope):
        return False
    within = inner.pattern if isinstance(inner, CgroupScope) else f"/**/{_literal(inner.unit)}"
    return _may_meet(outer.pattern, within) and _below(outer.pattern, within)


def applies(policy: Policy, scope: Scope) -> bool:
    """Whether a policy applies to all of a scope, by one entry of its own."""
    return any(covers(entry, scope) for entry in policy.scope)


def scope_words(scope: Scope) -> str:
    """A scope as it is written."""
    match scope:
        case CgroupScope(pattern):
            return f"cgroup: {pattern}"
        case UnitScope(unit):
            return f"unit: {unit}"
    return "host: true"


def _literal(text: str) -> str:
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def _may_meet(outer: str, inner: str) -> bool:
    """False if the patterns differ before their first wildcard: so do most of many scopes, at no price."""
    first, second = _beginning(outer), _beginning(inner)
    return first.startswith(second) or second.startswith(first)


@lru_cache(maxsize=1 << 16)
def _beginning(pattern: str) -> str:
    end = next((at for at, char in enumerate(pattern) if char in _SPECIAL), len(pattern))
    return pattern[:end]


@lru_cache(maxsize=1 << 16)
def _below(outer: str, inner: str) -> bool:
    """Whether all names that a pattern matches are those of another pattern, or below them."""
    try:
        names = Names([(outer, f"{outer.rstrip('/')}/**"), (inner,)], "")
        return all(0 in kind.matched for kind in names.kinds([1]))
    except Undecided:
        return False
