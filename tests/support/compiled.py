"""The project's programs, compiled for the kernel that runs, by the loader as a process; once while nothing changes."""

import functools
import subprocess
import sys
from pathlib import Path

from agent.kernel.programs_file import ProgramsFile, parse

TREE = Path(__file__).resolve().parents[2]
CACHE = TREE / "build" / "programs"


@functools.cache
def compiled_programs() -> ProgramsFile:
    """
    Raises:
        subprocess.CalledProcessError: They do not compile; the loader's words are on standard error.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    out = CACHE / "native.programs"
    command = [sys.executable, "-m", "agent.loader", "--bpf", TREE / "bpf", "--out", out, "--cache", CACHE]
    subprocess.run(command, check=True, cwd=TREE, timeout=120, stdout=subprocess.DEVNULL)
    return parse(out.read_bytes())
