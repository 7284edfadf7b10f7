"""The reader against a ring of the kernel that runs, written by a BPF program."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from agent.events import pump as pump_module
from agent.events.batch import unpack
from agent.events.pump import Drained, Pump
from agent.events.ring import RingReader
from tests.support.fake_ring import event
from tests.support.kernel_ring import BpfRefusedError, KernelRing
from tests.support.node import context

STEP = 520


@pytest.fixture
def ring() -> Iterator[KernelRing]:
    try:
        found = KernelRing(1 << 16, event(b"/etc/shadow"))
    except BpfRefusedError as error:
        pytest.skip(f"needs bpf(2): {error}")
    yield found
    found.close()


class Sink:
    """Keeps sequences and the delay of each event, ns."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.delays: list[int] = []
        self.got = threading.Semaphore(0)

    def append(self, entries: Sequence[Drained]) -> None:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + context().unix_offset_ns()
        for entry in entries:
            columns = unpack(entry.payload).columns
            self.sequences += columns["sequence"].tolist()
            self.delays += (now - columns["unix_ns"]).tolist()
            self.got.release(entry.events)

    def ring_totals(self, boot_id: str, ring: int) -> tuple[int, dict[str, int]]:
        return len(self.sequences), {}


def test_what_the_kernel_writes_is_read(ring: KernelRing) -> None:
    """Positions, contents and pending counts of a real ring; the rest of it waits for the commit."""
    reader = RingReader(ring.map())
    ring.write(1000)
    records = reader.read(limit=4096)

    room = (1 << 16) // STEP
    assert [number * STEP for number in range(room)] == records.positions.tolist()
    assert {b"/etc/shadow"} == {path.tobytes()[:11] for path in records.events["path"]}
    assert room == reader.pending()
    reader.commit()
    ring.write(3)
    assert [(room + number) * STEP for number in range(3)] == RingReader(ring.map()).read().positions.tolist()


def test_another_map_is_another_ring(ring: KernelRing) -> None:
    """Rings are told apart by the kernel's number of the map, the same for every reader."""
    other = KernelRing(1 << 12, event())
    assert ring.map().identity == ring.map().identity != other.map().identity
    other.close()


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.003])
def test_no_event_waits_for_a_timeout(ring: KernelRing, monkeypatch: pytest.MonkeyPatch, pause: float) -> None:
    """However its writing meets the reader's commit and sleep, each event is read when it comes, and once."""
    monkeypatch.setattr(pump_module, "IDLE_WAIT", 60.0)
    monkeypatch.setattr(pump_module, "BUSY_WAIT", 60.0)
    sink = Sink()
    pump = Pump({0: RingReader(ring.map())}, context(), sink, lambda: None)
    thread = threading.Thread(target=pump.run)
    thread.start()
    try:
        for number in range(400):
            ring.write(1 + number % 3)
            time.sleep(pause)
            for _ in range(1 + number % 3):
                assert sink.got.acquire(timeout=10), number
    finally:
        pump.stop()
        thread.join(10)
        pump.close()

    assert sink.sequences == [number * STEP for number in range(len(sink.sequences))]
    assert len(sink.sequences) == sum(1 + number % 3 for number in range(400))


def test_a_storm_is_read_without_a_gap(ring: KernelRing) -> None:
    """While the program writes as fast as it can, what the ring took is what comes out, in order, each once."""
    sink = Sink()
    reader = RingReader(ring.map())
    pump = Pump({0: reader}, context(), sink, lambda: None)
    thread = threading.Thread(target=pump.run)
    thread.start()
    for _ in range(300):
        ring.write(100)
    pump.stop()
    thread.join(10)
    pump.close()

    assert sink.sequences == list(range(0, reader.memory.producer(), STEP))
    assert reader.memory.producer() == reader.memory.consumer()
    assert pump.oddities.damaged_bytes == pump.oddities.ring_errors == 0
