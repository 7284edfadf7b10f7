"""Profiles: a cgroup has the policies of its own and of every cgroup above."""

from agent.workloads.scopes import applies, assign, matching
from policy.model.types import CgroupScope, HostScope, Policy, UnitScope
from policy.reference import matches

CGROUPS = {"/": 1, "/a": 2, "/a/b": 3, "/a/b/c": 4, "/d": 5}


def glob(pattern: str, path: str) -> bool:
    return matches(pattern, path.encode())


def profiles(own: dict[str, set[str]], depth: int = 64) -> dict[int, tuple[str, ...]]:
    found = assign(own, CGROUPS, depth)
    return {cgroup: found.profiles[number] for cgroup, number in found.scopes.items()}


def test_profile_begins_where_it_changes() -> None:
    """A cgroup with the profile of the one above needs no scope of its own."""
    assert profiles({"p": {"/a", "/a/b"}, "q": {"/a/b/c"}}) == {2: ("p",), 4: ("p", "q")}


def test_host_scope_is_in_every_profile() -> None:
    """The root's policies are everybody's."""
    assert profiles({"host": {"/"}, "p": {"/a"}}) == {1: ("host",), 2: ("host", "p")}


def test_equal_profiles_share_a_number() -> None:
    """Two cgroups with the same policies are one profile."""
    found = assign({"p": {"/a", "/d"}}, CGROUPS, 64)

    assert found.profiles == (("p",),)
    assert found.scopes == {2: 0, 5: 0}


def test_scope_too_deep_is_told_and_left_out() -> None:
    """The kernel looks at a bounded number of levels."""
    found = assign({"p": {"/a", "/a/b/c"}, "q": {"/a/b/c"}}, CGROUPS, 3)

    assert found.too_deep == ("/a/b/c",)
    assert found.scopes == {2: 0}


def test_globs_of_cgroups_are_those_of_files() -> None:
    """`/**` is strictly below; a name itself is itself."""
    policy = Policy("p", (CgroupScope("/a/**"),), ())

    assert {"/a/b", "/a/b/c"} == matching(policy, CGROUPS, glob)
    assert applies(CgroupScope("/a"), "/a", glob)
    assert not applies(CgroupScope("/*"), "/a/b", glob)


def test_host_is_the_root_and_a_unit_its_own_cgroup() -> None:
    """What is below inherits, so neither matches further down."""
    assert [applies(HostScope(), path, glob) for path in ("/", "/a")] == [True, False]
    unit = UnitScope("web.service")
    assert [applies(unit, path, glob) for path in ("/system.slice/web.service", "/system.slice/web.service/x")] == [
        True,
        False,
    ]
