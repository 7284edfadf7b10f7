"""The loader with the real compiler, for the kernel that runs."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.host.btf import VMLINUX, Btf
from agent.loader import build as build_module
from agent.loader.build import Sources, build, read_sources
from agent.loader.compiler import Bcc, CompilerError
from agent.loader.header import Header, make_header
from agent.loader.layout import LayoutError
from agent.loader.manifest import ManifestError
from tests.support.compiled import TREE

MANIFEST = """
[[program]]
name = "lsm_file_open"
kind = "lsm"
hook = "file_open"
modes = ["lsm"]
"""
HOOK = """
int lsm_file_open(unsigned long long *ctx)
{
        struct file *file = (struct file *)ctx[0];
        struct task_struct *task = bpf_get_current_task_btf();

        return file->f_path.dentry->d_name.len == 7 && task->mm->exe_file == file && task->in_execve ? -1 : 0;
}
"""


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf(Path(VMLINUX).read_bytes())


def _sources(hook: str = HOOK, manifest: str = MANIFEST) -> Sources:
    return Sources(TREE / "bpf" / "include", manifest, (("open.c", hook),), ())


def _build(sources: Sources, btf: Btf) -> build_module.Built:
    return build(sources, btf, Bcc(), "key", "x86_64", 1)


def test_typed_loads_stay_loads(btf: Btf) -> None:
    """Members through kernel pointers are plain loads: the verifier sees types, and no call is added."""
    built = _build(_sources(), btf)
    code = built.file.programs[0].instructions
    calls = [code[at + 4] for at in range(0, len(code), 8) if code[at] == 0x85]

    assert calls == [158]  # get_current_task_btf
    assert built.checked > 8


def test_equal_sources_give_equal_bytes(btf: Btf) -> None:
    """Compiling twice gives the same file."""
    assert _build(_sources(), btf).file == _build(_sources(), btf).file


def test_a_wrong_place_is_not_loaded(btf: Btf, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the compiler's idea of a struct were not BTF's, the real code would show it: nothing is written."""

    def shifted(btf: Btf, used: object) -> Header:
        header = make_header(btf, used)  # type: ignore[arg-type]
        return replace(header, text=header.text.replace("struct dentry {\n", "struct dentry {\n\tlong wrong;\n", 1))

    monkeypatch.setattr(build_module, "make_header", shifted)
    with pytest.raises(LayoutError, match=r"struct dentry\.d_name: found .*, required "):
        _build(_sources(), btf)


def test_errors_name_file_and_line(btf: Btf) -> None:
    """The compiler's words are kept, with the hook file's own line."""
    with pytest.raises(CompilerError) as caught:
        _build(_sources(HOOK.replace("d_name.len", "d_nmae.len")), btf)

    assert "hooks/open.c:7:" in caught.value.output
    assert "no member named 'd_nmae'" in caught.value.output


def test_manifest_and_functions_must_agree(btf: Btf) -> None:
    """A program without a function, a function without an entry, a hook that the kernel lacks: each is refused."""
    with pytest.raises(ManifestError, match="no function of that name"):
        _build(_sources(HOOK.replace("int lsm_file_open", "int other")), btf)
    with pytest.raises(ManifestError, match="function `extra`"):
        _build(_sources(HOOK + "int extra(unsigned long long *ctx) { return 0; }\n"), btf)
    with pytest.raises(ManifestError, match="bpf_lsm_file_opne"):
        _build(_sources(manifest=MANIFEST.replace('"file_open"', '"file_opne"')), btf)


def test_an_optional_hook_may_be_missing(btf: Btf) -> None:
    """It is left out, and listed."""
    manifest = MANIFEST.replace('"file_open"', '"file_opne"\noptional = true')
    file = _build(_sources(manifest=manifest), btf).file

    assert (file.programs, file.absent) == ((), ("lsm_file_open",))


def _run(bpf: Path, out: Path, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-m", "agent.loader", "--bpf", bpf, "--out", out, "--cache", cache]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=TREE, timeout=120)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = tmp_path / "bpf"
    (root / "hooks").mkdir(parents=True)
    shutil.copytree(TREE / "bpf" / "include", root / "include")
    (root / "include" / "unused.h").write_text("")
    (root / "manifest.toml").write_text(MANIFEST)
    (root / "hooks" / "open.c").write_text(HOOK)
    return root


def test_what_is_cached_needs_no_compiler(small: Path, tmp_path: Path) -> None:
    """The second run imports no BCC and writes the same bytes; a change of a source compiles again."""
    first = _run(small, tmp_path / "a", tmp_path / "cache")
    second = _run(small, tmp_path / "b", tmp_path / "cache", "-X", "importtime")

    assert (json.loads(first.stdout)["cached"], json.loads(second.stdout)["cached"]) == (False, True)
    assert " bcc\n" not in second.stderr
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    (small / "hooks" / "open.c").write_text(HOOK + "/* changed */\n")
    assert json.loads(_run(small, tmp_path / "c", tmp_path / "cache").stdout)["cached"] is False


def test_what_fails_writes_nothing(small: Path, tmp_path: Path) -> None:
    """Exit status 1, the reason on standard error, no file."""
    (small / "hooks" / "open.c").write_text("int lsm_file_open(unsigned long long *ctx) { return nothing; }\n")
    done = _run(small, tmp_path / "a", tmp_path / "cache")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "a").exists()


def test_sources_are_read_in_the_order_of_their_names() -> None:
    """So that the text, and with it the bytes, do not depend on the file system."""
    sources = read_sources(TREE / "bpf")

    assert [name for name, _ in sources.hooks] == sorted(name for name, _ in sources.hooks)
