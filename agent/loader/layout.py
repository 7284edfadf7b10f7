"""
Check the compiled code against BTF: does each member that the header declares lie where the kernel has it?

`offsetof` answers what clang's front end believes; what counts is the instruction. So for every member a tiny function
is compiled together with the programs, from the same header, and its instructions are looked at: a whole integer or
pointer must be read by one load of the right width at the right place, of a bit field the very bits, and of what is
larger the address.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.loader.header import Field, Header

_PREFIX = "rf_layout_"
_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_SIZES = {0x61: 4, 0x69: 2, 0x71: 1, 0x79: 8}
_MASK = (1 << 64) - 1
_CONTEXT, _OBJECT = 0x1000, 0x100000


class LayoutError(Exception):
    """
    Compiled code would read the wrong memory, so nothing of it may be loaded.

    Attributes:
        wrong: (member, found, required) for each.
    """

    def __init__(self, wrong: Sequence[tuple[str, str, str]]) -> None:
        lines = [f"  {name}: found {found}, required {required}" for name, found, required in wrong]
        super().__init__("\n".join(["compiled code disagrees with the kernel's BTF", *lines]))
        self.wrong = tuple(wrong)


class _UnknownCodeError(Exception):
    """The function holds an instruction that a check has no use for."""


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    destination: int
    source: int
    offset: int
    immediate: int


def check_functions(header: Header) -> str:
    """C of the functions to compile beside the programs."""
    lines = [_member_function(number, field) for number, field in enumerate(header.fields)]
    first = len(lines)
    lines += [_function(first + n, f"(u64)(({name} *)ctx[0] + 1) - ctx[0]") for n, (name, _) in enumerate(header.sizes)]
    return "\n".join(lines) + "\n"


def is_check(function: str) -> bool:
    return function.startswith(_PREFIX)


def verify(header: Header, functions: Mapping[str, bytes]) -> int:
    """
    Compare what was compiled from `check_functions` with BTF.

    Returns:
        Number of members and sizes that agree: all of them.

    Raises:
        LayoutError: Any does not, or its function cannot be told.
    """
    wrong = [w for n, field in enumerate(header.fields) if (w := _wrong_member(field, functions[f"{_PREFIX}{n}"]))]
    first = len(header.fields)
    for n, (name, size) in enumerate(header.sizes):
        found = _address(functions[f"{_PREFIX}{first + n}"])
        if found != str(size):
            wrong.append((f"sizeof({name})", found, str(size)))
    if wrong:
        raise LayoutError(wrong)
    return first + len(header.sizes)


def constant(code: bytes) -> int:
    """
    What a function returns whatever its argument.

    Raises:
        LayoutError: The compiler did not make a constant of it.
    """
    try:
        return _run(code, b"")
    except _UnknownCodeError as error:
        raise LayoutError([("a size", str(error), "a constant")]) from error


def _function(number: int, expression: str) -> str:
    return f"unsigned long long {_PREFIX}{number}(unsigned long long *ctx) {{ return {expression}; }}"


def _member_function(number: int, field: Field) -> str:
    access = f"(({field.type_name} *)ctx[0])->{field.name}"
    return _function(number, f"(u64){access}" if field.scalar else f"(u64)&{access} - ctx[0]")


def _wrong_member(field: Field, code: bytes) -> tuple[str, str, str] | None:
    name = f"{field.type_name}.{field.name}"
    if field.bits:
        found, required = _bits(field, code), "exactly its bits"
    elif field.scalar:
        found, required = _load(code), f"{field.size} bytes at {field.bit_offset // 8}"
    else:
        found, required = _address(code), str(field.bit_offset // 8)
    return None if found == required else (name, found, required)


def _load(code: bytes) -> str:
    """Width and place of the only load besides that of the argument."""
    loads = [i for i in _decode(code) if i.code in _LOAD_SIZES][1:]
    return " and ".join(f"{_LOAD_SIZES[load.code]} bytes at {load.offset}" for load in loads)


def _address(code: bytes) -> str:
    try:
        return str(_run(code, b""))
    except _UnknownCodeError as error:
        return str(error)


def _bits(field: Field, code: bytes) -> str:
    """Set the field alone, then everything else: does the function see exactly the field?"""
    size = field.bit_offset // 8 + 2 * field.size
    alone = ((1 << field.bits) - 1) << field.bit_offset
    rest = (1 << 8 * size) - 1 & ~alone
    ones = _MASK if field.signed else (1 << field.bits) - 1
    try:
        seen = [_run(code, memory.to_bytes(size, "little")) for memory in (alone, rest)]
    except _UnknownCodeError as error:
        return str(error)
    return (
        "exactly its bits" if seen == [ones, 0] else f"{seen[0]:#x} of {ones:#x}, and {seen[1]:#x} of what is beside it"
    )


def _decode(code: bytes) -> list[_Instruction]:
    return [_Instruction(c, r & 15, r >> 4, o, i) for c, r, o, i in _INSTRUCTION.iter_unpack(code)]


def _run(code: bytes, memory: bytes) -> int:
    """
    Run straight-line code on `memory` as the object that its argument's first word points to.

    Raises:
        _UnknownCodeError: It jumps, calls, stores or reads past the memory.
    """
    registers = [0] * 11
    registers[1] = _CONTEXT
    for i in _decode(code):
        if i.code == 0x95:
            return registers[0]
        if i.code in _LOAD_SIZES:
            registers[i.destination] = _read(registers[i.source] + i.offset, _LOAD_SIZES[i.code], memory)
        elif i.code & 7 in (4, 7):
            registers[i.destination] = _alu(i, registers)
        else:
            raise _UnknownCodeError(f"instruction {i.code:#04x}")
    raise _UnknownCodeError("no exit")


def _read(address: int, size: int, memory: bytes) -> int:
    if address == _CONTEXT and size == 8:
        return _OBJECT
    at = address - _OBJECT
    if not 0 <= at <= len(memory) - size:
        raise _UnknownCodeError(f"a load of {size} bytes at {at}")
    return int.from_bytes(memory[at : at + size], "little")


def _alu(i: _Instruction, registers: list[int]) -> int:
    width = 64 if i.code & 7 == 7 else 32
    mask = (1 << width) - 1
    left = registers[i.destination] & mask
    right = (registers[i.source] if i.code & 8 else i.immediate) & mask
    match i.code >> 4:
        case 0x0:
            value = left + right
        case 0x1:
            value = left - right
        case 0x4:
            value = left | right
        case 0x5:
            value = left & right
        case 0x6:
            value = left << (right & width - 1)
        case 0x7:
            value = left >> (right & width - 1)
        case 0x8:
            value = -left
        case 0xB:
            value = right
        case 0xC:
            value = (left ^ 1 << width - 1) - (1 << width - 1) >> (right & width - 1)
        case _:
            raise _UnknownCodeError(f"instruction {i.code:#04x}")
    return value & mask
