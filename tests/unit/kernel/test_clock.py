"""What the programs are told of the wall clock."""

import pytest

from agent.abi import Control
from agent.kernel import clock
from agent.kernel.clock import WallClock

CONTROL = 7
KEY = int(Control.WALL).to_bytes(4, "little")


class Word:
    """The map `control`, and how often it was written."""

    def __init__(self) -> None:
        self.value: bytes | None = None
        self.writes = 0

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        assert (fd, key, size) == (CONTROL, KEY, 8)
        return self.value

    def map_update(self, fd: int, key: bytes, value: bytes) -> None:
        assert (fd, key) == (CONTROL, KEY)
        self.value, self.writes = value, self.writes + 1


@pytest.fixture
def word() -> Word:
    return Word()


@pytest.mark.parametrize(
    ("offsets", "writes"),
    [
        ([10**18], 1),
        ([10**18, 10**18], 1),
        ([10**18, 10**18 + 999_999], 1),
        ([10**18, 10**18 + 3_600_000_000_000], 2),
        ([10**18, 10**18 - 3_600_000_000_000], 2),
    ],
)
def test_the_difference_is_written_when_it_is_another(
    word: Word, monkeypatch: pytest.MonkeyPatch, offsets: list[int], writes: int
) -> None:
    """Once at first, and whenever somebody set the clock; not for what two readings differ by anyhow."""
    wall = WallClock(word, CONTROL)  # type: ignore[arg-type]
    for offset in offsets:
        monkeypatch.setattr(clock, "wall_minus_boot_ns", lambda offset=offset: offset)
        before = word.writes
        assert wall.correct() == (word.writes > before)

    assert word.writes == writes
    assert int.from_bytes(word.value or b"", "little") == offsets[writes - 1]


def test_a_clock_before_1970_is_not_taken_for_none(word: Word, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero means that nobody has told: a machine without a clock of its own still has a time, however wrong."""
    monkeypatch.setattr(clock.time, "time_ns", lambda: 5)
    WallClock(word, CONTROL).correct()  # type: ignore[arg-type]

    assert int.from_bytes(word.value or b"", "little") == 1
