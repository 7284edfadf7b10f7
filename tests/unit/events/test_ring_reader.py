"""The reader of a ring, against a ring that is written by the kernel's protocol."""

import os
import select

import pytest

from agent.events.memory import MappedRing, RingError, map_ring
from agent.events.records import STEP
from agent.events.ring import LATE_NAMES, RingReader
from tests.support.fake_ring import FakeRing, event, name_record, write_long


@pytest.fixture
def ring():
    with FakeRing() as fake:
        yield fake


def test_events_come_in_order_with_their_positions(ring):
    """A sequence is the position of the record's header; a whole run is one array."""
    written = [ring.write(event(rule=number)) for number in range(100)]
    records = RingReader(ring.map()).read()

    assert written == records.positions.tolist()
    assert list(range(100)) == records.events["rule"].tolist()


def test_what_is_not_committed_is_read_again(ring):
    """A reader that starts anew at an uncommitted position sees the same events with the same sequences."""
    for number in range(5):
        ring.write(event(rule=number))
    first = RingReader(ring.map())
    before = first.read(limit=3).positions.tolist()
    again = RingReader(ring.map()).read()

    assert before == again.positions.tolist()[:3]
    assert len(again.events) == 5


def test_commit_gives_room_back(ring):
    """Room is given back only by commit: a full ring stays full until then."""
    reader = RingReader(ring.map())
    while ring.write(event()) is not None:
        pass
    reader.read()
    assert ring.write(event()) is None

    reader.commit()
    assert ring.write(event()) is not None


def test_records_wrap_around(ring):
    """A record that goes over the end of the data is one piece."""
    reader = RingReader(ring.map())
    for number in range(10 * ring.size // STEP):
        ring.write(event(path=b"/file-%d" % number, rule=number))
        records = reader.read()
        reader.commit()
        assert [number] == records.events["rule"].tolist()
        assert b"/file-%d" % number == records.events["path"][0].tobytes()[: records.events["path_length"][0]]


def test_positions_past_32_bits(ring):
    """Positions are unsigned longs and only grow."""
    ring.start_at((1 << 40) + 64)
    position = ring.write(event())
    assert [position] == RingReader(ring.map()).read().positions.tolist()
    assert position == (1 << 40) + 64


@pytest.mark.parametrize("before", [0, 1, 40])
def test_stops_at_a_record_being_written(ring, before):
    """Nothing behind a busy record is read before it is finished, and then all of it is, once."""
    reader = RingReader(ring.map())
    for _ in range(before):
        ring.write(event(rule=1))
    busy = ring.reserve(512)
    ring.write(event(rule=3))
    assert before == len(reader.read().events)
    assert not reader.idle
    reader.commit()

    ring.put(busy + 8, event(rule=2))
    ring.finish(busy)
    assert reader.read().events["rule"].tolist() == [2, 3]
    assert reader.idle


def test_discarded_records_are_passed_over(ring):
    """A record the kernel took back is no event, whatever stands in it."""
    ring.write(event(rule=1))
    ring.write(event(rule=2), discard=True)
    ring.write(event(rule=3))
    records = RingReader(ring.map()).read()

    assert records.events["rule"].tolist() == [1, 3]
    assert records.discarded == 1


def test_names_apart_belong_to_their_events(ring):
    """A name record's bytes are found by the event's token, whatever came between."""
    ring.write(name_record(1, b"/a" * 200))
    ring.write(event(rule=9))
    ring.write(name_record(2, b"/b" * 200))
    ring.write(event(token=1, flags=8))
    ring.write(event(token=2, flags=8))
    records = RingReader(ring.map()).read()

    assert records.names == {1: b"/a" * 200, 2: b"/b" * 200}
    assert records.events["token"].tolist() == [0, 1, 2]


def test_a_name_waits_for_an_event_of_a_later_batch(ring):
    """A name read in one batch is still there when its event comes in the next."""
    reader = RingReader(ring.map())
    ring.write(name_record(5, b"/x" * 100))
    reader.read()
    reader.commit()
    ring.write(event(token=5, flags=8))

    assert reader.read().names[5] == b"/x" * 100


def test_names_without_events_are_bounded(ring):
    """Names whose events never come do not pile up."""
    reader = RingReader(ring.map())
    for token in range(3 * LATE_NAMES):
        ring.write(name_record(token, b"/x"))
        reader.read()
        reader.commit()
    ring.write(event())

    assert len(reader.read().names) <= LATE_NAMES


def test_a_name_as_long_as_an_event_is_no_event(ring):
    """A record is told by its kind, not by its length alone."""
    ring.write(event(rule=1))
    ring.write(name_record(3, b"n" * 496))
    ring.write(event(rule=2))
    records = RingReader(ring.map()).read()

    assert records.events["rule"].tolist() == [1, 2]
    assert records.names[3] == b"n" * 496


def test_limit_ends_a_batch(ring):
    """A batch has at most as many events as asked for; the next read goes on behind them."""
    for number in range(50):
        ring.write(event(rule=number))
    reader = RingReader(ring.map())

    assert list(range(7)) == reader.read(limit=7).events["rule"].tolist()
    assert list(range(7, 50)) == reader.read().events["rule"].tolist()


def test_records_of_no_kind_are_counted(ring):
    """Neither an unknown kind, nor a name longer than its record, nor an event of a wrong length stops the rest."""
    ring.write(b"\x09" + bytes(63))
    ring.write(name_record(1, b"abc")[:4] + b"\xff\xff\0\0" + bytes(16))
    ring.write(event()[:100])
    ring.write(b"")
    ring.write(event(rule=4))
    records = RingReader(ring.map()).read()

    assert records.events["rule"].tolist() == [4]
    assert records.strange == 3
    assert records.rejected == {"malformed-event": 1}


def test_a_header_past_the_producer_skips_to_it(ring):
    """A length that cannot be right loses what is in the ring, counted in bytes, and nothing after it."""
    start = ring.write(event())
    ring.put(start, (1 << 20).to_bytes(4, "little"))
    reader = RingReader(ring.map())
    assert reader.read().damaged == STEP
    reader.commit()
    ring.write(event(rule=6))

    assert reader.read().events["rule"].tolist() == [6]


def test_positions_that_contradict_each_other(ring):
    """A reader behind or before what the ring can hold says so and goes on at the producer."""
    reader = RingReader(ring.map())
    ring.producer = 1 << 40
    with pytest.raises(RingError, match="at most"):
        reader.read()
    reader.commit()
    ring.write(event(rule=7))

    assert reader.read().events["rule"].tolist() == [7]


def test_resume_passes_over_what_is_spooled(ring):
    """What the spool has is not read again, and its room is given back."""
    positions = [ring.write(event(rule=number)) for number in range(4)]
    reader = RingReader(ring.map())
    reader.resume(positions[2])

    assert reader.read().events["rule"].tolist() == [2, 3]
    assert positions[2] == ring.consumer


def test_resume_never_goes_past_the_producer(ring):
    """A spool that knows more than the ring has is of another ring."""
    ring.write(event())
    with pytest.raises(RingError, match="at least 4096"):
        RingReader(ring.map()).resume(4096)


def test_pending_counts_what_is_not_committed(ring):
    """Pending are finished events, not names, not discarded ones, until they are committed."""
    reader = RingReader(ring.map())
    write_long(ring, b"/l" * 150, 1)
    ring.write(event(), discard=True)
    ring.write(event())
    assert reader.pending() == 2
    reader.read()
    assert reader.pending() == 2
    reader.commit()
    assert reader.pending() == 0


def test_rewind_reads_again(ring):
    """After a failed write the next read finds the same events."""
    ring.write(event(rule=1))
    reader = RingReader(ring.map())
    reader.read()
    reader.rewind()
    assert reader.read().events["rule"].tolist() == [1]


def test_the_kernel_wakes_a_reader_that_is_up_to_date(ring):
    """The descriptor to wait on is readable after a record at the reader's position."""
    memory = ring.map()
    epoll = select.epoll()
    epoll.register(memory.fileno(), select.EPOLLIN | select.EPOLLET)
    assert epoll.poll(0) == []
    ring.write(event())
    assert len(epoll.poll(0)) == 1


@pytest.mark.parametrize("size", [0, 100, 4096 + 8, 1 << 15])
def test_a_ring_of_an_impossible_size(ring, size):
    """A size that is no power of two, or that the file has not, is refused with what is required."""
    with pytest.raises(RingError, match="required"):
        MappedRing(os.memfd_create("empty"), size)


def test_a_descriptor_that_is_no_map():
    """Without map facts there is no ring."""
    with pytest.raises(RingError, match="required a BPF map"):
        map_ring(os.memfd_create("none"))
