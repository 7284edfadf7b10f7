"""kill -9 of any part, at random moments, while attempts go on: the bounded form of tests/faults."""

import random
from pathlib import Path

import pytest

from tests.support.siege import Siege
from tests.support.whole import whole

KILLS = 10


@pytest.mark.timeout(180)  # a minute when the machine is idle
def test_killed_parts_lose_nothing_and_open_nothing(tmp_path: Path, pins: Path, cgroup: Path) -> None:
    """
    Before the push nothing is refused and after it everything is, whoever is dead; afterwards every refusal is in the
    kernel's counters, in the collector and at the receiver of alerts, once.
    """
    with whole(tmp_path, cgroup=cgroup, pins=pins) as node:
        siege = Siege(node, random.Random(4))
        siege.round("loader")
        siege.begin_to_enforce()
        for victim in ("agent", "collector", "loader"):
            siege.round(victim)
        for _ in range(KILLS - 4):
            siege.round()
        siege.settle()

    assert sum(siege.kills.values()) == KILLS
