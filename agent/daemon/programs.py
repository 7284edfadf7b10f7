"""
The compiled programs for this kernel: from the cache, or from the loader, which is a process of its own.

A file is found by a digest of this kernel's types, the programs' sources and the loader; so a node with the file needs
no compiler, and whoever changes one of the three gets new ones.
"""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.daemon.ports import NodeError
from agent.host.facts import BTF_FILE
from agent.kernel.programs_file import ProgramsFile, ProgramsFileError, parse

LOADER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Origin:
    """What programs are made from."""

    btf: Path
    bpf: Path
    arch: str

    @classmethod
    def here(cls) -> "Origin":
        """This kernel, and the sources that came with the agent: in the package, or in the tree it runs from."""
        package = Path(__file__).resolve().parents[1]
        shipped = package / "kernel" / "bpf"
        return cls(Path(BTF_FILE), shipped if shipped.is_dir() else package.parent / "bpf", platform.machine())


def find_or_compile(origin: Origin, caches: Sequence[Path], *, compile_too: bool = True) -> tuple[ProgramsFile, bool]:
    """
    The programs, and whether they were in a cache.

    Raises:
        NodeError: They are in no cache and cannot be compiled here.
    """
    name = f"kernel-{_digest(origin)}.programs"
    for directory in caches:
        if found := _read(directory / name):
            return found, True
    if not compile_too:
        raise NodeError("no compiled programs for this kernel are cached", required=f"{name} in {caches[0]}")
    return _compile(origin, caches, name), False


def _read(path: Path) -> ProgramsFile | None:
    """None: absent, or not what it should be; then it is compiled again."""
    try:
        return parse(path.read_bytes())
    except (OSError, ProgramsFileError):
        return None


def _digest(origin: Origin) -> str:
    sums = hashlib.sha256(origin.arch.encode())
    for path in _inputs(origin):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise NodeError(f"cannot read `{path}`: {error.strerror}", hint="`agentctl doctor` tells more") from error
        sums.update(f"{path.name} {digest}\n".encode())
    return sums.hexdigest()[:40]


def _inputs(origin: Origin) -> Iterator[Path]:
    yield origin.btf
    yield from sorted(path for path in origin.bpf.rglob("*") if path.suffix in (".c", ".h", ".toml"))
    yield from sorted((Path(__file__).resolve().parents[1] / "loader").glob("*.py"))


def _compile(origin: Origin, caches: Sequence[Path], name: str) -> ProgramsFile:
    directory = _writable(caches)
    out = directory / name
    command = [sys.executable, "-m", "agent.loader", "--btf", str(origin.btf), "--bpf", str(origin.bpf)]
    command += ["--out", str(out), "--arch", origin.arch]
    for cache in caches:
        command += ["--cache", str(cache)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOADER_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NodeError(f"the loader took longer than {LOADER_SECONDS:.0f} s") from error
    if done.returncode:
        reason = done.stderr.strip().removeprefix("error: ") or f"status {done.returncode}"
        raise NodeError(f"the programs cannot be compiled: {reason}", hint="`agentctl doctor` tells more")
    _say_what_it_did(done.stdout)
    try:
        return parse(out.read_bytes())
    except (OSError, ProgramsFileError) as error:
        raise NodeError(f"the loader wrote something else than programs: {error}") from error


def _say_what_it_did(line: str) -> None:
    from agent.daemon.log import log

    try:
        log().info("programs_compiled", **json.loads(line))
    except (ValueError, TypeError):
        log().warning("loader_said", text=line[:500])


def _writable(caches: Sequence[Path]) -> Path:
    for directory in caches:
        try:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        return directory
    raise NodeError("no cache directory can be made", found=", ".join(map(str, caches)), required="one to write to")
