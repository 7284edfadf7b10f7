"""
Which kernels there are, and what the lab takes out of their images.

A kernel is looked for where `packaging/install-dependencies` unpacks it (`build/lab/kernels/RELEASE/`), then where the
distribution installs it (`/boot` and `/lib/modules`).
"""

import re
import struct
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from labkit.errors import LabError

TREE = Path(__file__).resolve().parents[2]
CACHE = TREE / "build" / "lab"
MATRIX = TREE / "vagrant" / "kernels.toml"
INSTALLED = (Path("/boot"), Path("/lib/modules"))

# How vmlinux is packed inside vmlinuz: the first bytes of the payload, and who unpacks it.
PACKERS = {
    b"\x28\xb5\x2f\xfd": ["zstd", "-dqc"],
    b"\x02\x21\x4c\x18": ["lz4", "-dqc"],
    b"\xfd7zXZ": ["xz", "-dqc"],
    b"\x1f\x8b": ["gzip", "-dqc"],
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    One kernel that can be booted.

    Attributes:
        name: Its name in kernels.toml, such as `6.1`.
        release: What `uname -r` prints in the guest.
        image: The compressed image, vmlinuz.
        modules: Its directory of modules, with modules.dep.
    """

    name: str
    release: str
    image: Path
    modules: Path


@dataclass(frozen=True, slots=True)
class Matrix:
    """
    kernels.toml.

    Attributes:
        default: The name that is meant when none is given.
        releases: Name → glob over releases.
        packages: Name → Debian package.
        boots: What to boot: kernel name, extra kernel arguments, whether `make test` boots it too.
    """

    default: str
    releases: dict[str, str]
    packages: dict[str, str]
    boots: tuple[tuple[str, str, bool], ...]


def read_matrix(path: Path = MATRIX) -> Matrix:
    """Read kernels.toml."""
    table = tomllib.loads(path.read_text())
    kernels = table["kernel"]
    return Matrix(
        default=table["default"],
        releases={name: entry["release"] for name, entry in kernels.items()},
        packages={name: entry["package"] for name, entry in kernels.items()},
        boots=tuple((boot["kernel"], boot.get("append", ""), boot.get("test", False)) for boot in table["boot"]),
    )


def find(name: str | None) -> Kernel:
    """
    The newest installed kernel of that name (None: the default).

    Raises:
        LabError: No such name, or none of its releases is here.
    """
    matrix = read_matrix()
    name = name or matrix.default
    if name not in matrix.releases:
        raise LabError(f"unknown kernel `{name}`", f"kernels.toml has {', '.join(sorted(matrix.releases))}")
    fitting = [kernel for kernel in _installed(name) if fnmatchcase(kernel.release, matrix.releases[name])]
    if not fitting:
        hint = f"`make setup` unpacks Debian's {matrix.packages[name]} there; no kernel is installed on this machine"
        raise LabError(f"no kernel `{name}` in {CACHE / 'kernels'} or /boot", hint)
    return max(fitting, key=lambda kernel: _version(kernel.release))


def _installed(name: str) -> Iterator[Kernel]:
    for boot, modules in (*_unpacked(), INSTALLED):
        for image in boot.glob("vmlinuz-*"):
            release = image.name.removeprefix("vmlinuz-")
            if (modules / release / "modules.dep").exists():
                yield Kernel(name, release, image, modules / release)


def _unpacked() -> Iterator[tuple[Path, Path]]:
    for root in sorted((CACHE / "kernels").glob("*")):
        for library in (root / "usr" / "lib", root / "lib"):
            yield root / "boot", library / "modules"


def _version(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def unpacked_image(kernel: Kernel) -> Path:
    """
    The kernel as a plain ELF file, unpacked once.

    QEMU starts it directly (PVH), which saves the guest a second of unpacking under emulation, and its sections can be
    read. The layout of vmlinuz is the kernel's Documentation/arch/x86/boot.rst.

    Raises:
        LabError: The image is packed in a way not known here, or its unpacker is missing.
    """
    target = CACHE / "unpacked" / f"vmlinux-{kernel.release}"
    if target.exists() and target.stat().st_mtime > kernel.image.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    image = kernel.image.read_bytes()
    setup_sectors = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup_sectors * 512 + offset
    write_whole(target, _unpack(image[start : start + length], kernel.image))
    return target


def _unpack(payload: bytes, image: Path) -> bytes:
    packer = next((command for magic, command in PACKERS.items() if payload.startswith(magic)), None)
    if packer is None:
        raise LabError(f"{image} is packed in an unknown way: it begins with {payload[:6].hex()}")
    try:  # the last four bytes are the unpacked size, which is not part of the stream
        done = subprocess.run(packer, input=payload[:-4], capture_output=True, check=False)
    except FileNotFoundError:
        raise LabError(f"`{packer[0]}` is needed to unpack {image}", f"apt-get install {packer[0]}") from None
    if not done.stdout.startswith(b"\x7fELF"):
        raise LabError(f"{packer[0]} could not unpack {image}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def raw_btf(kernel: Kernel) -> Path:
    """
    The kernel's BTF, byte for byte what its /sys/kernel/btf/vmlinux reads, taken out of the image once.

    Raises:
        LabError: The image has no BTF section.
    """
    target = CACHE / "btf" / kernel.release / "vmlinux"
    source = unpacked_image(kernel)
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, _section(source.read_bytes(), b".BTF", source))
    return target


def _section(elf: bytes, wanted: bytes, source: Path) -> bytes:
    """One section of a little-endian 64-bit ELF file, by name (System V gABI, chapter 4)."""
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", elf, table + index * size) for index in range(count)]
    names = sections[names_index][4]
    for name, _kind, _flags, _address, offset, length in sections:
        if elf[names + name : elf.index(b"\0", names + name)] == wanted:
            return elf[offset : offset + length]
    raise LabError(f"{source} has no section {wanted.decode()}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that another process sees all of it or none."""
    partial = path.with_name(f"{path.name}.{id(content):x}.partial")
    partial.write_bytes(content)
    partial.replace(path)
