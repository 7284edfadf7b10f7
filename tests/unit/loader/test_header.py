"""The header made from BTF: the C compiler places every member where BTF has it, and only what is used is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.host.btf import Btf
from agent.loader.header import Header, make_header
from agent.loader.scan import mentions
from tests.unit.loader.btf_maker import BtfMaker, small_kernel

COMPILER = shutil.which("gcc") or shutil.which("clang")
SOURCE = """
int p(unsigned long long *ctx) { struct file *f = (struct file *)ctx[0]; kuid_t u = {.val = KIND_LAST};
return f->kind + f->a + f->b + f->whole + f->high + f->odd + f->f_path.dentry->d_flags + u.val; }
#ifdef RF_HAS_file__a
#endif
#ifdef RF_HAS_file__missing
#endif
"""


def _header(source: str = SOURCE, make: BtfMaker | None = None) -> Header:
    return make_header(Btf((make or small_kernel()).data()), mentions(source))


def test_members_stand_where_btf_has_them(tmp_path: Path) -> None:
    """Packed enums, unions, misplaced integers: offsets and sizes agree, whatever the compiler would have chosen."""
    header = _header()
    checks = [
        f"_Static_assert(__builtin_offsetof({f.type_name}, {f.name}) == {f.bit_offset // 8}, {f.name!r});".replace(
            "'", '"'
        )
        for f in header.fields
        if not f.bits
    ]
    checks += [f'_Static_assert(sizeof({name}) == {size}, "size");' for name, size in header.sizes]
    (tmp_path / "check.c").write_text(header.text + "\n".join(checks))

    assert COMPILER, "found no C compiler, required gcc or clang"
    subprocess.run(
        [COMPILER, "-fsyntax-only", "-Wall", "-Werror", "-Wno-packed-not-aligned", tmp_path / "check.c"],
        check=True,
        timeout=60,
    )


def test_only_what_is_used_is_there() -> None:
    """Members that no source names are padding; a struct reached through a used pointer is whole."""
    header = _header()

    assert {f.name for f in header.fields if f.type_name == "struct dentry"} == {"d_flags"}
    assert "low" not in {f.name for f in header.fields}
    assert ("struct dentry", 16) in header.sizes


def test_what_differs_between_kernels_can_be_asked() -> None:
    """RF_HAS_type__member is defined exactly if the kernel has it."""
    text = _header().text

    assert "#define RF_HAS_file__a 1" in text
    assert "RF_HAS_file__missing" not in text


def test_constants_come_with_their_values() -> None:
    """Named constants of the kernel's enums are there, others are not."""
    text = _header().text

    assert "KIND_LAST = 2" in text
    assert "KIND_ONE" not in text


def test_a_constant_with_two_values_is_left_out() -> None:
    """Two enums that disagree about a name: it is not there, so that its use is an error and not a guess."""
    make = small_kernel()
    make.enum("other", 4, [("KIND_LAST", 7)])

    assert "KIND_LAST" not in _header(make=make).text


def test_equal_input_gives_equal_headers() -> None:
    """The header is a function of BTF and sources."""
    assert _header().text == _header().text


@pytest.mark.parametrize("name", ["struct nothing_like_that", "enum nothing_like_that", "nothing_t"])
def test_unknown_names_are_for_the_compiler_to_refuse(name: str) -> None:
    """A type that the kernel does not have is not in the header, and making it does not fail."""
    header = _header(f"int p(void *c) {{ return sizeof({name}); }}")

    assert not header.fields
