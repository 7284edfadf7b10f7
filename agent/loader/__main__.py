"""
Compile the programs for one kernel: `python -m agent.loader --btf FILE --bpf DIRECTORY --out FILE`.

A process of its own, so that nobody else holds BCC in memory. Says on standard output, as one line of JSON, what it
did. Exit status 0: written; 1: it could not be done, the reason on standard error.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

from agent import abi
from agent.host.btf import VMLINUX, Btf, BtfError
from agent.kernel.programs_file import dump
from agent.loader import cache
from agent.loader.build import build, cache_key, read_sources
from agent.loader.compiler import Bcc, CompilerError
from agent.loader.header import HeaderError
from agent.loader.layout import LayoutError
from agent.loader.manifest import ManifestError


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        print(json.dumps(_run(options)))
    except (OSError, BtfError, CompilerError, HeaderError, LayoutError, ManifestError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent.loader", description="Compile the BPF programs for one kernel."
    )
    parser.add_argument("--btf", type=Path, default=Path(VMLINUX), help="the kernel's types (default: this kernel's)")
    parser.add_argument("--bpf", type=Path, required=True, help="directory of manifest.toml, hooks/ and include/")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--arch", default=platform.machine(), help="machine to compile for (default: this one)")
    parser.add_argument(
        "--cache", type=Path, action="append", default=[], help="directory of compiled programs; may be repeated"
    )
    return parser


def _run(options: argparse.Namespace) -> dict[str, object]:
    began = time.monotonic()
    sources, btf, compiler = read_sources(options.bpf), options.btf.read_bytes(), Bcc()
    key = cache_key(sources, btf, options.arch, compiler.version())
    data = cache.find(options.cache, key)
    report: dict[str, object] = {"key": key, "cached": data is not None}
    if data is None:
        built = build(sources, Btf(btf), compiler, key, options.arch, abi.VERSION)
        print(built.warnings, end="", file=sys.stderr)
        data = dump(built.file)
        cache.store(options.cache, built.file, data)
        report |= {"checked": built.checked, "programs": len(built.file.programs), "absent": built.file.absent}
    cache.write(options.out, data)
    return report | {"seconds": round(time.monotonic() - began, 3)}


if __name__ == "__main__":
    sys.exit(main())
