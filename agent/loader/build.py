"""From sources and BTF to the file of compiled programs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.host.btf import Btf, Kind
from agent.kernel.programs_file import CONSTANT_BASE, MAP_BASE, MapShape, Program, ProgramsFile
from agent.loader import layout
from agent.loader.compiler import Compiler
from agent.loader.header import make_header
from agent.loader.manifest import Manifest, ManifestError, MapEntry, ProgramEntry, read_manifest
from agent.loader.scan import mentions

_SIZE = "rf_size_"


@dataclass(frozen=True, slots=True)
class Sources:
    """
    The C of all programs.

    Attributes:
        include: Directory of plain headers.
        hooks, headers: (name, text), in name order.
    """

    include: Path
    manifest: str
    hooks: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]

    def digest(self) -> str:
        """Hexadecimal digest of every name and text."""
        sums = hashlib.sha256()
        for name, text in (("manifest.toml", self.manifest), *self.hooks, *self.headers):
            sums.update(f"{len(name)} {len(text.encode())}\n{name}\n{text}".encode())
        return sums.hexdigest()


@dataclass(frozen=True, slots=True)
class Built:
    """
    Attributes:
        checked: Members and sizes whose place in the compiled code was compared with BTF.
        warnings: The compiler's.
    """

    file: ProgramsFile
    checked: int
    warnings: str


def read_sources(root: Path) -> Sources:
    """
    Read `manifest.toml`, `hooks/*.c` and `include/*.h` below `root`.

    Raises:
        OSError: Any cannot be read.
    """
    hooks, headers = (
        [(path.name, path.read_text()) for path in sorted(root.glob(g))] for g in ("hooks/*.c", "include/*.h")
    )
    return Sources(root.resolve() / "include", (root / "manifest.toml").read_text(), tuple(hooks), tuple(headers))


def cache_key(sources: Sources, btf: bytes, arch: str, compiler: str) -> str:
    """Digest of everything that the compiled bytes depend on, this package's own code included."""
    sums = hashlib.sha256(f"{sources.digest()} {hashlib.sha256(btf).hexdigest()} {arch} {compiler}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sums.update(path.read_bytes())
    return sums.hexdigest()


def build(sources: Sources, btf: Btf, compiler: Compiler, key: str, arch: str, abi: int) -> Built:
    """
    Compile every program for the kernel that `btf` describes.

    Raises:
        ManifestError: Manifest and sources disagree, or a hook is missing that is not optional.
        HeaderError, LayoutError: A kernel type cannot be used safely.
        CompilerError: The sources do not compile.
    """
    manifest = read_manifest(sources.manifest)
    header = make_header(btf, mentions("\n".join(text for _, text in (*sources.headers, *sources.hooks))))
    sizes = list(dict.fromkeys(_expressions(manifest)))
    text = "\n".join([_joined(sources), _size_functions(sizes), layout.check_functions(header)])
    compiled = compiler.compile(text, {"vmlinux.h": header.text, "maps.h": _maps_header(manifest)}, [sources.include])
    checked = layout.verify(header, compiled.functions)
    size_of = {e: layout.constant(compiled.functions[f"{_SIZE}{n}"]) for n, e in enumerate(sizes)}
    present = [program for program in manifest.programs if _present(btf, program)]
    programs = tuple(_program(program, compiled.functions) for program in present)
    _check_listed(manifest, compiled.functions)
    absent = tuple(program.name for program in manifest.programs if program not in present)
    maps = tuple(_shape(entry, size_of) for entry in manifest.maps)
    file = ProgramsFile(key, abi, arch, compiler.version(), maps, manifest.constants, programs, absent)
    return Built(file, checked, compiled.output)


def _joined(sources: Sources) -> str:
    """One text, for BCC rewrites the main file only."""
    parts = ['#include "vmlinux.h"', '#include "maps.h"']
    parts += [f'#line 1 "hooks/{name}"\n{text}' for name, text in sources.hooks]
    return "\n".join([*parts, '#line 1 "checks"'])


def _maps_header(manifest: Manifest) -> str:
    lines = ["#ifndef RINGFENCE_MAPS_H", "#define RINGFENCE_MAPS_H"]
    lines += [
        f"#define RF_MAP_{m.name} ((void *)bpf_pseudo_fd(1, {MAP_BASE + n}))" for n, m in enumerate(manifest.maps)
    ]
    lines += [f"#define RF_CONST_{c} bpf_pseudo_fd(1, {CONSTANT_BASE + n})" for n, c in enumerate(manifest.constants)]
    return "\n".join([*lines, "#endif\n"])


def _expressions(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.maps:
        for shape in (entry, entry.inner):
            if shape:
                yield from (shape.key, shape.value, shape.entries)


def _size_functions(expressions: list[str]) -> str:
    """What a map's key, value and entries come to is for the compiler to say: it knows the structs."""
    lines = []
    for number, text in enumerate(expressions):
        value = f"sizeof({text})" if text.startswith(("struct ", "union ")) else text
        body = f"const unsigned long long cpus = 1; (void)ctx; (void)cpus; return {value};"
        lines.append(f"unsigned long long {_SIZE}{number}(unsigned long long *ctx) {{ {body} }}")
    return "\n".join(lines)


def _shape(entry: MapEntry, size_of: Mapping[str, int]) -> MapShape:
    key, value, entries = (size_of[text] for text in (entry.key, entry.value, entry.entries))
    inner = _shape(entry.inner, size_of) if entry.inner else None
    flags = tuple(sorted(entry.flags))
    return MapShape(entry.name, entry.type, key, value, entries, "cpus" in entry.entries, flags, inner)


def _present(btf: Btf, program: ProgramEntry) -> bool:
    """
    Raises:
        ManifestError: The kernel lacks the hook, and the program is not optional.
    """
    wanted = {"lsm": (f"bpf_lsm_{program.hook}", Kind.FUNC), "tp_btf": (f"btf_trace_{program.hook}", Kind.TYPEDEF)}
    wanted["iter"] = (program.hook, Kind.FUNC)
    if program.kind not in wanted or btf.find(*wanted[program.kind]):
        return True
    if program.optional:
        return False
    raise ManifestError(f"program `{program.name}`", "no such hook in this kernel's BTF", wanted[program.kind][0])


def _program(entry: ProgramEntry, functions: Mapping[str, bytes]) -> Program:
    if entry.name not in functions:
        raise ManifestError(
            f"program `{entry.name}`", "no function of that name in hooks/*.c", "one that is not static"
        )
    return Program(entry.name, entry.kind, entry.hook, entry.modes, functions[entry.name], entry.when)


def _check_listed(manifest: Manifest, functions: Mapping[str, bytes]) -> None:
    listed = {program.name for program in manifest.programs}
    own = {name for name in functions if not layout.is_check(name) and not name.startswith(_SIZE)}
    if unlisted := sorted(own - listed):
        raise ManifestError(f"function `{unlisted[0]}`", "no [[program]] of that name", "one, or `static`")
