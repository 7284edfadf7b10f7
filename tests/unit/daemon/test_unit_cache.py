"""The cache of compiled profiles: whole files or none, bounded, and never a reason to fail."""

import os
from collections.abc import Set
from pathlib import Path

import pytest

from agent.daemon.unit_cache import UnitCache, code_digest

DATA = b"x" * 100


def names(directory: Path) -> Set[str]:
    return {path.name for path in directory.iterdir()}


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    """By its key, from another cache over the same directory, and readable by root alone."""
    UnitCache(tmp_path / "units").put("a1", DATA)

    assert UnitCache(tmp_path / "units").get("a1") == DATA
    assert UnitCache(tmp_path / "units").get("b2") is None
    assert names(tmp_path / "units") == {"a1"}
    assert (tmp_path / "units").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "units/a1").stat().st_mode & 0o777 == 0o600


def test_least_recently_used_goes(tmp_path: Path) -> None:
    """Past the bound, files go that nobody asked for since longest; leftovers of a process that died are among them."""
    cache = UnitCache(tmp_path, bytes_max=350)
    for number, name in enumerate(("left", "one", "two", "three", "four")):
        cache.put(name, DATA)
        os.utime(tmp_path / name, (number, number))
    (tmp_path / "left").rename(tmp_path / ".left")
    assert cache.get("one") == DATA
    cache.shrink()

    assert names(tmp_path) == {"four", "one", "three"}


def test_nothing_is_removed_if_nothing_was_put(tmp_path: Path) -> None:
    """A push that compiled nothing does not look through the directory."""
    UnitCache(tmp_path).put("one", DATA)
    UnitCache(tmp_path, bytes_max=1).shrink()

    assert names(tmp_path) == {"one"}


def test_no_room_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, or cannot be written, costs compiling again; no half of a file stays."""
    (tmp_path / "file").write_bytes(b"")
    UnitCache(tmp_path / "file").put("one", DATA)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    UnitCache(tmp_path / "units").put("one", DATA)

    assert UnitCache(tmp_path / "file").get("one") is None
    assert names(tmp_path / "units") == set()


def test_another_compiler_makes_other_units(tmp_path: Path) -> None:
    """A changed byte in the compiler's sources changes where units are looked for: no release reads another's."""
    (tmp_path / "compile.py").write_text("a = 1")
    before = code_digest((tmp_path,))
    (tmp_path / "compile.py").write_text("a = 2")

    assert code_digest((tmp_path,)) != before
    assert code_digest() == code_digest()
