"""
What can be used here? Ask the kernel, by doing it in the smallest way: three answers, never a guess.

Nothing is attached, and nothing stays.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent.kernel import maps
from agent.kernel.programs_file import MapShape
from agent.kernel.syscall import (
    ATTACH_LSM_MAC,
    ATTACH_TRACE_RAW_TP,
    PROGRAM_CGROUP_SOCK_ADDR,
    PROGRAM_LSM,
    PROGRAM_TRACING,
    Bpf,
    BpfError,
    Kernel,
)

_CONNECT4 = 10
#: r0 = 0; exit. And r0 = 1 for hooks where 1 means to go on.
_RETURN_0 = bytes.fromhex("b7000000000000009500000000000000")
_RETURN_1 = bytes.fromhex("b7000000010000009500000000000000")


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "could not tell"


@dataclass(frozen=True, slots=True)
class Feature:
    """
    Attributes:
        name: What was asked for.
        why: Of `no` and `could not tell`: what the kernel said.
        required: What it takes.
    """

    name: str
    answer: Answer
    why: str
    required: str


def probe(bpf: Bpf | None = None, *, privileged: bool | None = None) -> tuple[Feature, ...]:
    """
    Ask for everything that the programs need.

    Args:
        privileged: Whether a refusal is the kernel's and not for want of rights; None: whether we are root.
    """
    kernel = bpf or Kernel()
    root = os.geteuid() == 0 if privileged is None else privileged
    asked: tuple[tuple[str, str, Callable[[Bpf], int]], ...] = (
        ("lsm", "CONFIG_BPF_LSM, BTF, and no lock on loading LSM programs", _lsm),
        ("tracing", "BTF, and no lock on loading BTF tracepoint programs", _tracing),
        ("cgroup", "CONFIG_CGROUP_BPF", _cgroup),
        ("ring buffer", "Linux 5.8", _ring),
        ("task storage", "Linux 5.11, CONFIG_BPF_LSM", _storage),
    )
    return tuple(_feature(name, required, make, kernel, root) for name, required, make in asked)


def _feature(name: str, required: str, make: Callable[[Bpf], int], bpf: Bpf, root: bool) -> Feature:
    try:
        os.close(make(bpf))
    except BpfError as error:
        return Feature(name, _answer(error.errno, root), _why(error, root), required)
    return Feature(name, Answer.YES, "", required)


def _answer(number: int, root: bool) -> Answer:
    """Without rights, or without memory, a refusal says nothing about the kernel."""
    if number in (errno.EPERM, errno.EACCES):
        return Answer.NO if root else Answer.UNKNOWN
    return Answer.UNKNOWN if number in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR) else Answer.NO


def _why(error: BpfError, root: bool) -> str:
    hint = "" if root or error.errno not in (errno.EPERM, errno.EACCES) else " (we are not root)"
    return f"{error.operation}: {os.strerror(error.errno)}{hint}"


def _lsm(bpf: Bpf) -> int:
    (btf_id,) = bpf.btf_ids([("file_open", ATTACH_LSM_MAC)])
    return bpf.program_load("probe", PROGRAM_LSM, ATTACH_LSM_MAC, btf_id, _RETURN_0)


def _tracing(bpf: Bpf) -> int:
    (btf_id,) = bpf.btf_ids([("sys_enter", ATTACH_TRACE_RAW_TP)])
    return bpf.program_load("probe", PROGRAM_TRACING, ATTACH_TRACE_RAW_TP, btf_id, _RETURN_0)


def _cgroup(bpf: Bpf) -> int:
    return bpf.program_load("probe", PROGRAM_CGROUP_SOCK_ADDR, _CONNECT4, 0, _RETURN_1)


def _ring(bpf: Bpf) -> int:
    return maps.create(bpf, MapShape("probe", "ringbuf", 0, 0, 4096), 1)


def _storage(bpf: Bpf) -> int:
    return maps.create(bpf, MapShape("probe", "task_storage", 4, 8, 0), 1)
