"""The file between loader and kernel."""

import random
import struct

import pytest

from agent.kernel.programs_file import (
    CONSTANT_BASE,
    MAP_BASE,
    MapShape,
    Program,
    ProgramsFile,
    ProgramsFileError,
    dump,
    parse,
    rewrite,
)

INNER = MapShape("inner", "array", 4, 8, 1, False, ("inner_map",))
MAPS = (MapShape("control", "array", 4, 8, 2), MapShape("counters", "array_of_maps", 4, 4, 4, False, (), INNER))
PROGRAMS = (Program("p", "lsm", "file_open", ("lsm",), bytes(16), "syscall"),)
FILE = ProgramsFile("k" * 64, 1, "x86_64", "0.26", MAPS, ("cpus",), PROGRAMS, ("gone",))


def test_what_is_written_is_read() -> None:
    """Parse after dump is the identity, and equal files are equal bytes."""
    assert parse(dump(FILE)) == FILE
    assert dump(parse(dump(FILE))) == dump(FILE)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"format": 2}', b"[" * 100_000])
def test_other_files_are_refused(data: bytes) -> None:
    """An error of its own that says what was found and what is required."""
    with pytest.raises(ProgramsFileError, match=r"found .*, required "):
        parse(data)


def test_damage_raises_nothing_else() -> None:
    """Whatever byte is wrong: a file or ProgramsFileError."""
    data, chance = dump(FILE), random.Random(3)
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] = chance.randrange(256)
        try:
            parse(bytes(damaged))
        except ProgramsFileError:
            continue


def wide(source: int, number: int) -> bytes:
    return struct.pack("<BBhiBBhi", 0x18, source << 4 | 1, 0, number, 0, 0, 0, 0)


def test_placeholders_become_descriptors_and_values() -> None:
    """Maps get their descriptor; constants all 64 bits, and the verifier sees a number and no map."""
    code = wide(1, MAP_BASE + 1) + wide(1, CONSTANT_BASE)
    out = rewrite(code, {1: 42}.__getitem__, {0: 0xFFFF_FFFF_8123_4567}.__getitem__)

    assert struct.unpack("<BBhiBBhi", out[:16])[:4] == (0x18, 0x11, 0, 42)
    code, registers, _, low, *_, high = struct.unpack("<BBhIBBhI", out[16:])
    assert (code, registers, low, high) == (0x18, 0x01, 0x8123_4567, 0xFFFF_FFFF)


def test_other_instructions_stay() -> None:
    """A plain 64-bit number that looks like a placeholder is none, nor is the second half of one."""
    code = wide(0, MAP_BASE) + struct.pack("<BBhi", 0xB7, 0x11, 0, MAP_BASE)

    assert rewrite(code, {}.__getitem__, {}.__getitem__) == code
