"""Nothing a node sends is believed before it is checked."""

from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.v1 import stream_pb2

from collector.ingest.decode import BatchError, HelloError, check_hello, decode
from collector.store.events import EventBlock
from collector.store.spelling import raw_event, spell
from tests.support.collector_batches import NODE, batch, hello


def _set(column: str, value: int) -> Callable[[stream_pb2.Batch], None]:
    def change(made: stream_pb2.Batch) -> None:
        getattr(made.columns, column)[1] = value

    return change


BROKEN: dict[str, tuple[Callable[[stream_pb2.Batch], object], str]] = {
    "column too short": (lambda made: made.columns.tgid.pop(), "column `tgid` has 2 entries, another 3"),
    "column too long": (lambda made: made.columns.tgid.append(1), "another 4"),
    "column missing": (lambda made: made.columns.ClearField("flags"), "column `flags` has 0 entries"),
    "name out of range": (_set("object", 8), "column `object` refers to entry 8 of 8"),
    "rule out of range": (_set("rule", 1), "column `rule` refers to entry 1 of 1"),
    "no rules": (lambda made: made.ClearField("rules"), "column `rule` refers to entry 0 of 0"),
    "ring": (_set("ring", 2), "column `ring`"),
    "effect": (_set("effect", 256), "column `effect`"),
    "class": (_set("class", 2**31), "column `class`"),
    "protocol": (_set("protocol", 65_536), "column `protocol`"),
    "sequence": (_set("sequence", 2**63), "column `sequence` has a number of 2^63"),
    "generation": (_set("generation", 2**64 - 1), "column `generation`"),
    "time before 1970": (_set("unix_ns", -1), "before 1970"),
    "first name": (lambda made: made.names.__setitem__(0, b"x"), "first name"),
    "long name": (lambda made: made.names.append(b"a" * 20_000), "16384 bytes"),
    "many names": (lambda made: made.names.extend([b""] * 400_000), "400008 names"),
    "many rules": (lambda made: made.rules.extend([stream_pb2.RuleReference()] * 5_000), "5001 rules"),
    "long message": (lambda made: setattr(made.rules[0], "message", "x" * 5_000), "4096 characters"),
    "other node": (lambda made: setattr(made, "node", "db-1"), "another node"),
    "boot id": (lambda made: setattr(made, "boot_id", "../../x"), "boot id"),
    "number 0": (lambda made: setattr(made, "number", 0), "counts from 1"),
    "number 2^63": (lambda made: setattr(made, "number", 2**63), "counts from 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_batch_is_refused_as_a_whole(case: str):
    """A batch that breaks the format is one error that says what is wrong and how many events are lost with it."""
    change, problem = BROKEN[case]
    made = batch(7, range(3))
    change(made)

    with pytest.raises(BatchError) as caught:
        decode(made, NODE)

    assert problem in str(caught.value)
    assert caught.value.number == made.number
    assert 3 <= caught.value.events <= 4


def test_too_many_events():
    """A batch has a greatest size, however small its events are."""
    with pytest.raises(BatchError, match="65537 events"):
        decode(batch(1, range(65_537), objects=[b""] * 65_537), NODE)


def test_columns_arrive_as_sent():
    """Every column keeps its numbers and its order."""
    made = batch(7, [128, 256, 64], tgid=2**32 - 1, verdict=-13, cgroup_id=2**64 - 1)

    block = decode(made, NODE, "spool", 6)

    assert (block.number, block.after, block.spool, len(block)) == (7, 6, "spool", 3)
    assert block.columns.sequence.tolist() == [128, 256, 64]
    assert block.columns.tgid.tolist() == [2**32 - 1] * 3
    assert block.columns.verdict.tolist() == [-13] * 3
    assert block.names[block.columns.object[2]] == b"/etc/ssl/private/64"
    words = spell(raw_event(block, 0))
    assert (words.operations, words.effect, words.class_, words.reason) == (("read",), "deny", "file", "decided")


def test_numbers_of_a_newer_agent_are_spelled_as_numbers():
    """A class, effect, reason or operation that we do not know yet is shown by number, not refused."""
    made = batch(1, [1], **{"class": 99, "effect": 7, "reason": 99, "operations": 5})

    words = spell(raw_event(decode(made, NODE), 0))

    assert (words.class_, words.effect, words.reason) == ("class-99", "effect-7", "reason-99")
    assert words.operations == ("bit-0", "bit-2")


def test_empty_batch_is_a_batch():
    """A batch without events only moves the number on."""
    block = decode(stream_pb2.Batch(node=NODE, boot_id="4f1c09aa", number=3), NODE)

    assert len(block) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node", ""),
        ("node", "a:b"),
        ("node", "a\nb"),
        ("node", "a" * 254),
        ("boot_id", ""),
        ("boot_id", "4F1C09AA"),
        ("spool_id", "../x"),
        ("kernel", "x" * 5_000),
    ],
)
def test_hello_with_names_that_cannot_stand_in_an_id(field: str, value: str):
    """Names that would make an event's id ambiguous, or unprintable, are refused at the door."""
    greeting = hello().hello
    setattr(greeting, field, value)

    with pytest.raises(HelloError):
        check_hello(greeting)


@given(st.binary(max_size=400))
def test_decode_raises_nothing_but_its_own_error(raw: bytes):
    """Any bytes are no message, no batch, or a batch of which every event can be spelled."""
    try:
        made = stream_pb2.Batch.FromString(raw)
    except DecodeError:
        return
    _decode_any(made)


_RANGES = {"sequence": 2**64, "generation": 2**64, "unix_ns": 2**63}
_COLUMNS = st.sampled_from([field.name for field in stream_pb2.Columns.DESCRIPTOR.fields if field.name != "verdict"])


@settings(max_examples=60)
@given(st.data(), st.integers(0, 2**64 - 1), st.sets(_COLUMNS, max_size=3))
def test_decode_of_any_columns(data: st.DataObject, number: int, changed: set[str]):
    """The same for batches of which some columns hold anything their type can."""
    made = batch(number, range(3))
    for name in sorted(changed):
        values = st.integers(0, _RANGES.get(name, 2**32) - 1)
        getattr(made.columns, name)[:] = data.draw(st.lists(values, min_size=2, max_size=4))
    _decode_any(made)


def _decode_any(made: stream_pb2.Batch) -> None:
    try:
        block: EventBlock = decode(made, made.node)
    except BatchError:
        return
    for position in range(len(block)):
        assert spell(raw_event(block, position)).object.isprintable()
