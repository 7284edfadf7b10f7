"""The wall clock as the programs are told it."""

import time
from typing import cast

import pytest

from agent.kernel import wall
from agent.kernel.syscall import Bpf
from agent.kernel.wall import Wall

SECOND = 10**9


class OneValue:
    """A map of one value; writes are counted."""

    def __init__(self, value: bytes = bytes(8)) -> None:
        self.value, self.writes = value, 0

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes:
        return self.value

    def map_update(self, fd: int, key: bytes, value: bytes) -> None:
        self.value, self.writes = value, self.writes + 1


@pytest.fixture
def difference(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What lies between the clocks, to be set."""
    found = [1000 * SECOND]
    monkeypatch.setattr(wall, "wall_minus_boot_ns", lambda: found[0])
    return found


def test_what_lies_between_the_clocks_is_written(difference: list[int]) -> None:
    """The first time it is no correction; later it is how far the clock was set, in either direction."""
    control = OneValue()
    kept = Wall(cast(Bpf, control), 3)
    assert (kept.keep(), kept.read()) == (0.0, 1000 * SECOND)

    for seconds in (3600, -7200):
        difference[0] += seconds * SECOND
        assert kept.keep() == seconds
    assert kept.read() == difference[0] < 0


def test_noise_is_not_written(difference: list[int]) -> None:
    """Two readings a moment apart differ by less than a millisecond: nothing was set."""
    control = OneValue()
    kept = Wall(cast(Bpf, control), 3)
    kept.keep()
    difference[0] += 900_000

    assert kept.keep() == 0.0
    assert control.writes == 1


def test_the_sum_is_the_wall_clock() -> None:
    """The boot clock plus what is written is now, as the programs add them up."""
    assert abs(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + wall.wall_minus_boot_ns() - time.time_ns()) < SECOND
