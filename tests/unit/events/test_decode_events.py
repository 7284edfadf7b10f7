"""
From records to columns to violations: what stands in an event is what comes out, and nothing that stands there
raises.
"""

import ipaddress
import struct

import numpy as np
import pytest
from ringfence.v1.violation_pb2 import Violation

from agent.abi.events import EXE_INCOMPLETE, PATH_INCOMPLETE, SEEDED
from agent.events.batch import COLUMNS, OBSERVATIONS, BatchError, pack, unpack
from agent.events.decode import Decoded, decode
from agent.events.enrich import Place, Places
from agent.events.ring import RingReader
from agent.events.violations import violations
from tests.support.fake_ring import FakeRing, event, name_record, write_long
from tests.support.node import BOOT, context


def decoded(*bodies: bytes, ring: int = 0, base: int = 0) -> Decoded:
    with FakeRing() as fake:
        for body in bodies:
            fake.write(body)
        return decode(RingReader(fake.map()).read(), ring, base, context())


def seen(*bodies: bytes) -> list[Violation]:
    return violations(unpack(pack(decoded(*bodies).batch)))


def mapped(address: str) -> list[int]:
    """16 bytes, IPv4 as ::ffff:a.b.c.d."""
    ip = ipaddress.ip_address(address)
    return list(ip.packed if ip.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}").packed)


def test_an_event_spelled_out():
    """Every member of an event is found in its violation."""
    (violation,) = seen(
        event(
            operations=0b111,
            verdict=-1,
            tgid=5,
            tid=6,
            uid=33,
            gid=34,
            effect=4,
            reason=2,
            boot_ns=7,
            generation=1,
            flags=SEEDED,
        )
    )
    expected = Violation(
        id=f"web-1:{BOOT[:8]}:v0",
        node="web-1",
        unix_ns=1_700_000_000_000_000_007,
        generation=1,
        policy="web",
        rule="secrets",
        operations=["read", "write", "create"],
        effect="kill",
        reason="name-too-deep",
        verdict=-1,
        object="/etc/shadow",
        exe="/usr/bin/cat",
        comm="cat",
        tgid=5,
        tid=6,
        uid=33,
        gid=34,
        cgroup="/web",
        workload="web.service",
        severity="high",
        message="no",
        flags=["seeded"],
        **{"class": "file"},
    )
    assert expected == violation


def test_sequences_are_positions_and_the_base():
    """An event's id is its record's position, pushed up by what another ring had before."""
    batch = decoded(event(), event(), ring=OBSERVATIONS, base=1 << 33).batch

    assert batch.columns["sequence"].tolist() == [1 << 33, (1 << 33) + 520]
    assert f"web-1:{BOOT[:8]}:o{(1 << 33) + 520}" == violations(batch, first=1)[0].id


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("class_id", 0, "malformed-class"),
        ("class_id", 16, "malformed-class"),
        ("effect", 5, "malformed-effect"),
        ("effect", 255, "malformed-effect"),
        ("reason", 8, "malformed-reason"),
    ],
)
def test_numbers_that_nothing_has_are_rejected(member, value, reason):
    """Such an event is left out and counted under its reason; those around it are not touched."""
    result = decoded(event(tgid=1), event(tgid=2, **{member: value}), event(tgid=3))

    assert result.batch.columns["tgid"].tolist() == [1, 3]
    assert result.batch.columns["sequence"].tolist() == [0, 2 * 520]
    assert {reason: 1} == result.rejected


def test_an_event_with_several_faults_counts_once():
    """The sum of what is rejected is the number of events that are missing."""
    assert decoded(event(class_id=16, effect=9, reason=9)).rejected == {"malformed-class": 1}


def test_an_event_of_an_unknown_rule_is_kept():
    """A violation whose rule table is gone is a violation all the same, and says which number it had."""
    result = decoded(event(), event(generation=99, rule=7, class_id=3, family=2, address=mapped("10.0.0.1"), port=80))
    first, second = violations(result.batch)

    assert (first.policy, first.rule) == ("web", "secrets")
    assert (second.policy, second.rule, getattr(second, "class")) == ("", "unknown:99/7", "network")
    assert result.unknown_rules == 1


def test_rules_of_several_generations():
    """A rule's number means what it means in the event's own generation, however they are mixed."""
    numbers = [(1, 0), (1, 1), (2, 0), (1 << 40, 0), (1, 0), (2, 0xFFFFFFFF)]
    names = [v.rule for v in seen(*(event(generation=g, rule=r) for g, r in numbers))]

    assert ["secrets", "egress", "unknown:2/0", f"unknown:{1 << 40}/0", "secrets", "unknown:2/4294967295"] == names


@pytest.mark.parametrize(
    ("family", "address", "text"),
    [
        (2, "10.1.2.3", "10.1.2.3:443"),
        (10, "10.1.2.3", "10.1.2.3:443"),
        (10, "2001:db8::1", "[2001:db8::1]:443"),
        (10, "::", "[::]:443"),
        (40, "::", "family:40"),
    ],
)
def test_peers_in_text(family, address, text):
    """A peer is written as people write it; an IPv4 address in IPv6 clothes is an IPv4 address."""
    violation = seen(event(b"", class_id=3, family=family, address=mapped(address), port=443, protocol=6))[0]
    assert text == violation.object


def test_the_protocol_is_the_network_classes_only():
    """The column means nothing elsewhere, and is 0 there."""
    columns = decoded(
        event(protocol=6), event(class_id=3, family=2, protocol=17, address=mapped("1.1.1.1"))
    ).batch.columns
    assert columns["protocol"].tolist() == [0, 17]


def test_system_calls_by_name():
    """The object of a system call is its name."""
    assert [v.object for v in seen(event(class_id=4, syscall=59), event(class_id=4, syscall=9))] == [
        "execve",
        "syscall-9",
    ]


@pytest.mark.parametrize("length", [0, 1, 191, 192])
def test_names_that_fit(length):
    """A name is as long as the event says, up to the room in it, whatever stands behind."""
    name = b"/" + b"n" * (length - 1) if length else b""
    padded = event(name).replace(b"\0" * (192 - length), b"\xee" * (192 - length)) if length < 100 else event(name)
    violation = seen(padded[:320] + event(name)[320 : 320 + length] + b"\xee" * (192 - length))[0]

    assert name.decode() == violation.object
    assert list(violation.flags) == []


def test_a_long_name_comes_whole():
    """A name of any length the kernel can have comes whole when it came apart."""
    long = b"/" + b"x" * 4094
    with FakeRing() as fake:
        write_long(fake, long, 77)
        fake.write(event(b"/short"))
        batch = decode(RingReader(fake.map()).read(), 0, 0, context()).batch

    assert [long.decode(), "/short"] == [v.object for v in violations(batch)]
    assert batch.columns["flags"].tolist() == [0, 0]


def test_a_lost_name_says_so():
    """An event whose name did not come keeps the part it has, and says that it is incomplete."""
    (violation,) = seen(event(b"/" + b"x" * 3000, token=5, flags=8))

    assert violation.object == "/" + "x" * 191
    assert list(violation.flags) == ["path-incomplete"]


@pytest.mark.parametrize(("flags", "length"), [(8, 400), (8 | PATH_INCOMPLETE, 300)])
def test_part_of_a_name_says_so(flags, length):
    """A name that came, but not all of it, is incomplete."""
    (violation,) = seen(name_record(5, b"/y" * 150), event(b"/y" * (length // 2), token=5, flags=flags))

    assert violation.object == "/y" * 150
    assert list(violation.flags) == ["path-incomplete"]


def test_a_long_executable_says_so():
    """An executable's name longer than its room is cut and says so."""
    (violation,) = seen(event(exe=b"/" + b"e" * 300))

    assert violation.exe == "/" + "e" * 191
    assert list(violation.flags) == ["exe-incomplete"]
    assert decoded(event(exe=b"/" + b"e" * 300)).batch.columns["flags"][0] == EXE_INCOMPLETE


HOSTILE = b"/tmp/\x1b]0;owned\x07\n\r<script>\xff\xfe\xe2\x80\xae\\x41\0"


def test_hostile_names_are_harmless():
    """Whatever a name holds, the text is one printable line and still tells the bytes."""
    (violation,) = seen(event(HOSTILE, exe=HOSTILE, comm=list(b"\x1b[2J\xff\0\0garbage!!")))
    expected = "/tmp/\\x1b]0;owned\\x07\\x0a\\x0d<script>\\xff\\xfe\\xe2\\x80\\xae\\x5cx41\\x00"

    assert expected == violation.object == violation.exe
    assert violation.comm == "\\x1b[2J\\xff"


def test_hostile_cgroups_are_harmless():
    """Names of cgroups and containers are chosen by whoever makes them."""
    node = context()
    node = type(node)(
        node.node, node.boot_id, node.rule, Places(lambda _: Place(b"/\x1b[1m", b"\n")), node.syscall, lambda: 0
    )
    with FakeRing() as fake:
        fake.write(event())
        (violation,) = violations(decode(RingReader(fake.map()).read(), 0, 0, node).batch)

    assert (violation.cgroup, violation.workload) == ("/\\x1b[1m", "\\x0a")


def test_names_are_sent_once():
    """Equal names share an entry; the empty name is the first."""
    batch = decoded(*(event(b"/a"), event(b"/b"), event(b"/a")) * 10).batch

    assert len(batch.names) == len(set(batch.names))
    assert batch.names[0] == b""
    assert {b"", b"/a", b"/b", b"/usr/bin/cat", b"cat", b"/web", b"web.service"} == set(batch.names)


def test_packed_and_unpacked_are_equal():
    """A batch survives its packed form, column by column."""
    batch = decoded(event(), event(class_id=4, syscall=3)).batch
    again = unpack(pack(batch))

    assert (batch.node, batch.boot_id, batch.ring, batch.names, batch.rules) == (
        again.node,
        again.boot_id,
        again.ring,
        again.names,
        again.rules,
    )
    assert all(np.array_equal(batch.columns[name], again.columns[name]) for name in COLUMNS)


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_bytes_that_are_no_batch(cut):
    """Anything that `pack` did not write is an error of ours."""
    whole = pack(decoded(event()).batch)
    with pytest.raises(BatchError):
        unpack(whole[:cut])


def test_a_column_that_points_nowhere():
    """Indices are checked once, so that nobody else has to."""
    batch = decoded(event()).batch
    batch.columns["object"][0] = 1000
    with pytest.raises(BatchError, match="`object` points past"):
        unpack(pack(batch))


def test_nothing_gives_an_empty_batch():
    """No records are no events, not an error."""
    assert len(decoded().batch) == 0
    assert seen() == []


def test_places_are_remembered_and_bounded():
    """A cgroup is looked up once while it is among those met last; one that is unknown is looked up again."""
    asked: list[int] = []

    def lookup(cgroup: int) -> Place | None:
        asked.append(cgroup)
        return None if cgroup == 0 else Place(b"/%d" % cgroup)

    places = Places(lookup, limit=2)
    for cgroup in (1, 1, 0, 0, 2, 1, 3, 1, 2):
        assert (b"/%d" % cgroup if cgroup else b"") == places.find(cgroup).cgroup

    assert asked == [1, 0, 0, 2, 3, 2]


def test_a_name_record_by_hand():
    """The layout the kernel writes: kind, length, token, bytes."""
    assert struct.pack("<IIQ", 2, 3, 9) + b"abc" == name_record(9, b"abc")
