"""
The file between loader and kernel: compiled programs of one kernel, with the maps and constants that they name.

Canonical JSON: equal programs give equal bytes. In the instructions a map is a `ld_imm64` whose immediate is MAP_BASE +
its number, a constant one of CONSTANT_BASE + its number, both marked as map descriptors; `agent.kernel.programs`
replaces them.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
MAP_BASE = 1000
CONSTANT_BASE = 2000


class ProgramsFileError(Exception):
    """
    The file is not one of ours, or of another version.

    Attributes:
        found, required: What it says and what we read.
    """

    def __init__(self, found: str, required: str) -> None:
        super().__init__(f"cannot read compiled programs: found {found}, required {required}")
        self.found, self.required = found, required


@dataclass(frozen=True, slots=True)
class MapShape:
    """
    A map as the programs expect it.

    Attributes:
        type: Its name in the manifest.
        key, value: Bytes.
        entries: Greatest number; for a map whose size depends on the processors, those of each one.
        per_cpu: `entries` is to be multiplied by the number of possible processors.
    """

    name: str
    type: str
    key: int
    value: int
    entries: int
    per_cpu: bool = False
    flags: tuple[str, ...] = ()
    inner: "MapShape | None" = None


@dataclass(frozen=True, slots=True)
class Program:
    """
    Attributes:
        kind: lsm, cgroup, tp_btf or iter.
        hook: Its name in BTF, or of the attach type: file_open, connect4, sys_enter, bpf_iter_task.
        modes: Levels of enforcement that it belongs to.
        when: Class of rules that it is attached for, while the live generation has any; empty: always.
    """

    name: str
    kind: str
    hook: str
    modes: tuple[str, ...]
    instructions: bytes = field(repr=False)
    when: str = ""


@dataclass(frozen=True, slots=True)
class ProgramsFile:
    """
    Attributes:
        key: Digest of what the bytes were made from.
        abi: Version of the structs in the maps.
        arch, compiler: What compiled it, and for which machine.
        absent: Optional programs whose hook this kernel lacks.
    """

    key: str
    abi: int
    arch: str
    compiler: str
    maps: tuple[MapShape, ...]
    constants: tuple[str, ...]
    programs: tuple[Program, ...]
    absent: tuple[str, ...] = ()


def dump(file: ProgramsFile) -> bytes:
    table = asdict(file) | {"format": FORMAT}
    for program in table["programs"]:
        program["instructions"] = base64.b64encode(program["instructions"]).decode()
    return json.dumps(table, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse(data: bytes) -> ProgramsFile:
    """
    Raises:
        ProgramsFileError: The bytes are something else.
    """
    try:
        table = json.loads(data)
        if table["format"] != FORMAT:
            raise ProgramsFileError(f"format {table['format']!r}", f"format {FORMAT}")
        return ProgramsFile(
            *(str(table["key"]), int(table["abi"]), str(table["arch"]), str(table["compiler"])),
            maps=tuple(_shape(entry) for entry in table["maps"]),
            constants=tuple(table["constants"]),
            programs=tuple(_program(entry) for entry in table["programs"]),
            absent=tuple(table["absent"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProgramsFileError(f"{type(error).__name__} {error}"[:200], f"format {FORMAT}") from error


def _shape(entry: Mapping[str, Any]) -> MapShape:
    inner = entry["inner"]
    key, value, entries = (int(entry[name]) for name in ("key", "value", "entries"))
    nested = None if inner is None else _shape(inner)
    per_cpu, flags = bool(entry["per_cpu"]), tuple(entry["flags"])
    return MapShape(entry["name"], entry["type"], key, value, entries, per_cpu, flags, nested)


def _program(entry: Mapping[str, Any]) -> Program:
    code = base64.b64decode(entry["instructions"], validate=True)
    if not code or len(code) % 8:
        raise ProgramsFileError(f"{len(code)} bytes of instructions", "a multiple of 8")
    return Program(entry["name"], entry["kind"], entry["hook"], tuple(entry["modes"]), code, entry["when"])


def rewrite(code: bytes, map_descriptor: Callable[[int], int], constant: Callable[[int], int]) -> bytes:
    """
    Replace the placeholders.

    Args:
        map_descriptor: File descriptor of the map of that number.
        constant: Value (64 bits) of the constant of that number.
    """
    out = bytearray(code)
    at = 0
    while at < len(out):
        if out[at] != 0x18:
            at += 8
            continue
        number = int.from_bytes(out[at + 4 : at + 8], "little")
        if out[at + 1] >> 4 == 1 and number >= CONSTANT_BASE:
            value = constant(number - CONSTANT_BASE)
            out[at + 1] &= 0x0F
            out[at + 4 : at + 8] = (value & 0xFFFFFFFF).to_bytes(4, "little")
            out[at + 12 : at + 16] = (value >> 32).to_bytes(4, "little")
        elif out[at + 1] >> 4 == 1 and number >= MAP_BASE:
            out[at + 4 : at + 8] = map_descriptor(number - MAP_BASE).to_bytes(4, "little")
        at += 16
    return bytes(out)
