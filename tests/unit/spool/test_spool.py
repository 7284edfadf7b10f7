"""The spool: numbers, acknowledgements, limits, what becomes of bytes that are wrong, and where rings are read on."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.spool import frames
from agent.spool.recover import first_number
from agent.spool.spool import Spool
from agent.spool.types import SpoolError, SpoolLimits
from tests.support.disk import Disk

BOOT = "4f1c09aa"
LIMITS = SpoolLimits(1 << 20, 1000)


@dataclass(frozen=True)
class Batch:
    payload: bytes
    events: int = 1
    end: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    boot_id: str = BOOT
    ring: int = 0
    identity: int = 1
    base: int = 0


def filled(disk: Disk, count: int, limits: SpoolLimits = LIMITS) -> tuple[Spool, list[int]]:
    """A spool with batches of 100 bytes, numbered from 0 in their first byte."""
    spool = Spool(disk, limits)
    return spool, [spool.append([Batch(bytes([n]) * 100, end=n + 1)])[0] for n in range(count)]


def contents(spool: Spool, number: int = 0) -> list[int]:
    return [stored.payload[0] for stored in spool.read(number, 1 << 20)]


def test_numbers_count_up_by_one_over_restarts(tmp_path):
    """A batch's number follows the last one's, whichever process gave that."""
    first = Spool.open(tmp_path / "spool")
    numbers = first.append([Batch(b"a"), Batch(b"b")])
    first.close()
    second = Spool.open(tmp_path / "spool")
    numbers += second.append([Batch(b"c")])

    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert [stored.payload for stored in second.read(0)] == [b"a", b"b", b"c"]


def test_a_new_spool_does_not_reuse_numbers(monkeypatch):
    """A node whose state was wiped gives out larger numbers than before; they stay below 2^53."""
    before = first_number()
    monkeypatch.setattr("agent.spool.recover.time.time", lambda: before / (1 << 20) + 1)

    assert first_number() > before + 500_000
    assert first_number() < 1 << 53


def test_two_processes_cannot_have_one_spool(tmp_path):
    """The second one is told, and changes nothing."""
    spool = Spool.open(tmp_path / "spool")
    spool.append([Batch(b"a")])
    with pytest.raises(SpoolError, match="open"):
        Spool.open(tmp_path / "spool")
    spool.close()
    assert [stored.payload for stored in Spool.open(tmp_path / "spool").read(0)] == [b"a"]


def test_files_are_for_their_owner_only(tmp_path):
    """Names of files and peers are nobody else's business."""
    Spool.open(tmp_path / "spool").append([Batch(b"a")])
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "spool").iterdir()}


def test_read_is_bounded_but_never_empty_handed():
    """As many as fit, at least one, from the number asked for."""
    spool, numbers = filled(Disk(), 20)

    assert [stored.payload[0] for stored in spool.read(numbers[3], 250)] == [3, 4, 5]
    assert [stored.payload[0] for stored in spool.read(numbers[3], 1)] == [3]
    assert spool.read(numbers[-1] + 1, 1000) == []


def test_newest_gives_as_many_events_as_asked_for():
    """The last batches that together hold so many events, oldest first."""
    spool = Spool(Disk(), LIMITS)
    for n in range(10):
        spool.append([Batch(bytes([n]) * 300, events=5)])

    assert [stored.payload[0] for stored in spool.newest(6)] == [8, 9]
    assert list(range(10)) == [stored.payload[0] for stored in spool.newest(1000)]
    assert spool.newest(0) == []


def test_acknowledged_segments_are_deleted():
    """What is acknowledged goes by whole segments, but for one kept as history; what is not stays."""
    disk = Disk()
    spool, numbers = filled(disk, 40)
    segments = len(disk.names())
    assert numbers[29] - numbers[0] + 1 == spool.acknowledge(numbers[29])

    assert len(disk.names()) < segments
    assert list(range(30, 40)) == contents(spool, spool.floor + 1)
    assert spool.account().out == 30
    spool.acknowledge(numbers[-1])
    assert len(disk.names()) == 2


@pytest.mark.parametrize("acknowledged", [0, 5, 39])
def test_acknowledging_again_changes_nothing(acknowledged):
    """A repeated or an older acknowledgement is none."""
    spool, numbers = filled(Disk(), 40)
    spool.acknowledge(numbers[acknowledged])
    account = spool.account()

    assert spool.acknowledge(numbers[acknowledged]) == 0
    assert spool.acknowledge(numbers[0]) == 0
    assert account == spool.account()


def test_an_acknowledgement_of_the_future_ends_at_the_last_batch():
    """What was never given out cannot be acknowledged."""
    spool, numbers = filled(Disk(), 3)
    spool.acknowledge(numbers[-1] + 1000)

    assert numbers[-1] == spool.floor
    assert [*numbers, numbers[-1] + 1][3:] == spool.append([Batch(b"\x03")])
    assert contents(spool, spool.floor + 1) == [3]


def test_the_oldest_go_when_it_is_full():
    """Past its limit the spool drops from the oldest on, counts the events, and remembers it over a restart."""
    disk = Disk()
    spool, numbers = filled(disk, 100, SpoolLimits(6000, 1000))
    left = contents(spool, spool.floor + 1)

    assert left == list(range(left[0], 100))
    assert sum(len(disk.open(name).read(0, 1 << 20)) for name in disk.names()) <= 6000
    assert {"spool-full": left[0]} == spool.account().dropped
    assert spool.account() == Spool(disk.after_kill(), SpoolLimits(6000, 1000)).account()
    assert numbers[left[0] - 1] == spool.floor


def test_what_is_acknowledged_is_not_dropped():
    """Only events that nobody has are lost."""
    spool, numbers = filled(Disk(), 10, SpoolLimits(6000, 1000))
    spool.acknowledge(numbers[-1])
    for n in range(10, 40):
        spool.acknowledge(spool.append([Batch(bytes([n]) * 100)])[0])

    assert spool.account().dropped == {}
    assert spool.account().out == 40


@pytest.mark.parametrize("where", ["header", "body", "magic"])
@pytest.mark.parametrize("reopened", [True, False])
def test_a_corrupt_batch_is_skipped_and_counted(where, reopened):
    """One bad batch costs itself; its events are counted once the batches behind it are acknowledged."""
    disk = Disk()
    spool, numbers = filled(disk, 12)
    data = next(file.data for file in disk.contents.values() if b"\x03" * 100 in file.data)
    start = data.rindex(b"RFS1", 0, data.index(b"\x03" * 100))
    data[{"magic": start, "header": start + 20, "body": start + frames.HEADER + 5}[where]] ^= 0x40
    if reopened:
        spool = Spool(disk.after_kill(), LIMITS)

    assert [0, 1, 2, *range(4, 12)] == contents(spool)
    assert spool.acknowledge(numbers[-1]) == 11
    account = spool.account()
    assert account.dropped == {"spool-corrupt": 1}
    assert (account.came, account.out, account.pending) == (12, 11, 0)


def test_a_corrupt_beginning_of_a_segment():
    """The ledger a segment begins with can be lost: the one before it and the batches themselves tell the rest."""
    for at in range(len(filled_names())):
        disk = Disk()
        spool, numbers = filled(disk, 40)
        before = spool.account()
        disk.contents[disk.names()[at]].data[50] ^= 1
        spool = Spool(disk.after_kill(), LIMITS)

        assert list(range(40)) == contents(spool), at
        assert before.came == spool.account().came
        assert numbers[-1] + 1 == spool.next_number
        spool.acknowledge(numbers[-1])
        assert (spool.account().out, spool.account().pending, spool.account().dropped) == (40, 0, {})


def filled_names() -> list[str]:
    disk = Disk()
    filled(disk, 40)
    return disk.names()


def test_a_single_segment_without_its_beginning():
    """With no ledger at all, what is left of the batches is kept and the numbers go on behind them."""
    disk = Disk()
    _, numbers = filled(disk, 3)
    disk.contents[disk.names()[0]].data[50] ^= 1
    spool = Spool(disk.after_kill(), LIMITS)

    assert contents(spool, spool.floor + 1) == [0, 1, 2]
    assert spool.append([Batch(b"x")])[0] > numbers[-1]
    assert spool.account().pending == 4


def test_a_torn_tail_is_cut_and_its_numbers_are_not_given_again():
    """Half a frame at the end goes; no number that may have been in it is used for another batch."""
    disk = Disk()
    spool, numbers = filled(disk, 3)
    last = disk.contents[disk.names()[-1]]
    del last.data[-30:]
    spool = Spool(disk.after_kill(), LIMITS)

    assert spool.torn > 0
    assert contents(spool) == [0, 1]
    assert spool.append([Batch(b"x")])[0] > numbers[-1]
    assert spool.append([Batch(b"x")])[0] == Spool(disk.after_kill(), LIMITS).next_number - 1


def test_a_name_that_looks_like_a_frame_is_none():
    """
    Bytes of a batch that form a frame under another salt are never taken for one, not even behind a corrupt header.
    """
    disk = Disk()
    spool = Spool(disk, LIMITS)
    forged = frames.encode(frames.KIND_BATCH, first_number() + 5, 0, 1, (BOOT, 0, 1, 0, 9, {}, b"forged"), 0)
    spool.append([Batch(b"good" + forged)])
    spool.append([Batch(b"next")])
    data = disk.contents[disk.names()[0]].data
    data[data.rindex(b"RFS1", 0, data.index(b"good")) + 9] ^= 1

    assert [stored.payload for stored in Spool(disk.after_kill(), LIMITS).read(0)] == [b"next"]


def test_files_that_are_not_ours_stay(tmp_path):
    """Anything else in the directory is left alone."""
    (tmp_path / "notes.txt").write_text("mine")
    Spool.open(tmp_path).append([Batch(b"a")])
    assert Path(tmp_path / "notes.txt").read_text() == "mine"


def test_a_forgotten_batch_is_counted():
    """A batch that nobody takes is not sent, not stuck, and not lost silently."""
    spool, numbers = filled(Disk(), 5)
    spool.forget(numbers[2], "collector-rejected")

    assert contents(spool) == [0, 1, 3, 4]
    assert spool.floor < numbers[0]
    spool.acknowledge(numbers[3])
    assert spool.account().dropped == {"collector-rejected": 1}
    spool.forget(numbers[4], "collector-rejected")
    account = spool.account()
    assert (account.came, account.out, account.pending, account.dropped) == (5, 3, 0, {"collector-rejected": 2})


def test_a_spool_has_a_name_of_its_own():
    """It keeps its name over restarts; a new one has another."""
    disk = Disk()
    spool, _ = filled(disk, 30)

    assert spool.identity == Spool(disk.after_kill(), LIMITS).identity
    assert spool.identity != Spool(Disk(), LIMITS).identity


def test_a_ring_is_read_on_behind_what_is_spooled():
    """The position behind the last spooled batch is known after a restart, for that ring of that boot."""
    disk = Disk()
    Spool(disk, LIMITS).append([Batch(b"a", end=5200), Batch(b"b", end=520, ring=1)])
    spool = Spool(disk.after_kill(), LIMITS)

    assert place(spool, BOOT, 0, 1) == (0, 5200, True)
    assert place(spool, BOOT, 1, 1) == (0, 520, True)
    assert place(spool, "another", 0, 1) == (0, 0, False)
    assert place(spool, BOOT, 2, 1) == (0, 0, False)


def test_another_ring_in_the_same_boot_gets_larger_sequences():
    """A ring that was made anew begins at position 0; its base keeps sequences from being used twice."""
    disk = Disk()
    spool = Spool(disk, LIMITS)
    spool.append([Batch(b"a", end=5200, identity=7)])
    assert place(spool, BOOT, 0, 8) == (5200, 0, False)
    spool.append([Batch(b"b", end=520, identity=8, base=5200)])
    spool = Spool(disk.after_kill(), LIMITS)

    assert place(spool, BOOT, 0, 8) == (5200, 520, True)
    assert place(spool, BOOT, 0, 9) == (5720, 0, False)


def place(spool: Spool, boot_id: str, ring: int, identity: int) -> tuple[int, int, bool]:
    position = spool.ring_position(boot_id, ring, identity)
    return position.base, position.end, position.known


def test_rejected_events_move_the_position_and_are_counted():
    """An entry without events gets no number, but is durable too."""
    disk = Disk()
    spool = Spool(disk, LIMITS)
    assert spool.append([Batch(b"", events=0, end=1040, rejected={"malformed-class": 2})]) == []
    spool.append([Batch(b"a", end=2080, rejected={"malformed-class": 1})])
    spool = Spool(disk.after_kill(), LIMITS)

    assert spool.ring_totals(BOOT, 0) == (1, {"malformed-class": 3})
    assert spool.ring_position(BOOT, 0, 1).end == 2080
    assert spool.account().came == 1


def test_a_ring_older_than_the_spool():
    """Events that were read before this spool existed are counted as such, over restarts."""
    disk = Disk()
    spool = Spool(disk, LIMITS)
    spool.adopt_ring(BOOT, 0, 3, already=17)
    spool.append([Batch(b"a", identity=3)])

    assert Spool(disk.after_kill(), LIMITS).ring_totals(BOOT, 0) == (1, {"before-this-spool": 17})
