"""
Which policies apply to which cgroups.

A cgroup's profile is every policy whose scope matches it or a cgroup above it. Only cgroups whose profile differs from
that of the cgroup above are written to the kernel: it takes the nearest scoped ancestor.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from agent.workloads.names import unit_of
from policy.model.types import CgroupScope, HostScope, Policy, Scope, UnitScope

#: Whether a glob matches a path.
Glob = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Assignment:
    """
    Attributes:
        profiles: Names of the policies of each profile, sorted; the index is the profile's number.
        scopes: Cgroup id → profile number, for the cgroups at which a profile begins.
        too_deep: Paths at which a profile would begin deeper than the kernel looks.
    """

    profiles: tuple[tuple[str, ...], ...] = ()
    scopes: Mapping[int, int] = field(default_factory=dict)
    too_deep: tuple[str, ...] = ()


def applies(scope: Scope, path: str, glob: Glob) -> bool:
    """Whether a scope names the cgroup with this path."""
    match scope:
        case CgroupScope(pattern):
            return glob(pattern, path)
        case UnitScope(unit):
            return unit_of(path) == unit
        case HostScope():
            return path == "/"


def matching(policy: Policy, paths: Iterable[str], glob: Glob) -> set[str]:
    """Paths of the cgroups that a policy's scope names."""
    return {path for path in paths if any(applies(scope, path, glob) for scope in policy.scope)}


def assign(own: Mapping[str, Iterable[str]], cgroups: Mapping[str, int], depth: int) -> Assignment:
    """
    Find the profile of every cgroup.

    Args:
        own: Policy → paths that its scope names, as `matching` finds them.
        cgroups: Path → id.
        depth: Levels of the cgroup tree in which the kernel looks for scopes; the root is level 0.
    """
    named: dict[str, list[str]] = {}
    for name in sorted(own):
        for path in own[name]:
            named.setdefault(path, []).append(name)
    totals: dict[str, frozenset[str]] = {}
    begins: list[tuple[str, frozenset[str]]] = []
    for path in sorted(named, key=_depth):
        above = _inherited(path, totals)
        totals[path] = above | frozenset(named[path])
        if totals[path] != above:
            begins.append((path, totals[path]))
    deep = tuple(path for path, _ in begins if _depth(path) >= depth)
    profiles = tuple(sorted({tuple(sorted(total)) for path, total in begins if path not in deep}))
    numbers = {profile: number for number, profile in enumerate(profiles)}
    scopes = {cgroups[path]: numbers[tuple(sorted(total))] for path, total in begins if path not in deep}
    return Assignment(profiles, scopes, deep)


def _inherited(path: str, totals: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Profile of the nearest cgroup above for which one is known."""
    for above in _above(path):
        if above in totals:
            return totals[above]
    return frozenset()


def _above(path: str) -> Iterable[str]:
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def _depth(path: str) -> int:
    return 0 if path == "/" else path.count("/")
