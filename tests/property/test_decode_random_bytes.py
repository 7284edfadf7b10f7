"""Whatever bytes stand in a ring or in a batch, reading them raises nothing but our own errors, and the sums hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.abi.events import EVENT
from agent.events.batch import BatchError, pack, unpack
from agent.events.decode import decode
from agent.events.memory import RingError
from agent.events.records import BUSY, DISCARD, Records, walk
from agent.events.ring import RingReader
from agent.events.violations import violations
from agent.spool import frames
from agent.spool.frames import scan
from tests.support.fake_ring import FakeRing, event, name_record
from tests.support.node import context

EVENTS = st.binary(min_size=EVENT.itemsize, max_size=EVENT.itemsize)


def with_numbers(raw: bytes, class_id: int, effect: int, reason: int) -> bytes:
    record = np.frombuffer(raw, EVENT).copy()
    record["class_id"], record["effect"], record["reason"] = class_id, effect, reason
    return record.tobytes()


PLAUSIBLE = st.builds(with_numbers, EVENTS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 8))


@settings(max_examples=300)
@given(st.lists(PLAUSIBLE, max_size=8), st.dictionaries(st.integers(0, 3), st.binary(max_size=64)))
def test_random_events_are_decoded_or_rejected(raws, names):
    """Every event comes out, or is counted as rejected; what comes out can be packed, unpacked and spelled out."""
    events = np.frombuffer(b"".join(raws), EVENT)
    records = Records(0, 0, events, np.arange(len(events), dtype=np.uint64), names)
    result = decode(records, 0, 0, context())

    assert len(raws) == len(result.batch) + sum(result.rejected.values())
    for violation in violations(unpack(pack(result.batch))):
        assert all(text.isprintable() for text in (violation.object, violation.exe, violation.comm))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 1 << 70), st.integers(0, 4096))
def test_random_rings_end(data, start, length):
    """A walk over random bytes ends where it should, whatever the headers say."""
    twice = np.frombuffer(((data or b"\0") * 4096)[:4096] * 2, np.uint8)
    start &= (1 << 63) - 8
    length &= ~7
    records = walk(twice, start, start + length, 1000)

    assert start <= records.end <= start + length
    assert len(records.events) == len(records.positions)


@settings(max_examples=200)
@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_random_positions(consumer, producer):
    """Positions that contradict each other are an error of ours, and the reader goes on."""
    with FakeRing(4096) as ring:
        ring.words[0] = consumer
        ring.producer = producer
        reader = RingReader(ring.map())
        try:
            reader.read()
        except RingError:
            assert producer == reader.position


ACTION = st.sampled_from(["event", "name", "busy", "discard", "finish", "read", "commit", "restart", "strange"])


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTION, max_size=120))
def test_any_order_of_writing_and_reading(actions):
    """However records come and readers start and stop, every event is read once after each commit, in order."""
    with FakeRing(4096) as ring:
        reader, busy, written, read, uncommitted = RingReader(ring.map()), [], [], [], []
        for number, action in enumerate(actions):
            if action == "event" and (position := ring.write(event(tgid=number))) is not None:
                written.append(position)
            elif action == "name":
                ring.write(name_record(number, b"n" * (number * 7 % 600)))
            elif action == "busy" and (position := ring.reserve(512)) is not None:
                busy.append(position)
                written.append(position)
                ring.put(position + 8, event(tgid=number))
            elif action == "discard":
                ring.write(event(), discard=True)
            elif action == "finish" and busy:
                ring.finish(busy.pop(0))
            elif action == "read":
                uncommitted += reader.read(limit=1 + number % 4).positions.tolist()
            elif action == "commit":
                reader.commit()
                read, uncommitted = read + uncommitted, []
            elif action == "restart":
                reader, uncommitted = RingReader(ring.map()), []
            elif action == "strange":
                ring.write(b"\x07" * (number % 40))
        for position in busy:
            ring.finish(position)
        while len(more := reader.read().positions):
            uncommitted += more.tolist()

        assert written == read + uncommitted


@given(st.binary(max_size=600))
def test_random_batches(payload):
    """Bytes that are no batch raise BatchError and nothing else."""
    try:
        unpack(payload)
    except BatchError as error:
        assert str(error)


@given(st.data())
def test_changed_batches(data):
    """Nor does a batch of which a few bytes were changed raise anything else; if it passes, it can be spelled out."""
    whole = bytearray(pack(decode(one(), 0, 0, context()).batch))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        batch = unpack(bytes(whole))
    except BatchError:
        return
    violations(batch)


def one() -> Records:
    return Records(0, 520, np.frombuffer(event(), EVENT), np.zeros(1, np.uint64))


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_random_segments(noise, copies):
    """Frames are found between any noise; noise alone holds none."""
    frame = frames.encode(frames.KIND_BATCH, 1, 0, 1, ("x",), 12345)
    data = noise.join([frame] * copies)

    assert copies == sum(1 for found in scan(data, 12345) if found.number == 1)
    assert list(scan(noise, 54321)) == []


def test_flags_are_the_kernels():
    """Bits 31 and 30 of a header."""
    assert (BUSY, DISCARD) == (0x80000000, 0x40000000)
