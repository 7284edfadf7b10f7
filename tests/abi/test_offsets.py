"""
Every place of a member that an emitted program holds is the one that BTF has, on each kernel of the lab.

The programs are those that the lab's guests load. What is made wrong on purpose, in an instruction or in the header
that the compiler sees, is found and named.
"""

import multiprocessing
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from labkit.kernels import read_matrix

from agent.daemon.programs import Origin, find_or_compile
from agent.host.btf import AGGREGATES, Btf, Kind, Type
from agent.loader import build as build_module
from agent.loader import layout
from agent.loader.build import Sources, build, read_sources
from agent.loader.compiler import Bcc
from agent.loader.header import Header, make_header
from agent.loader.layout import LayoutError
from agent.loader.manifest import ProgramEntry, read_manifest
from tests.lab.programs import PROGRAMS
from tests.support.offsets import Chain, Moved, Place, compare, moved, places

TREE = Path(__file__).parents[2]
pytestmark = [pytest.mark.whole, pytest.mark.timeout(400)]

#: Too few places would mean that the comparison sees nothing.
PLACES, CONSTANTS = 50, 500
SIZES = {0x61: 4, 0x69: 2, 0x71: 1, 0x79: 8}

SMALL = """
#include "kernel.h"

int lsm_file_open(unsigned long long *ctx)
{
        struct file *file = (struct file *)ctx[0];
        struct sock *sk = (struct sock *)ctx[1];

        if (sk->sk_kern_sock)
                return 0;
        return file->f_path.dentry->d_name.len == 7 && file->f_mode & 1 && sk->sk_protocol == 6 ? -1 : 0;
}
"""
MANIFEST = """
[[program]]
name = "lsm_file_open"
kind = "lsm"
hook = "file_open"
modes = ["lsm"]
"""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A kernel's programs, and what they are compared with."""

    btf: Btf
    real: Mapping[Chain, Place]
    programs: Mapping[str, bytes]
    two: tuple[Moved, Moved]


def _btf_file(kernel: str) -> Path:
    """The types of a kernel of the lab, taken out of its package."""
    path = TREE / "build" / "btf" / kernel / "vmlinux"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([TREE / "vagrant" / "lab", "btf", "--kernel", kernel, path], check=True, timeout=120)
    return path


def _emitted(btf: Path, sources: Sources, programs: Mapping[str, bytes]) -> Emitted:
    data = btf.read_bytes()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        first, second = pool.map(moved, (data, data), (sources, sources), (1, 2))
    two = first, second
    return Emitted(Btf(data), places(Btf(data), sources), programs, two)


@pytest.fixture(scope="module", params=sorted(read_matrix().releases))
def whole(request: pytest.FixtureRequest) -> Emitted:
    """Our programs, as a guest of that kernel loads them."""
    btf = _btf_file(request.param)
    file, _ = find_or_compile(Origin(btf, TREE / "bpf", "x86_64"), [PROGRAMS])
    return _emitted(btf, read_sources(TREE / "bpf"), {p.name: p.instructions for p in file.programs})


def _wrong(emitted: Emitted, programs: Mapping[str, bytes]) -> tuple[str, ...]:
    return compare(emitted.real, programs, emitted.two).wrong


def test_every_place_is_the_one_of_btf(whole: Emitted) -> None:
    """No constant of any program differs from what BTF asks for, and none is left that nobody can tell."""
    found = compare(whole.real, whole.programs, whole.two)

    assert found.wrong == ()
    assert len(found.compared) > PLACES
    assert sum(found.compared.values()) > CONSTANTS


def test_a_wrong_place_is_found_whichever_it_is(whole: Emitted) -> None:
    """One place after the other is moved by 8 bytes in the instructions: each is found, and its member is named."""
    seen: set[str] = set()
    for name, code in whole.programs.items():
        for at in range(0, len(code), 8):
            known = _member_at(whole, name, at)
            if not known or known in seen:
                continue
            seen.add(known)
            wrong = _wrong(whole, {name: _plus_8(code, at)})
            assert len(wrong) == 1
            assert wrong[0].startswith(f"{name}, instruction {at // 8}: {known}: found ")
    assert len(seen) > PLACES


def _member_at(emitted: Emitted, program: str, at: int) -> str:
    """The member whose place one instruction holds; empty: none."""
    part = {program: emitted.programs[program][at : at + 8]}
    two = [Moved(one.places, {program: one.programs[program][at : at + 8]}) for one in emitted.two]
    return next((".".join(chain) for chain in compare(emitted.real, part, (two[0], two[1])).compared), "")


def _plus_8(code: bytes, at: int) -> bytes:
    """Of a load or a store the offset, of arithmetic the immediate."""
    start, size = (at + 2, 2) if int.from_bytes(code[at + 2 : at + 4], "little") else (at + 4, 4)
    value = int.from_bytes(code[start : start + size], "little") + 8
    return code[:start] + (value % (1 << 8 * size)).to_bytes(size, "little") + code[start + size :]


def test_a_wrong_width_is_found(whole: Emitted) -> None:
    """A load that reads half of a member, or twice as much, is another instruction than BTF asks for."""
    name = "lsm_file_open"
    code = whole.programs[name]
    loads = [at for at in range(0, len(code), 8) if code[at] in SIZES and _member_at(whole, name, at)]

    assert loads
    for at in loads:
        other = next(c for c in SIZES if c != code[at])
        wrong = _wrong(whole, {name: code[:at] + bytes([other]) + code[at + 1 :]})
        assert [text.split(": ")[0] for text in wrong] == [f"{name}, instruction {at // 8}"]


def test_other_bits_of_a_bit_field_are_found(whole: Emitted) -> None:
    """The mask that takes a bit field out of what was loaded is compared like a place."""
    name, code = next(
        (name, code)
        for name, code in whole.programs.items()
        for at in range(0, len(code), 8)
        if _member_at(whole, name, at) == "sock.sk_kern_sock"
    )
    at = next(at for at in range(0, len(code), 8) if _member_at(whole, name, at) == "sock.sk_kern_sock")
    mask = next(at for at in range(at, len(code), 8) if code[at] in (0x57, 0x54))
    immediate = int.from_bytes(code[mask + 4 : mask + 8], "little")
    other = code[: mask + 4] + (immediate << 1).to_bytes(4, "little") + code[mask + 8 :]

    assert _wrong(whole, {name: other}) == (
        f"{name}, instruction {mask // 8}: found {immediate << 1}, required {immediate}",
    )


# ---- a header that is wrong

#: What is changed in the header, and how the change shows.
CHANGES = {
    "offset": (r"(struct dentry \{\n)", r"\1\tlong wrong;\n", "dentry.d_name"),
    "width": (r"unsigned int f_mode;", "unsigned short f_mode; unsigned short wrong;", "file.f_mode"),
    "size": (r"(struct qstr \{\n)", r"\1\tchar wrong[64];\n", "qstr"),
    "bit field": (r"(unsigned char) +sk_kern_sock : 1", r"\1 wrong : 1; \1 sk_kern_sock : 1", "sock.sk_kern_sock"),
}


@pytest.fixture(scope="module")
def small() -> Emitted:
    """A small program, right."""
    btf = _btf_file(read_matrix().default)
    built = build(_small_sources(), Btf(btf.read_bytes()), Bcc(), "", "x86_64", 0)
    return _emitted(btf, _small_sources(), {p.name: p.instructions for p in built.file.programs})


def _small_sources() -> Sources:
    header = (TREE / "bpf" / "include" / "kernel.h").read_text()
    return Sources(TREE / "bpf" / "include", MANIFEST, (("open.c", SMALL),), (("kernel.h", header),))


def _changed_header(monkeypatch: pytest.MonkeyPatch, change: str) -> str:
    """Let the loader compile with a header that is wrong; what the complaint has to name."""
    pattern, replacement, name = CHANGES[change]

    def changed(btf: Btf, used: object) -> Header:
        header = make_header(btf, used)  # type: ignore[arg-type]
        text, count = re.subn(pattern, replacement, header.text)
        assert count == 1
        return replace(header, text=text)

    monkeypatch.setattr(build_module, "make_header", changed)
    return name


def test_the_small_program_is_right_at_first(small: Emitted) -> None:
    """Nothing is found in it before it is made wrong."""
    assert _wrong(small, small.programs) == ()


@pytest.mark.parametrize("change", CHANGES)
def test_the_loader_refuses_a_wrong_header(small: Emitted, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Offset, width, size and bits: nothing is written, and the member is named."""
    name = _changed_header(monkeypatch, change)
    with pytest.raises(LayoutError) as caught:
        build(_small_sources(), small.btf, Bcc(), "", "x86_64", 0)

    assert any(name in member for member, _, _ in caught.value.wrong)


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_wrong_header_emits_is_found(small: Emitted, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """If the loader did not look, the comparison of the emitted program still would."""
    _changed_header(monkeypatch, change)
    monkeypatch.setattr(layout, "verify", lambda header, functions: 0)
    built = build(_small_sources(), small.btf, Bcc(), "", "x86_64", 0)

    assert _wrong(small, {p.name: p.instructions for p in built.file.programs})


# ---- what no header says


def test_arguments_of_hooks_are_what_the_sources_take_them_for(whole: Emitted) -> None:
    """Each `(struct x *)ctx[n]` of a program is parameter n of its hook in BTF, a pointer to that struct."""
    sources = read_sources(TREE / "bpf")
    text = "\n".join(text for _, text in sources.hooks)
    wrong = [
        f"{entry.name}: ctx[{number}] is {found}, not {taken}"
        for entry in read_manifest(sources.manifest).programs
        if entry.kind in ("lsm", "tp_btf") and entry.name in whole.programs
        for taken, number in re.findall(r"\(struct (\w+) \*\)ctx\[(\d+)\]", _body(text, entry.name))
        if (found := _parameter(whole.btf, entry, int(number))) != taken
    ]

    assert wrong == []


def _body(text: str, function: str) -> str:
    return text.partition(f"int {function}(unsigned long long *ctx)\n")[2].partition("\n}\n")[0]


def _parameter(btf: Btf, entry: ProgramEntry, number: int) -> str:
    """The struct that a hook's argument points to; a tracepoint's first parameter is its own affair."""
    wanted = (f"bpf_lsm_{entry.hook}", Kind.FUNC) if entry.kind == "lsm" else (f"btf_trace_{entry.hook}", Kind.TYPEDEF)
    hook = btf.find(*wanted)
    prototype: Type = btf.resolve(hook.target) if hook else btf.type(0)
    if prototype.kind is Kind.PTR:
        prototype, number = btf.resolve(prototype.target), number + 1
    if number >= len(prototype.parameters):
        return "nothing"
    pointer = btf.resolve(prototype.parameters[number])
    return btf.resolve(pointer.target).name if pointer.kind is Kind.PTR else "a number"


def test_names_mean_one_type(whole: Emitted) -> None:
    """No struct that the programs read is there twice, with two layouts, so that the first one found might be wrong."""
    names = {chain[0] for chain in whole.real if not chain[0].startswith(("sizeof", "-"))}
    twice = [name for name in names if sum(whole.btf.kind(i) in AGGREGATES for i in whole.btf.names()[name]) > 1]

    assert twice == []


def test_the_path_of_a_backing_file_follows_the_file(whole: Emitted) -> None:
    """Where the kernel has such files, the path that was asked for stands directly behind `struct file`."""
    backing, file = whole.btf.find("backing_file", *AGGREGATES), whole.btf.find("file", *AGGREGATES)

    assert file
    if backing:
        (user,) = (m for m in whole.btf.flat_members(backing) if m.name == "user_path")
        assert user.bit_offset == 8 * file.size
