"""Programs: put descriptors and constants into the compiled bytes, load, attach."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from agent.kernel.programs_file import Program, rewrite
from agent.kernel.syscall import (
    ATTACH_LSM_MAC,
    ATTACH_TRACE_ITER,
    ATTACH_TRACE_RAW_TP,
    PROGRAM_CGROUP_SOCK_ADDR,
    PROGRAM_LSM,
    PROGRAM_TRACING,
    Bpf,
)

#: Attach types of `enum bpf_attach_type` for hooks of cgroups.
CGROUP_HOOKS = {"bind4": 8, "bind6": 9, "connect4": 10, "connect6": 11, "sendmsg4": 14, "sendmsg6": 15}


class UnknownConstantError(Exception):
    """
    The programs want a constant that we cannot give.

    Attributes:
        name, known: What they want, what there is.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"programs want the constant `{name}`: found none of that name among {sorted(known)}")
        self.name, self.known = name, tuple(known)


def kernel_symbols(names: Sequence[str], path: Path = Path("/proc/kallsyms")) -> dict[str, int]:
    """
    Addresses of kernel symbols; 0 where the kernel hides them or has none.

    Raises:
        OSError: The table cannot be read.
    """
    found = dict.fromkeys(names, 0)
    endings = tuple(f" {name}\n".encode() for name in names)
    with path.open("rb") as table:
        for line in table:
            if line.endswith(endings):
                address, _, name = line.split()[:3]
                found[name.decode()] = int(address, 16)
    return found


def constants_for(names: Sequence[str], known: Mapping[str, int]) -> tuple[int, ...]:
    """
    Values of the constants that the programs name, in their order.

    Args:
        known: Those that are no addresses; `…_lock` are looked up.

    Raises:
        UnknownConstantError: There is none of that name.
        OSError: The kernel's symbols cannot be read.
    """
    symbols = [name for name in names if name not in known]
    if unknown := [name for name in symbols if not name.endswith("_lock")]:
        raise UnknownConstantError(unknown[0], [*known, "…_lock"])
    values = {**known, **(kernel_symbols(symbols) if symbols else {})}
    return tuple(values[name] for name in names)


def load(
    bpf: Bpf, programs: Sequence[Program], maps: Sequence[int], constants: Sequence[int], threads: int
) -> tuple[int, ...]:
    """
    Load programs, all or none; the verifier works on several at once.

    Args:
        maps: Descriptors in the order of the programs file.
        constants: Values, likewise.

    Returns:
        A descriptor for each.

    Raises:
        BpfError: The kernel refused one; its `log` says why.
    """
    hooked = [program for program in programs if program.kind != "cgroup"]
    hooks = [(program.hook.removeprefix("bpf_iter_"), kind_of(program)[1]) for program in hooked]
    ids = dict(zip((program.name for program in hooked), bpf.btf_ids(hooks) if hooks else (), strict=True))

    def one(program: Program) -> int:
        code = rewrite(program.instructions, maps.__getitem__, constants.__getitem__)
        return bpf.program_load(program.name, *kind_of(program), ids.get(program.name, 0), code)

    with ThreadPoolExecutor(threads, "load") as pool:
        jobs = [pool.submit(one, program) for program in programs]
    return _all_or_none(jobs)


def _all_or_none(jobs: Sequence[Future[int]]) -> tuple[int, ...]:
    failed = [job for job in jobs if job.exception()]
    if failed:
        for job in jobs:
            if job not in failed:
                os.close(job.result())
        failed[0].result()
    return tuple(job.result() for job in jobs)


def kind_of(program: Program) -> tuple[int, int]:
    """Program type and attach type."""
    match program.kind:
        case "lsm":
            return PROGRAM_LSM, ATTACH_LSM_MAC
        case "tp_btf":
            return PROGRAM_TRACING, ATTACH_TRACE_RAW_TP
        case "iter":
            return PROGRAM_TRACING, ATTACH_TRACE_ITER
        case _:
            return PROGRAM_CGROUP_SOCK_ADDR, CGROUP_HOOKS[program.hook]
