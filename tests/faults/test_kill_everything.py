"""Fifty times kill -9 of agent, collector or loader, at random moments, while a process in scope goes on trying."""

import random
from pathlib import Path

import pytest

from tests.native.conftest import as_root, cgroup, pins
from tests.support.siege import Siege
from tests.support.whole import whole

__all__ = ["as_root", "cgroup", "pins"]

KILLS_BEFORE, KILLS = 4, 50


@pytest.mark.long
@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_open_nothing(tmp_path: Path, pins: Path, cgroup: Path) -> None:
    """
    Enforcement stands, or had not begun: before the first push nothing is refused, after it every attempt is. No
    violation is lost or doubled: the kernel's counters, the collector's rows and the alerts agree with the attempts.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # pytest shows it where the test fails
    with whole(tmp_path, cgroup=cgroup, pins=pins) as node:
        siege = Siege(node, random.Random(seed))
        for _ in range(KILLS_BEFORE):
            siege.round()
        siege.begin_to_enforce()
        for _ in range(KILLS - KILLS_BEFORE):
            siege.round()
        siege.settle()

    print(f"{dict(siege.kills)}, {siege.refused} attempts refused, each a violation and an alert, once")
    assert sum(siege.kills.values()) == KILLS
