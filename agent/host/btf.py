"""
Read BTF, the kernel's description of its own types.

Format: Documentation/bpf/btf.rst of the kernel. Types are decoded when asked for: a kernel has more than 100,000 of
them and we need a few hundred. Little-endian only, like every machine we run on.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

VMLINUX = "/sys/kernel/btf/vmlinux"

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")


class BtfError(Exception):
    """
    The bytes are not BTF that we understand.

    Attributes:
        found, required: What was there and what was expected.
    """

    def __init__(self, found: str, required: str) -> None:
        super().__init__(f"cannot read BTF: found {found}, required {required}")
        self.found, self.required = found, required


class Kind(IntEnum):
    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


#: Kinds that only rename or qualify another type.
TRANSPARENT = frozenset((Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG))
AGGREGATES = frozenset((Kind.STRUCT, Kind.UNION))
ENUMS = frozenset((Kind.ENUM, Kind.ENUM64))

#: Bytes after the common part: (fixed, per entry).
_TAIL: dict[int, tuple[int, int]] = dict.fromkeys(Kind, (0, 0))
_TAIL |= {
    Kind.INT: (4, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.DECL_TAG: (4, 0),
    Kind.ENUM64: (0, 12),
}


@dataclass(frozen=True, slots=True)
class Member:
    """
    Attributes:
        name: Empty for an anonymous struct or union.
        bit_offset: From the start of the aggregate.
        bits: Width of a bit field; 0: no bit field.
    """

    name: str
    type_id: int
    bit_offset: int
    bits: int


@dataclass(frozen=True, slots=True)
class Type:
    """
    One type.

    Attributes:
        size: Bytes, where the kind has a size; else 0.
        target: Type that this one points to, renames, qualifies or is made of; else 0.
        count: Elements of an array.
        signed: Of an integer or an enum.
        members: Of a struct or a union.
        values: (name, value) of an enum.
        parameters: Type ids of a function prototype.
    """

    id: int
    kind: Kind
    name: str
    size: int = 0
    target: int = 0
    count: int = 0
    signed: bool = False
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    parameters: tuple[int, ...] = ()


_VOID = Type(0, Kind.VOID, "void")
_SIZED = frozenset((Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FLOAT, Kind.DATASEC))


class Btf:
    """
    The types of one kernel.

    Args:
        data: Raw BTF as in /sys/kernel/btf/vmlinux.

    Raises:
        BtfError: The bytes are cut off, of another byte order, or hold a kind that we do not know.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise BtfError(f"{len(data)} bytes", f"at least {_HEADER.size}")
        magic, version, _, header, type_at, type_length, string_at, string_length = _HEADER.unpack_from(data)
        if magic != _MAGIC or version != 1:
            raise BtfError(f"magic {magic:#06x} version {version}", f"magic {_MAGIC:#06x} version 1")
        if header + max(type_at + type_length, string_at + string_length) > len(data):
            raise BtfError(f"{len(data)} bytes", f"{header + max(type_at + type_length, string_at + string_length)}")
        self._data = data
        self._strings = header + string_at
        self._strings_end = self._strings + string_length
        self._offsets = self._index(header + type_at, header + type_at + type_length)
        self._cache: dict[int, Type] = {0: _VOID}
        self._names: dict[str, tuple[int, ...]] | None = None

    def __len__(self) -> int:
        return len(self._offsets)

    def _index(self, at: int, end: int) -> list[int]:
        """Where each type begins; entry 0 stands for void."""
        offsets, data, unpack, tails = [0], self._data, _TYPE.unpack_from, _TAIL
        while at < end:
            if at + 12 > end:
                raise BtfError("a type that is cut off", "12 bytes")
            info = unpack(data, at)[1]
            tail = tails.get(info >> 24 & 0x1F)
            if tail is None:
                raise BtfError(f"kind {info >> 24 & 0x1F} of type {len(offsets)}", f"kinds up to {max(Kind)}")
            offsets.append(at)
            at += 12 + tail[0] + (info & 0xFFFF) * tail[1]
        if at != end:
            raise BtfError("a type that is cut off", "whole types")
        return offsets

    def _string(self, at: int) -> str:
        start = self._strings + at
        end = self._data.find(b"\0", start, self._strings_end)
        if start >= self._strings_end or end < 0:
            raise BtfError(f"a name at {at}", f"names below {self._strings_end - self._strings}")
        return self._data[start:end].decode("utf-8", "replace")

    def type(self, type_id: int) -> Type:
        """
        The type of that number.

        Raises:
            BtfError: There is none.
        """
        found = self._cache.get(type_id)
        if found is None:
            if not 0 < type_id < len(self._offsets):
                raise BtfError(f"type {type_id}", f"types below {len(self._offsets)}")
            found = self._cache[type_id] = self._decode(type_id, self._offsets[type_id])
        return found

    def _decode(self, type_id: int, at: int) -> Type:
        name, info, size = _TYPE.unpack_from(self._data, at)
        kind, count, flag = Kind(info >> 24 & 0x1F), info & 0xFFFF, bool(info >> 31)
        common = (type_id, kind, self._string(name))
        at += 12
        if kind in AGGREGATES:
            return Type(*common, size=size, members=tuple(self._members(at, count, flag)))
        if kind in ENUMS:
            return Type(*common, size=size, signed=flag, values=tuple(self._values(at, count, kind, flag)))
        if kind is Kind.INT:
            return Type(*common, size=size, signed=bool(struct.unpack_from("<I", self._data, at)[0] >> 24 & 1))
        if kind is Kind.ARRAY:
            element, _, elements = _TYPE.unpack_from(self._data, at)
            return Type(*common, target=element, count=elements)
        if kind is Kind.FUNC_PROTO:
            pairs = struct.unpack_from(f"<{2 * count}I", self._data, at)
            return Type(*common, target=size, parameters=pairs[1::2])
        return Type(*common, size=size) if kind in _SIZED else Type(*common, target=size)

    def _members(self, at: int, count: int, flag: bool) -> Iterator[Member]:
        for name, type_id, offset in _TYPE.iter_unpack(self._data[at : at + 12 * count]):
            bits = offset >> 24 if flag else 0
            yield Member(self._string(name), type_id, offset & 0xFFFFFF if flag else offset, bits)

    def _values(self, at: int, count: int, kind: Kind, signed: bool) -> Iterator[tuple[str, int]]:
        layout = struct.Struct(("<Iq" if signed else "<IQ") if kind is Kind.ENUM64 else ("<Ii" if signed else "<II"))
        for name, value in layout.iter_unpack(self._data[at : at + layout.size * count]):
            yield self._string(name), value

    def find(self, name: str, *kinds: Kind) -> Type | None:
        """The first type of that name and of one of those kinds."""
        for type_id in self.names().get(name, ()):
            if self.kind(type_id) in kinds:
                return self.type(type_id)
        return None

    def kind(self, type_id: int) -> Kind:
        if type_id == 0:
            return Kind.VOID
        return Kind(self._data[self._offsets[type_id] + 7] & 0x1F)

    def names(self) -> dict[str, tuple[int, ...]]:
        """Type ids by name, in rising order; types without a name are left out."""
        if self._names is None:
            by_offset: dict[int, list[int]] = {}
            for type_id, at in enumerate(self._offsets[1:], 1):
                by_offset.setdefault(_TYPE.unpack_from(self._data, at)[0], []).append(type_id)
            by_offset.pop(0, None)
            names: dict[str, tuple[int, ...]] = {}
            for at, ids in by_offset.items():
                name = self._string(at)
                names[name] = (*names.get(name, ()), *ids)
            self._names = names
        return self._names

    def enums(self) -> Iterator[Type]:
        """Every enum, in rising order of its number."""
        return (self.type(i) for i in range(1, len(self._offsets)) if self.kind(i) in ENUMS)

    def resolve(self, type_id: int) -> Type:
        """The type behind typedefs and qualifiers."""
        found = self.type(type_id)
        for _ in range(64):
            if found.kind not in TRANSPARENT:
                return found
            found = self.type(found.target)
        raise BtfError(f"type {type_id} in a circle", "a chain of at most 64 names")

    def size(self, type_id: int) -> int:
        """Bytes that a value of this type takes; 8 for a pointer."""
        found = self.resolve(type_id)
        if found.kind is Kind.ARRAY:
            return found.count * self.size(found.target)
        return 8 if found.kind is Kind.PTR else found.size

    def flat_members(self, aggregate: Type, base: int = 0) -> Iterator[Member]:
        """Members as C sees them: those of anonymous structs and unions are the outer one's."""
        for member in aggregate.members:
            inner = self.resolve(member.type_id)
            if not member.name and inner.kind in AGGREGATES:
                yield from self.flat_members(inner, base + member.bit_offset)
            elif member.name:
                yield Member(member.name, member.type_id, base + member.bit_offset, member.bits)
