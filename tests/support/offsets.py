"""
Which constants of emitted programs are places of members, and are they those of BTF?

The programs are compiled twice more, for kernels that are not: the same types, each member moved to a place of its own
that no other member has. Where the two differ, an instruction holds a place; which member's, the two values tell. What
the instruction of the real program must hold follows from BTF alone, and every other constant must be the same in all
three. Nothing is believed of the real program but its order of instructions: neither its header, nor what the compiler
made of it.

Members at 0 stay there, for adding 0 is left out and makes other code. So do those of `struct path`, which programs
hold on their stack, where it cannot grow; two members of `struct uid_gid_extent`, which they hold too, change places in
one of the kernels. That these stand where BTF says is told by their constants, which may not differ from the others'.
"""

import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from agent.host.btf import AGGREGATES, Btf, Kind, Member, Type
from agent.loader.build import Sources, build
from agent.loader.compiler import Bcc
from agent.loader.header import make_header
from agent.loader.scan import mentions

_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_SIZES = {0x61: 4, 0x69: 2, 0x71: 1, 0x79: 8}
_FRAME = 10
_ON_STACK = frozenset(("path", "uid_gid_extent"))
#: Members inside members, and elements of an array, that are told.
_DEEPEST, _ELEMENTS = 5, 8

#: What the programs hold by value of a type: what a place is made of, in the order read.
Chain = tuple[str, ...]


class MovedBtf(Btf):
    """The types of a kernel that is not: as in `data`, with the members moved by multiples of 8 that `seed` chooses."""

    def __init__(self, data: bytes, seed: int) -> None:
        super().__init__(data)
        self._seed, self._flat, self._grown = seed, False, dict[int, Type]()

    def flat_members(self, aggregate: Type, base: int = 0) -> Iterator[Member]:
        if self._flat:
            yield from super().flat_members(aggregate, base)
            return
        self._flat = True
        members = list(super().flat_members(aggregate))
        self._flat = False
        for member in members:
            yield replace(member, bit_offset=self._place(aggregate, member))

    def _place(self, aggregate: Type, member: Member) -> int:
        if aggregate.name == "uid_gid_extent" and self._seed % 2:
            return {32: 64, 64: 32}.get(member.bit_offset, 0)
        if aggregate.name in _ON_STACK or member.bit_offset == 0:
            return member.bit_offset
        return member.bit_offset + 64 * random.Random(f"{self._seed} {aggregate.id} {member.name}").randrange(1, 500)

    def type(self, type_id: int) -> Type:
        found = super().type(type_id)
        if self._flat or found.kind not in AGGREGATES or found.name in _ON_STACK:
            return found
        if type_id not in self._grown:
            ends = (m.bit_offset // 8 + self.size(m.type_id) for m in self.flat_members(found))
            self._grown[type_id] = replace(found, size=(max((found.size, *ends)) + 7) // 8 * 8)
        return self._grown[type_id]


@dataclass(frozen=True, slots=True)
class Place:
    """
    Attributes:
        size: Of what stands there, bytes; 0: no load reads it whole (an aggregate, an array, a bit field, a size).
    """

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Moved:
    """
    A kernel that is not, and the programs compiled for it.

    Attributes:
        places: Where what can be read from an object stands there.
    """

    places: Mapping[Chain, Place]
    programs: Mapping[str, bytes]


def places(btf: Btf, sources: Sources) -> dict[Chain, Place]:
    """Every member that the programs can name, those of members held by value too, seen from `struct mount` too."""
    header = make_header(btf, mentions(_text(sources)))
    found: dict[Chain, Place] = {}
    for name, size in header.sizes:
        found[f"sizeof({name})",] = Place(size, 0)
    members = {field.name for field in header.fields}
    types = [btf.find(name.split()[1], *AGGREGATES) for name, _ in header.sizes]
    for type_ in filter(None, types):
        found |= _inside(btf, type_, members, (type_.name,), 0)
    return found | _outward(found)


def _outward(found: Mapping[Chain, Place]) -> dict[Chain, Place]:
    """Members of `struct mount`, from the `struct vfsmount` inside it; and its own begin."""
    if ("mount", "mnt") not in found:
        return {}
    inner = found["mount", "mnt"].offset
    members = {c: place for c, place in found.items() if c[0] == "mount" and len(c) == 2}
    outward = {(*chain, "-", "mount", "mnt"): Place(p.offset - inner, p.size) for chain, p in members.items()}
    return outward | {("-", "mount", "mnt"): Place(-inner, 0)}


def _inside(btf: Btf, type_: Type, used: set[str], chain: Chain, base: int) -> dict[Chain, Place]:
    found: dict[Chain, Place] = {}
    for member in btf.flat_members(type_):
        if member.name in used:
            at = base + member.bit_offset // 8
            found |= _value(btf, member.type_id, used, (*chain, member.name), at, member.bits)
    return found


def _value(btf: Btf, type_id: int, used: set[str], chain: Chain, at: int, bits: int = 0) -> dict[Chain, Place]:
    """A value's own place, and those inside it."""
    held = btf.resolve(type_id)
    if held.kind is Kind.ARRAY:
        step, found = btf.size(held.target), {chain: Place(at, 0)}
        for number in range(min(held.count, _ELEMENTS)):
            found |= _value(btf, held.target, used, (*chain, str(number)), at + number * step)
        return found
    if held.kind not in AGGREGATES:
        return {chain: Place(at, 0 if bits else btf.size(held.id))}
    inside = _inside(btf, held, used, chain, at) if len(chain) < _DEEPEST else {}
    return {chain: Place(at, 0)} | inside


def moved(data: bytes, sources: Sources, seed: int) -> Moved:
    """
    Compile the programs for a kernel whose members stand elsewhere.

    Args:
        data: BTF of the real one.
    """
    name, text = sources.hooks[0]
    unasserted = replace(sources, hooks=((name, f"#define _Static_assert(...)\n{text}"), *sources.hooks[1:]))
    btf = MovedBtf(data, seed)
    built = build(unasserted, btf, Bcc(), "", "x86_64", 0)
    return Moved(places(btf, sources), {p.name: p.instructions for p in built.file.programs})


@dataclass(frozen=True, slots=True)
class Found:
    """
    Attributes:
        compared: How many constants of each member were compared.
        wrong: What is not as BTF has it, one line each.
    """

    compared: Mapping[Chain, int]
    wrong: tuple[str, ...]


def compare(real: Mapping[Chain, Place], programs: Mapping[str, bytes], two: tuple[Moved, Moved]) -> Found:
    """
    Hold emitted programs against BTF.

    Args:
        real: The places of BTF.
        programs: What was emitted, by name.
        two: Kernels with other places, of different seeds.
    """
    known: dict[tuple[int, int], list[Chain]] = {}
    for chain in real:
        known.setdefault((two[0].places[chain].offset, two[1].places[chain].offset), []).append(chain)
    compared: dict[Chain, int] = {}
    wrong: list[str] = []
    for name, code in programs.items():
        others = [_decode(one.programs.get(name, b"")) for one in two]
        for number, three in enumerate(zip_longest(_decode(code), *others)):
            chain, complaint = _instruction(real, known, three)
            if chain:
                compared[chain] = compared.get(chain, 0) + 1
            if complaint:
                wrong.append(f"{name}, instruction {number}: {complaint}")
    return Found(compared, tuple(wrong))


_Words = tuple[int, int, int, int]


def _decode(code: bytes) -> list[_Words]:
    return list(_INSTRUCTION.iter_unpack(code))


def _instruction(
    real: Mapping[Chain, Place], known: Mapping[tuple[int, int], list[Chain]], three: tuple[_Words | None, ...]
) -> tuple[Chain | None, str]:
    """Whose place the instruction holds, and what is wrong with it."""
    emitted, first, second = three
    if not emitted or not first or not second:
        return None, "not the instructions that BTF asks for: of another number"
    if first[:2] != second[:2]:
        return None, "cannot be told: the other kernels' instructions differ in more than a place"
    held = [(words[2] or words[3]) for words in three if words]
    if emitted[:2] != first[:2]:
        return (
            None,
            f"found operation {emitted[0]:#04x} at {held[0]}, required {first[0]:#04x}: another width, or place",
        )
    if emitted == first == second or _of_frame(first):
        return None, ""
    if held[1] == held[2]:
        return None, f"found {held[0]}, required {held[1]}"
    chains = known.get((held[1], held[2]), [])
    if len({real[chain].offset for chain in chains}) != 1:
        return None, f"found {held[0]}, which is no member's place"
    place, name = real[chains[0]], ".".join(chains[0])
    if held[0] != place.offset:
        return chains[0], f"{name}: found {held[0]}, required {place.offset}"
    read = _LOAD_SIZES.get(emitted[0], 0)
    if read and place.size and read != place.size:
        return chains[0], f"{name}: found a load of {read} bytes, required {place.size}"
    return chains[0], ""


def _of_frame(words: _Words) -> bool:
    """A place in the program's own stack frame, which each compilation lays out for itself."""
    store = words[0] & 7 in (2, 3)
    return (words[1] & 15 if store else words[1] >> 4) == _FRAME


def _text(sources: Sources) -> str:
    return "\n".join(text for _, text in (*sources.headers, *sources.hooks))
