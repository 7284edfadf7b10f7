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
    return _below(outer.pattern, inner.pattern if isinstance(inner, CgroupScope) else f"/**/{_literal(inner.unit)}")


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


@lru_cache(maxsize=1024)
def _below(outer: str, inner: str) -> bool:
    """Whether all names that a pattern matches are those of another pattern, or below them."""
    names = Names([(outer, f"{outer.rstrip('/')}/**"), (inner,)], "")
    try:
        return all(0 in kind.matched for kind in names.kinds([1]))
    except Undecided:
        return False
