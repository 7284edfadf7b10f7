"""The check of compiled code: right code passes, every kind of wrong code is named."""

import struct

import pytest

from agent.loader.header import Field, Header
from agent.loader.layout import LayoutError, check_functions, constant, verify

LOADS = {8: 0x79, 4: 0x61, 2: 0x69, 1: 0x71}


def instruction(code: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | destination, offset, immediate)


ARGUMENT = instruction(0x79, 1, 1, 0)
EXIT = instruction(0x95)


def load(size: int, offset: int) -> bytes:
    return ARGUMENT + instruction(LOADS[size], 0, 1, offset) + EXIT


def field(offset: int = 16, size: int = 4, bits: int = 0, scalar: bool = True, signed: bool = False) -> Field:
    return Field("struct s", "m", 8 * offset + (3 if bits else 0), bits, size, scalar, signed)


def check(what: Field, code: bytes) -> int:
    return verify(Header("", (what,), ()), {"rf_layout_0": code})


def test_one_load_of_the_right_width_and_place_passes() -> None:
    """A scalar is read by one load, as BTF says."""
    assert check(field(), load(4, 16)) == 1


@pytest.mark.parametrize("code", [load(4, 20), load(8, 16), load(2, 16), ARGUMENT + EXIT])
def test_another_place_or_width_is_refused(code: bytes) -> None:
    """Wrong offset, wrong width, no load at all: refused, naming the member and both places."""
    with pytest.raises(LayoutError, match=r"struct s\.m: found .*, required 4 bytes at 16"):
        check(field(), code)


def test_a_load_in_pieces_is_refused() -> None:
    """Two loads that make up the value lose the verifier's knowledge of pointers."""
    pieces = ARGUMENT + instruction(0x61, 0, 1, 16) + instruction(0x61, 2, 1, 20) + EXIT

    with pytest.raises(LayoutError, match="4 bytes at 16 and 4 bytes at 20"):
        check(field(size=8), pieces)


def bit_field(shift: int, mask: int) -> bytes:
    """Byte 16, shifted and masked."""
    return (
        ARGUMENT + instruction(0x71, 0, 1, 16) + instruction(0x77, 0, 0, 0, shift) + instruction(0x57, 0, 0, 0, mask)
    ) + EXIT


def test_a_bit_field_must_see_exactly_its_bits() -> None:
    """Bits 3 to 7 of byte 16; one more, one less or one beside is refused."""
    assert check(field(bits=5), bit_field(3, 0x1F)) == 1
    for shift, mask in ((3, 0x0F), (2, 0x1F), (4, 0x1F)):
        with pytest.raises(LayoutError, match="exactly its bits"):
            check(field(bits=5), bit_field(shift, mask))


def test_an_address_must_be_the_offset() -> None:
    """Of what is larger than a load, the address is compared."""
    mov = instruction(0xB7, 0, 0, 0, 16) + EXIT

    assert check(field(scalar=False), mov) == 1
    with pytest.raises(LayoutError, match="found 16, required 24"):
        check(field(offset=24, scalar=False), mov)


def test_code_that_cannot_be_told_is_refused() -> None:
    """A call where only arithmetic is expected is no proof of anything."""
    with pytest.raises(LayoutError, match="0x85"):
        check(field(scalar=False), instruction(0x85, immediate=14) + EXIT)


def test_sizes_are_checked_too() -> None:
    """The distance between two elements of an array is the size in BTF."""
    code = {"rf_layout_0": instruction(0xB7, 0, 0, 0, 232) + EXIT}

    assert verify(Header("", (), (("struct s", 232),)), code) == 1
    with pytest.raises(LayoutError, match=r"sizeof\(struct s\): found 232, required 240"):
        verify(Header("", (), (("struct s", 240),)), code)


def test_there_is_a_function_for_each_member_and_size() -> None:
    """What is verified is what was asked to be compiled."""
    header = Header("", (field(), field(bits=5), field(scalar=False)), (("struct s", 8),))

    assert check_functions(header).count("rf_layout_") == 4


def test_constants_are_evaluated() -> None:
    """A size that the compiler made a constant of, in 32 or 64 bits."""
    wide = struct.pack("<BBhiBBhi", 0x18, 0, 0, -1, 0, 0, 0, 1)

    assert constant(instruction(0xB4, 0, 0, 0, 512) + EXIT) == 512
    with pytest.raises(LayoutError):
        constant(wide + EXIT)
