"""The wall clock and the boot clock, read together."""

import pytest

from agent.host import clocks


def test_a_reading_that_was_interrupted_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that had to wait between two readings reads again: no event may seem earlier than it was."""
    boot = iter([0, 900_000_000, 900_000_100, 900_000_200])
    wall = iter([1_000_000_100, 1_900_000_150])
    monkeypatch.setattr(clocks, "boot_ns", lambda: next(boot))
    monkeypatch.setattr(clocks.time, "time_ns", lambda: next(wall))

    assert clocks.wall_minus_boot_ns() == 1_000_000_000
