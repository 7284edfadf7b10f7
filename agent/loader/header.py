"""
Make the C header of one kernel from its BTF: the types that the sources use, and no others.

Every struct is written with its padding spelled out and only the members that are used, so that each one stands where
BTF says whatever the compiler thinks of alignment; what overlaps (unions, bit fields) becomes one union of views. Enum
members are written as integers of their size: a packed enum cannot lose its width. `agent.loader.layout` then checks
the compiled code.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.host.btf import AGGREGATES, ENUMS, Btf, Kind, Member, Type
from agent.loader.prelude import FOOTER, HELPER_NAMES, PRELUDE, PRELUDE_TAGS, PRELUDE_TYPES
from agent.loader.scan import Mentions

#: Integers that C can write by the name that BTF gives them.
_C_INTEGERS = frozenset(
    (
        *("char", "signed char", "unsigned char", "short int", "short unsigned int", "short", "unsigned short"),
        *("int", "unsigned int", "long int", "long unsigned int", "long", "unsigned long", "_Bool"),
        *("long long int", "long long unsigned int", "long long", "unsigned long long"),
    )
)
_BY_SIZE = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}
_SIGNED_BY_SIZE = {1: "signed char", 2: "short", 4: "int", 8: "long long"}


class HeaderError(Exception):
    """
    A type cannot be written down in C so that its layout is certain.

    Attributes:
        type_name, member, reason: Which and why.
    """

    def __init__(self, type_name: str, member: str, reason: str) -> None:
        super().__init__(f"cannot write `{type_name}.{member}` as C: {reason}")
        self.type_name, self.member, self.reason = type_name, member, reason


@dataclass(frozen=True, slots=True)
class Field:
    """
    A member as it was written, for the check of its place.

    Attributes:
        type_name: C name of the aggregate with its tag: `struct file`.
        bit_offset, bits: As in BTF; `bits` is 0 unless it is a bit field.
        size: Bytes; of a bit field those of its base type.
        scalar: An integer or a pointer, which one load reads.
        signed: Of an integer.
    """

    type_name: str
    name: str
    bit_offset: int
    bits: int
    size: int
    scalar: bool
    signed: bool


@dataclass(frozen=True, slots=True)
class Header:
    """
    Attributes:
        text: The header.
        fields: Every member in it, in the order written.
        sizes: (C name, bytes) of every aggregate in it.
    """

    text: str
    fields: tuple[Field, ...]
    sizes: tuple[tuple[str, int], ...]


def make_header(btf: Btf, used: Mentions) -> Header:
    """
    The header for what `used` names. Names that BTF does not have are left out: the compiler will say where they are
    missed.

    Raises:
        HeaderError: A used member's place cannot be written down.
        BtfError: The BTF is broken.
    """
    writer = _Writer(btf, used)
    writer.collect()
    return writer.header()


def c_name(type_: Type) -> str:
    """Tag and name; types without a name are called by their number."""
    return f"{type_.kind.name.lower()} {type_.name or f'anonymous_{type_.id}'}"


@dataclass(slots=True)
class _Writer:
    btf: Btf
    used: Mentions
    whole: dict[int, Type] = field(default_factory=dict)
    forward: set[str] = field(default_factory=set)
    aligns: dict[int, int] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)

    # ---- which types

    def collect(self) -> None:
        """Find the aggregates to write: those named, and those that their used members hold or point to."""
        todo = [t for name in sorted(self.used.tags | PRELUDE_TAGS) if (t := self.btf.find(name, *AGGREGATES))]
        todo += [self.btf.resolve(t.id) for t in self.typedefs()]
        while todo:
            type_ = todo.pop()
            if type_.kind not in AGGREGATES or type_.id in self.whole:
                continue
            self.whole[type_.id] = type_
            todo += [self._behind(member.type_id) for member in self._members(type_)]

    def _members(self, type_: Type) -> list[Member]:
        return [member for member in self.btf.flat_members(type_) if member.name in self.used.members]

    def _behind(self, type_id: int) -> Type:
        """What a member holds, or points to."""
        type_ = self.btf.resolve(type_id)
        while type_.kind in (Kind.ARRAY, Kind.PTR):
            type_ = self.btf.resolve(type_.target)
        return type_

    def typedefs(self) -> list[Type]:
        names = sorted(self.used.identifiers - PRELUDE_TYPES)
        return [t for name in names if (t := self.btf.find(name, Kind.TYPEDEF))]

    # ---- C

    def header(self) -> Header:
        ordered = list(self._ordered())
        bodies = [self._aggregate(type_) for type_ in ordered]
        typedefs = [f"typedef {self._declare(t.target, t.name)};" for t in self.typedefs()]
        forward = [f"{name};" for name in sorted(self.forward | {c_name(t) for t in ordered})]
        parts = [PRELUDE, *self._enums(), *forward, *bodies, *typedefs, *self._tests(), FOOTER]
        sizes = tuple((c_name(type_), type_.size) for type_ in ordered)
        return Header("\n".join(parts) + "\n", tuple(self.fields), sizes)

    def _ordered(self) -> Iterator[Type]:
        """The aggregates, each after those that it holds by value."""
        seen: set[int] = set()

        def visit(type_: Type) -> Iterator[Type]:
            if type_.id in seen or type_.kind not in AGGREGATES:
                return
            seen.add(type_.id)
            for member in self._members(type_):
                held = self.btf.resolve(member.type_id)
                while held.kind is Kind.ARRAY:
                    held = self.btf.resolve(held.target)
                yield from visit(held)
            yield type_

        for type_ in sorted(self.whole.values(), key=c_name):
            yield from visit(type_)

    def _aggregate(self, type_: Type) -> str:
        members, name = sorted(self._members(type_), key=lambda m: m.bit_offset), c_name(type_)
        self.fields += [self._field(name, member) for member in members]
        align = self._align(type_.id)
        naturals = [(m.bit_offset // 8, self._align(m.type_id)) for m in members if not m.bits]
        packed = "packed, " if any(at % natural or natural > align for at, natural in naturals) else ""
        overlap = self._overlap(type_, members)
        body = self._views(type_, members, packed) if overlap else self._sequence(type_, members)
        attributes = f"{packed}aligned({align})"
        return f"{name} {{\n{body}}} __attribute__(({attributes}));"

    def _overlap(self, type_: Type, members: list[Member]) -> bool:
        end = 0
        for member in members:
            if member.bits or member.bit_offset < end:
                return True
            end = member.bit_offset + 8 * self.btf.size(member.type_id)
        return type_.kind is Kind.UNION

    def _sequence(self, type_: Type, members: list[Member]) -> str:
        lines, at = [], 0
        for number, member in enumerate(members):
            start = member.bit_offset // 8
            lines += [_padding(start - at, str(number)), f"\t{self._declare(member.type_id, member.name)};\n"]
            at = start + self.btf.size(member.type_id)
        return "".join([*lines, _padding(type_.size - at, "end")])

    def _views(self, type_: Type, members: list[Member], packed: str) -> str:
        """Each member in a struct of its own, all of them at the same place."""
        prefix = "" if type_.kind is Kind.UNION else "\tunion {\n"
        end = "} __attribute__((packed));" if packed else "};"
        views = "".join(f"\tstruct {{ {self._view(type_, number, m)}; {end}\n" for number, m in enumerate(members))
        return f"{prefix}{views}{_padding(type_.size, 'size')}{prefix and chr(9) + '};' + chr(10)}"

    def _view(self, type_: Type, number: int, member: Member) -> str:
        if not member.bits:
            start = member.bit_offset // 8
            return f"{_padding(start, str(number)).strip()} {self._declare(member.type_id, member.name)}"
        unit = self.btf.size(member.type_id)
        start = member.bit_offset // (8 * unit) * unit
        before = member.bit_offset - 8 * start
        if before + member.bits > 8 * unit:
            raise HeaderError(c_name(type_), member.name, "a bit field that crosses its unit")
        declared, gap = self._declare(member.type_id, ""), f"{self._declare(member.type_id, '')} : {before};"
        named = f"{declared} {member.name} : {member.bits}"
        return f"{_padding(start, str(number)).strip()} {gap if before else ''} {named}"

    def _field(self, name: str, member: Member) -> Field:
        type_ = self.btf.resolve(member.type_id)
        size = self.btf.size(member.type_id)
        scalar = type_.kind in (Kind.INT, Kind.PTR, *ENUMS) and size <= 8
        return Field(name, member.name, member.bit_offset, member.bits, size, scalar, type_.signed)

    def _declare(self, type_id: int, declarator: str) -> str:
        """C's declaration of `declarator` as a value of that type."""
        type_ = self.btf.resolve(type_id)
        match type_.kind:
            case Kind.STRUCT | Kind.UNION:
                return f"{c_name(type_)} {declarator}"
            case Kind.PTR:
                return self._pointer(type_, declarator)
            case Kind.ARRAY:
                return self._declare(type_.target, f"{declarator}[{type_.count}]")
            case Kind.INT if type_.name in _C_INTEGERS:
                return f"{type_.name} {declarator}"
            case Kind.INT | Kind.ENUM | Kind.ENUM64 if type_.size in _BY_SIZE:
                return f"{(_SIGNED_BY_SIZE if type_.signed else _BY_SIZE)[type_.size]} {declarator}"
        return f"unsigned char {declarator}[{self.btf.size(type_.id)}]"

    def _pointer(self, pointer: Type, declarator: str) -> str:
        target = self.btf.resolve(pointer.target)
        if target.kind in (Kind.INT, Kind.PTR) and (target.kind is Kind.PTR or target.name in _C_INTEGERS):
            return self._declare(target.id, f"*{declarator}")
        if target.kind not in (*AGGREGATES, Kind.FWD):
            return f"void *{declarator}"
        name = f"struct {target.name}" if target.kind is Kind.FWD else c_name(target)
        self.forward.add(name)
        return f"{name} *{declarator}"

    def _align(self, type_id: int) -> int:
        """The strictest natural alignment that every place in BTF agrees with."""
        type_ = self.btf.resolve(type_id)
        if type_.kind is Kind.ARRAY:
            return self._align(type_.target)
        if type_.kind not in AGGREGATES:
            return self.btf.size(type_.id) if self.btf.size(type_.id) in _BY_SIZE else 1
        if type_.id not in self.aligns:
            places = [(m.bit_offset // 8, self._align(m.type_id)) for m in self.btf.flat_members(type_) if not m.bits]
            align = max((1, *(natural for _, natural in places)))
            while type_.size % align or any(at % min(natural, align) for at, natural in places):
                align //= 2
            self.aligns[type_.id] = align
        return self.aligns[type_.id]

    # ---- constants

    def _enums(self) -> Iterator[str]:
        """Constants that the sources name, the enums that they name by tag, and every helper's number."""
        values: dict[str, set[int]] = {}
        for enum in self.btf.enums():
            for name, value in enum.values:
                if name in self.used.identifiers and name[0].isupper() and not name.startswith("BPF_FUNC_"):
                    values.setdefault(name, set()).add(value)
            if enum.name and enum.name in self.used.tags:
                yield f"enum {enum.name} {{ {enum.name}_ = 0 }};"
        known = self.btf.find("bpf_func_id", *ENUMS)
        numbers = dict(HELPER_NAMES) | {n: v for n, v in (known.values if known else ()) if n.startswith("BPF_FUNC_")}
        values |= {name: {value} for name, value in numbers.items()}
        certain = (f"{name} = {next(iter(found))}" for name, found in sorted(values.items()) if len(found) == 1)
        yield "enum {{ {} }};".format(", ".join(certain))

    def _tests(self) -> Iterator[str]:
        """`RF_HAS_…` of what the sources ask about and this kernel has."""
        for test in sorted(self.used.tests):
            tag, _, member = test.partition("__")
            type_ = self.btf.find(tag, *AGGREGATES)
            if type_ and (not member or any(m.name == member for m in self.btf.flat_members(type_))):
                yield f"#define RF_HAS_{test} 1"


def _padding(size: int, tag: str) -> str:
    return f"\tunsigned char padding_{tag}[{size}];\n" if size else ""
