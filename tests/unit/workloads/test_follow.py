"""Following a tree of directories as they come and go; ids are inode numbers, as in cgroupfs."""

from pathlib import Path

import pytest

from agent.workloads import inotify
from agent.workloads.errors import CgroupError
from agent.workloads.follow import Follower
from agent.workloads.tree import find_mount, walk

MOUNTS = """\
25 1 0:23 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755
26 25 0:24 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu
"""


@pytest.mark.parametrize(
    ("mountinfo", "mount"),
    [
        ("30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup"),
        (MOUNTS + "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"),
        ("30 1 0:26 / /mnt/with\\040space rw - cgroup2 none rw\n", "/mnt/with space"),
    ],
)
def test_mount_is_found(mountinfo: str, mount: str) -> None:
    """Unified and hybrid machines, and mount points with spaces."""
    assert Path(mount) == find_mount(mountinfo)


def test_no_mount_is_told_with_facts() -> None:
    """A machine with version 1 alone is told so."""
    with pytest.raises(CgroupError) as raised:
        find_mount(MOUNTS)
    assert (raised.value.found, raised.value.required) == ("cgroup v1 only", "a mount of type cgroup2")


def test_what_is_there_is_known_at_once(tmp_path: Path) -> None:
    """Paths are from the root, ids are inode numbers."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    follower = Follower(tmp_path)

    assert {"/", "/a", "/a/b"} == follower.cgroups.keys()
    assert (tmp_path / "a" / "b").stat().st_ino == follower.cgroups["/a/b"]
    assert dict(walk(tmp_path)) == follower.cgroups


def test_nested_directories_made_at_once_are_all_found(tmp_path: Path) -> None:
    """A directory made before its parent was watched is not missed."""
    follower = Follower(tmp_path)
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)

    assert list(follower.refresh().added) == ["/a", "/a/b", "/a/b/c"]
    (tmp_path / "a" / "b" / "d").mkdir()
    assert list(follower.refresh().added) == ["/a/b/d"]
    assert not follower.refresh()


def test_removed_and_made_again_is_another_one(tmp_path: Path) -> None:
    """The same path with another id is told as removed and added."""
    (tmp_path / "a").mkdir()
    follower = Follower(tmp_path)
    before = follower.cgroups["/a"]
    (tmp_path / "a").rename(tmp_path.parent / f"{tmp_path.name}-kept")  # so that its inode number is not used again
    (tmp_path / "a").mkdir()
    change = follower.refresh()

    after = (tmp_path / "a").stat().st_ino
    assert before != after == follower.cgroups["/a"]
    assert {"/a": after} == change.added


def test_gone_before_we_looked_is_nothing(tmp_path: Path) -> None:
    """A directory that came and went between two looks is not reported."""
    follower = Follower(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a").rmdir()

    assert not follower.refresh()
    assert {"/"} == follower.cgroups.keys()


def test_overflow_is_made_good_by_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel's queue overflowed, the tree itself is compared."""
    (tmp_path / "old").mkdir()
    follower = Follower(tmp_path)
    (tmp_path / "new" / "inner").mkdir(parents=True)
    (tmp_path / "old").rmdir()
    lost = iter([inotify.Event(-1, inotify.OVERFLOW, "")])
    monkeypatch.setattr(inotify.Inotify, "read", lambda _: lost)
    change = follower.refresh()

    assert {"/new", "/new/inner"} == change.added.keys()
    assert {"/old"} == change.removed.keys()


def test_without_watches_the_tree_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no watch is left every refresh walks, and the limit is told."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inotify.Inotify, "add", full)
    follower = Follower(tmp_path)
    (tmp_path / "a").mkdir()

    assert {"/a"} == follower.refresh().added.keys()
    assert "max_user_watches" in follower.limited
