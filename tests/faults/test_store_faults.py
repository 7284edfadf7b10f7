"""The Nth open, fsync or rename of the agent's files fails, for every N: old or new, never half, always told."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.daemon.fakes import World, policy

CALLS = ["fsync", "open", "replace"]


class Failing:
    """Makes the Nth call of a function of `os` fail, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, nth: int) -> None:
        self.calls = 0
        real: Callable[..., Any] = getattr(Path, name) if name == "replace" else getattr(os, name)

        def failing(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == nth:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **named)

        monkeypatch.setattr(Path if name == "replace" else os, name, failing)


def one_push(tmp_path: Path, name: str, nth: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Push `b` beside `a` with one call failing, check everything; how many such calls there were."""
    directory = tmp_path / f"{name}-{nth}"
    directory.mkdir()
    world = World(directory)
    world.policies |= {"a": policy("a", "/shop*"), "b": policy("b", "/shop*")}
    world.cgroup("shop")
    world.push("a")
    with monkeypatch.context() as patched:
        failing = Failing(patched, name, nth)
        outcome = world.push("b")

    live = {"a"} if outcome.refused else {"a", "b"}
    assert live == world.engine.snapshot.policies.keys()
    assert world.engine.snapshot.generation == world.kernel.live().generation
    if failing.calls >= nth:
        assert outcome.problems, "a failure nobody is told of"
    assert live == world.restart().snapshot.policies.keys()
    assert not world.push("b").refused
    assert {"a", "b"} == world.restart(reboot=True).snapshot.policies.keys()
    return failing.calls


@pytest.mark.parametrize("name", CALLS)
def test_every_single_failure_leaves_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Until no further call of that kind is made in a push."""
    nth = 1
    while one_push(tmp_path, name, nth, monkeypatch) >= nth:
        nth += 1
    assert nth > 2
