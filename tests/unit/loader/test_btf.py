"""The BTF reader: the kernel's own types, and bytes that are no BTF."""

import random
from pathlib import Path

import pytest

from agent.host.btf import VMLINUX, Btf, BtfError, Kind
from tests.unit.loader.btf_maker import small_kernel

REAL = Path(VMLINUX)


def test_members_of_anonymous_aggregates_are_the_outer_ones() -> None:
    """Members are found as C finds them, with their place in the outermost struct."""
    btf = Btf(small_kernel().data())
    file = btf.find("file", Kind.STRUCT)

    assert file is not None
    assert {m.name: (m.bit_offset, m.bits) for m in btf.flat_members(file)} == {
        **{"kind": (0, 0), "a": (32, 3), "b": (35, 5), "whole": (64, 0), "low": (64, 0), "high": (96, 0)},
        **{"f_path": (128, 0), "odd": (232, 0)},
    }


def test_sizes_look_through_names_and_arrays() -> None:
    """The size of a typedef is that of its type, that of an array its elements', that of a pointer 8."""
    make = small_kernel()
    array = make.array(1, 5)
    btf = Btf(make.data())
    kuid = btf.find("kuid_t", Kind.TYPEDEF)

    assert kuid is not None
    assert (btf.size(kuid.id), btf.size(array), btf.size(make.count - 3)) == (4, 20, 0)


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL}")
def test_reads_every_type_of_this_kernel() -> None:
    """Every type of a real kernel decodes, and sizes agree with what everybody knows."""
    btf = Btf(REAL.read_bytes())
    for type_id in range(len(btf)):
        btf.type(type_id)
    path = btf.find("path", Kind.STRUCT)

    assert path is not None
    assert path.size == 16
    assert [(m.name, m.bit_offset) for m in path.members] == [("mnt", 0), ("dentry", 64)]


@pytest.mark.parametrize("data", [b"", b"\0" * 24, b"\x9f\xeb\x01\0", small_kernel().data()[:-30]])
def test_other_bytes_are_refused(data: bytes) -> None:
    """Cut off or foreign bytes: an error that says what was found and what is required."""
    with pytest.raises(BtfError, match=r"found .*, required "):
        Btf(data)


def test_damaged_bytes_raise_nothing_else() -> None:
    """Whatever byte is wrong, reading gives types or BtfError."""
    data, chance = small_kernel().data(), random.Random(7)
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[chance.randrange(24, len(data))] = chance.randrange(256)
        try:
            btf = Btf(bytes(damaged))
            for type_id in range(len(btf)):
                btf.resolve(type_id)
            btf.names()
        except BtfError:
            continue


def test_a_circle_of_typedefs_ends() -> None:
    """Typedefs that lead back to themselves are an error, not a hang."""
    make = small_kernel()
    make.typedef("a_t", make.count + 2)
    circle = make.typedef("b_t", make.count)

    with pytest.raises(BtfError, match="circle"):
        Btf(make.data()).resolve(circle)
