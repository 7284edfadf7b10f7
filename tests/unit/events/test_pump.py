"""The pump: what is in the rings becomes durable, exactly once, and at once."""

import os
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.events import pump as pump_module
from agent.events.batch import unpack
from agent.events.enrich import Places
from agent.events.pump import Drained, Pump
from agent.events.ring import RingReader
from agent.spool.spool import Spool
from agent.spool.types import SpoolLimits
from tests.support.disk import Died, Disk
from tests.support.fake_ring import FakeRing, event, name_record
from tests.support.node import BOOT, context


class Sink:
    """Keeps what it gets; `failures` appends fail first; `got` is set by each that does not."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.entries: list[Drained] = []
        self.calls = 0
        self.got = threading.Event()

    def append(self, entries: Sequence[Drained]) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.entries += entries
        self.got.set()

    def ring_totals(self, boot_id: str, ring: int) -> tuple[int, dict[str, int]]:
        rejected: dict[str, int] = {}
        for entry in self.entries:
            for reason, count in entry.rejected.items() if entry.ring == ring else ():
                rejected[reason] = rejected.get(reason, 0) + count
        return sum(entry.events for entry in self.entries if entry.ring == ring), rejected

    def sequences(self, ring: int = 0) -> list[int]:
        batches = [unpack(entry.payload) for entry in self.entries if entry.events and entry.ring == ring]
        return [sequence for batch in batches for sequence in batch.columns["sequence"].tolist()]


@pytest.fixture
def rings():
    with FakeRing(identity=1) as violations, FakeRing(identity=2) as observations:
        yield violations, observations


def make(rings, sink, stored=lambda: None) -> Pump:
    return Pump({number: RingReader(ring.map()) for number, ring in enumerate(rings)}, context(), sink, stored)


def test_one_append_for_all_rings(rings):
    """A round takes a batch of each ring, with one append for both, and then gives their room back."""
    sink, told = Sink(), []
    pump = make(rings, sink, lambda: told.append(1))
    written = [rings[0].write(event()) for _ in range(3)]
    rings[1].write(event(effect=1))

    assert pump.drain()
    assert not pump.drain()
    assert (sink.calls, told) == (1, [1])
    assert written == sink.sequences(0)
    assert sink.sequences(1) == [0]
    assert [(entry.ring, entry.identity) for entry in sink.entries] == [(0, 1), (1, 2)]
    assert (rings[0].producer, rings[1].producer) == (rings[0].consumer, rings[1].consumer)


def test_nothing_is_committed_that_is_not_durable(rings):
    """While the sink fails the ring keeps its events; then they come once, with the sequences they had."""
    sink = Sink(failures=2)
    pump = make(rings, sink)
    written = [rings[0].write(event()) for _ in range(3)]
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            pump.drain()
        assert rings[0].consumer == 0
    pump.drain()

    assert written == sink.sequences()
    assert rings[0].producer == rings[0].consumer


def test_a_name_read_before_a_failure_is_not_lost(rings):
    """A batch that is read again has its long names again."""
    sink = Sink(failures=1)
    pump = make(rings, sink)
    rings[0].write(name_record(9, b"/long" * 60))
    pump.drain()
    rings[0].write(event(b"/long" * 60, token=9, flags=8))
    with pytest.raises(OSError, match="No space"):
        pump.drain()
    pump.drain()

    assert b"/long" * 60 in unpack(sink.entries[0].payload).names


def test_rejected_events_are_handed_over_and_counted(rings):
    """A batch of nothing but rejected events still moves the ring, and the sum of the ring balances."""
    sink = Sink()
    pump = make(rings, sink)
    rings[0].write(event(class_id=77))
    rings[0].write(event(class_id=78))
    pump.drain()
    rings[0].write(event())
    pump.drain()
    rings[0].write(event())
    counts = pump.counts()["violation"]

    assert (counts.spooled, counts.pending, counts.rejected) == (1, 1, {"malformed-class": 2})
    assert sink.entries[0].payload == b""


def test_a_damaged_ring_is_counted_and_left_behind(rings):
    """The pump goes on behind what it cannot read."""
    sink = Sink()
    pump = make(rings, sink)
    start = rings[0].write(event())
    rings[0].put(start, b"\xff\xff\xff\x3f")
    pump.drain()
    rings[0].write(event())
    pump.drain()

    assert sink.sequences() == [520]
    assert pump.oddities.damaged_bytes == 520


def test_a_fault_of_ours_costs_one_batch(rings):
    """A batch that cannot be decoded is rejected and counted, and the next one comes."""
    sink = Sink()
    faults = iter([True, False])

    def rule(generation, number):
        if next(faults):
            raise RuntimeError("a fault")
        return

    pump = Pump({0: RingReader(rings[0].map())}, replace(context(), rule=rule), sink, lambda: None)
    rings[0].write(event())
    rings[0].write(event())
    pump.drain()
    rings[0].write(event())
    pump.drain()

    counts = pump.counts()["violation"]
    assert (counts.spooled, counts.pending, counts.rejected) == (1, 0, {"undecodable": 2})
    assert pump.oddities.last_error == "RuntimeError: a fault"


def test_a_lookup_that_raises_costs_nothing(rings):
    """Where a process lived is unknown then; its violation is not lost."""

    def lookup(cgroup):
        raise OSError("gone")

    sink = Sink()
    places = Places(lookup)
    pump = Pump({0: RingReader(rings[0].map())}, replace(context(), places=places), sink, lambda: None)
    rings[0].write(event())
    pump.drain()

    assert sink.sequences() == [0]
    assert places.failures == 1


class Running:
    """A pump in its thread."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.thread = threading.Thread(target=pump.run)

    def __enter__(self) -> Pump:
        self.thread.start()
        return self.pump

    def __exit__(self, *_: object) -> None:
        self.pump.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.pump.close()


def test_it_sleeps_and_is_woken_by_each_event(rings, monkeypatch):
    """Every event is read when it comes: none waits for a timeout, whatever the moment at which it comes."""
    monkeypatch.setattr(pump_module, "IDLE_WAIT", 60.0)
    sink = Sink()
    with Running(make(rings, sink)):
        for number in range(300):
            rings[number % 2].write(event())
            assert sink.got.wait(10), number
            sink.got.clear()

    assert len(sink.sequences(0)) + len(sink.sequences(1)) == 300


def test_it_does_not_spin_while_a_record_is_being_written(rings):
    """A busy record at the head of a ring costs a few looks, not a processor; its end wakes the pump."""
    sink, looks = Sink(), []
    busy = rings[0].reserve(512)
    os.eventfd_write(rings[0].wake, 1)  # the kernel's descriptor is readable as soon as there is a record
    pump = make(rings, sink)
    drain = pump.drain
    pump.drain = lambda: looks.append(1) or drain()
    with Running(pump):
        rings[1].write(event())
        assert sink.got.wait(10)
        sink.got.clear()
        del looks[:]
        assert not sink.got.wait(0.2)
        assert len(looks) < 100
        rings[0].put(busy + 8, event())
        rings[0].finish(busy)
        assert sink.got.wait(10)

    assert [busy] == sink.sequences(0)


def test_stopping_takes_along_what_is_there(rings):
    """After stop, what had come is spooled before run returns."""
    sink = Sink()
    pump = make(rings, sink)
    written = [rings[0].write(event()) for _ in range(50)]
    pump.stop()
    pump.run()
    pump.close()

    assert written == sink.sequences()


def test_a_full_disk_is_waited_out(rings, monkeypatch):
    """Errors of the sink are counted and tried again; events wait in the ring."""
    monkeypatch.setattr(pump_module, "RETRY_FIRST", 0.001)
    sink = Sink(failures=5)
    with Running(make(rings, sink)) as pump:
        rings[0].write(event())
        assert sink.got.wait(10)
        assert "No space" in pump.oddities.last_error
        assert pump.oddities.store_errors == 5

    assert sink.sequences() == [0]


@pytest.mark.parametrize("before_commit", [True, False])
def test_killed_between_fsync_and_commit(rings, before_commit):
    """What was spooled and not committed is not spooled again by the next agent, and what came since is."""
    disk, ring = Disk(), rings[0]
    written = [ring.write(event()) for _ in range(3)]

    class DyingSpool(Spool):
        def append(self, entries):
            if not before_commit:
                raise Died
            super().append(entries)
            raise Died

    pump = Pump({0: RingReader(ring.map())}, context(), DyingSpool(disk, SpoolLimits()), lambda: None)
    with pytest.raises(Died):
        pump.drain()
    assert ring.consumer == 0
    written.append(ring.write(event()))

    spool = Spool(disk.after_kill(), SpoolLimits())
    reader = RingReader(ring.map())
    reader.resume(spool.ring_position(BOOT, 0, ring.identity).end)
    again = Pump({0: reader}, context(), spool, lambda: None)
    while again.drain():
        pass

    batches = [unpack(stored.payload) for stored in spool.read(0)]
    assert written == [sequence for batch in batches for sequence in batch.columns["sequence"].tolist()]
    counts = again.counts()["violation"]
    assert (counts.spooled, counts.pending) == (4, 0)
