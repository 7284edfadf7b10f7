"""Names of links, and which cgroups get one."""

from agent.kernel.cgroups import cgroup_of, link_name, topmost


def test_only_the_topmost_are_attached_to() -> None:
    """A cgroup below another of them is covered; one whose name only begins alike is not."""
    paths = {1: "/cg/a", 2: "/cg/a/b", 3: "/cg/ab", 4: "/cg/a/b/c", 5: "/cg/d/e"}

    assert sorted(topmost(paths)) == [1, 3, 5]


def test_a_link_names_its_cgroup() -> None:
    """There and back; a link to the whole kernel names none."""
    assert cgroup_of(link_name("cgroup_connect4", 0x1234_5678_9ABC)) == 0x1234_5678_9ABC
    assert cgroup_of("lsm_file_open") == 0
