"""
Make on this machine what a guest would take long to: `python -m tests.lab.programs --kernel 6.1`.

That is the BPF programs for the guest's kernel and our modules' bytecode. Prints the directory of programs, which the
agent in the guest is given as its cache.
"""

import argparse
import compileall
import platform
import subprocess
import sys
from pathlib import Path

from agent.daemon.programs import Origin, find_or_compile

TREE = Path(__file__).resolve().parents[2]
PROGRAMS = TREE / "build" / "programs"


def compile_for(kernel: str | None) -> Path:
    """
    The directory that has the programs for a kernel of kernels.toml (None: its default).

    Raises:
        subprocess.CalledProcessError: The lab has no such kernel.
        NodeError: They cannot be compiled.
    """
    btf = TREE / "build" / "btf" / (kernel or "default") / "vmlinux"  # the agent's digest has the name of /sys's file
    btf.parent.mkdir(parents=True, exist_ok=True)
    named = ["--kernel", kernel] if kernel else []
    subprocess.run([TREE / "vagrant" / "lab", "btf", *named, btf], check=True, timeout=120)
    find_or_compile(Origin(btf, TREE / "bpf", platform.machine()), [PROGRAMS])
    return PROGRAMS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.programs")
    parser.add_argument("--kernel")
    for package in ("agent", "collector", "policy", "build/python", "tests"):
        compileall.compile_dir(TREE / package, quiet=2)
    print(compile_for(parser.parse_args().kernel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
