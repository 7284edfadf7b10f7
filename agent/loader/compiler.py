"""
BCC as a compiler and nothing else: text in, instructions out. The one module that touches it.

BCC loads nothing here: no program has one of its prefixes, no map is declared through it. It wants a kernel source tree
and gets a directory of its own, in which every header it asks for is ours.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.loader.prelude import INCLUDED

#: Arguments of clang. BCC's own headers define every helper in every program, so unused names are no news; its copy of
#: linux/bpf.h is skipped by the name of its guard, for ours comes from the kernel's BTF.
FLAGS = (
    *("-O2", "-Wall", "-Wno-unused-variable", "-Wno-unused-function", "-Wno-unused-const-variable"),
    *("-Wno-unused-label", "-fno-jump-tables", "-D_UAPI__LINUX_BPF_H__"),
)


class CompilerError(Exception):
    """
    The compiler is missing, or refused the source.

    Attributes:
        output: What it said, whole.
    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(f"{message}\n{output}" if output else message)
        self.output = output


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    Attributes:
        functions: Instructions of every function that is not static, 8 bytes each.
        output: Warnings.
    """

    functions: Mapping[str, bytes]
    output: str


class Compiler(Protocol):
    def version(self) -> str:
        """What is part of the key of cached programs. Needs no import of the compiler."""
        ...

    def compile(self, text: str, headers: Mapping[str, str], include: Sequence[Path]) -> Compiled:
        """
        Compile one translation unit.

        Args:
            headers: Generated headers by file name; `vmlinux.h` is what kernel headers lead to.
            include: Directories for `#include "…"`.

        Raises:
            CompilerError: It did not compile.
        """
        ...


class Bcc:
    """BCC 0.26 (Debian's python3-bpfcc)."""

    def version(self) -> str:
        try:
            from importlib.util import find_spec

            found = find_spec("bcc")
            namespace: dict[str, str] = {}
            if found and found.origin:
                exec(Path(found.origin).with_name("version.py").read_text(), namespace)  # noqa: S102
            return namespace.get("__version__", "none")
        except OSError as error:
            raise CompilerError(f"cannot read BCC's version: {error}") from error

    def compile(self, text: str, headers: Mapping[str, str], include: Sequence[Path]) -> Compiled:
        with _tree(headers) as tree, _kernel_source(tree), _captured() as captured:
            module = self._module(text, [*FLAGS, f"-I{tree}", *(f"-I{path}" for path in include)])
        output = captured[0]
        if isinstance(module, Exception):
            raise CompilerError(f"BCC could not compile the programs ({module})", output) from module
        return Compiled(module, output)

    def _module(self, text: str, flags: Sequence[str]) -> "dict[str, bytes] | Exception":
        """Instructions by function; BCC raises bare `Exception`, which is handed back."""
        try:
            from bcc import BPF, lib
        except (ImportError, OSError) as error:
            return error
        try:
            bpf = BPF(text=text.encode(), cflags=list(flags), allow_rlimit=False)
            names = [lib.bpf_function_name(bpf.module, i) for i in range(lib.bpf_num_functions(bpf.module))]
            functions = {name.decode(): bpf.dump_func(name) for name in sorted(names)}
            bpf.cleanup()
        except Exception as error:  # noqa: BLE001
            return error
        return functions


@contextmanager
def _tree(headers: Mapping[str, str]) -> Iterator[Path]:
    """A directory like a kernel's source in which every header that BCC wants includes `vmlinux.h`."""
    with tempfile.TemporaryDirectory(prefix="ringfence-headers-") as name:
        tree = Path(name)
        for header, text in headers.items():
            (tree / header).write_text(text)
        for wanted in INCLUDED:
            path = tree / "include" / wanted
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#include "{tree}/vmlinux.h"\n')
        yield tree


@contextmanager
def _kernel_source(tree: Path) -> Iterator[None]:
    before = os.environ.get("BCC_KERNEL_SOURCE")
    os.environ["BCC_KERNEL_SOURCE"] = str(tree)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BCC_KERNEL_SOURCE"]
        else:
            os.environ["BCC_KERNEL_SOURCE"] = before


@contextmanager
def _captured() -> Iterator[list[str]]:
    """What the library writes to this process's standard error, in element 0 afterwards."""
    captured = [""]
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield captured
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            captured[0] = file.read().decode("utf-8", "replace")
