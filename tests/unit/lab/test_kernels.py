"""kernels.toml, and what is taken out of a kernel's image."""

import struct
from pathlib import Path

import pytest
from labkit import kernels
from labkit.errors import LabError


def test_matrix_is_whole() -> None:
    """Every boot names a kernel that is there, the default too, and `make test` boots both kernels and preempt=full."""
    matrix = kernels.read_matrix()

    assert matrix.default in matrix.packages
    assert {name for name, _, _ in matrix.boots} <= set(matrix.packages)
    tested = {(name, append) for name, append, tested in matrix.boots if tested}
    assert {("6.1", ""), ("6.12", ""), ("6.1", "preempt=full")} <= tested


def test_newest_release_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are compared as numbers, and only releases that the name means count."""
    for release in ("6.12.9-cloud-amd64", "6.12.117-cloud-amd64", "6.13.1-cloud-amd64", "6.12.200-other"):
        root = tmp_path / "kernels" / release
        (root / "boot").mkdir(parents=True)
        (root / "boot" / f"vmlinuz-{release}").touch()
        modules = root / "lib" / "modules" / release
        modules.mkdir(parents=True)
        (modules / "modules.dep").touch()
    monkeypatch.setattr(kernels, "CACHE", tmp_path)
    monkeypatch.setattr(kernels, "INSTALLED", (tmp_path / "none", tmp_path / "none"))

    assert kernels.find("6.12").release == "6.12.117-cloud-amd64"


def test_unknown_kernel_is_refused_by_name() -> None:
    """The error names what is known."""
    with pytest.raises(LabError, match=r"unknown kernel `5\.4`") as caught:
        kernels.find("5.4")

    assert "6.12" in caught.value.hint


def test_section_is_found_by_its_name() -> None:
    """A section's bytes come out of an ELF file; a missing one is an error."""
    names = b"\0.BTF\0.shstrtab\0"
    header = bytearray(64)
    header[:4] = b"\x7fELF"
    struct.pack_into("<Q", header, 0x28, 64 + 4 + len(names))
    struct.pack_into("<HHH", header, 0x3A, 64, 2, 1)
    btf = struct.pack("<IIQQQQ24x", 1, 1, 0, 0, 64, 4)
    strings = struct.pack("<IIQQQQ24x", 6, 3, 0, 0, 68, len(names))
    elf = bytes(header) + b"\x9f\xeb\1\0" + names + btf + strings

    assert kernels._section(elf, b".BTF", Path("vmlinux")) == b"\x9f\xeb\1\0"
    with pytest.raises(LabError, match=r"has no section \.text"):
        kernels._section(elf, b".text", Path("vmlinux"))
