"""
What this kernel really loads and attaches, tried out with programs that do nothing.

Three answers: yes, no with the kernel's reason, and could not tell (no privilege to ask).
"""

import os
import struct
from dataclasses import dataclass

from agent.kernel.programs import load
from agent.kernel.programs_file import Program
from agent.kernel.syscall import Bpf, BpfError, Kernel


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Attributes:
        works: None: could not tell.
        detail: The kernel's reason where it does not.
    """

    works: bool | None
    detail: str = ""


def _returning(number: int) -> bytes:
    """`return number;` in BPF instructions."""
    return struct.pack("<BBhi", 0xB7, 0, 0, number) + struct.pack("<BBhi", 0x95, 0, 0, 0)


_LSM = Program("rf_probe_lsm", "lsm", "file_open", ("lsm",), _returning(0))
_CGROUP = Program("rf_probe_cg", "cgroup", "connect4", ("cgroup",), _returning(1))
_TRACE = Program("rf_probe_tp", "tp_btf", "sys_enter", ("lsm", "cgroup"), _returning(0))


def lsm(bpf: Bpf | None = None) -> Answer:
    """Whether a BPF LSM program loads and attaches."""
    return _try(_LSM, bpf)


def cgroup(bpf: Bpf | None = None) -> Answer:
    """Whether a program for the connections of a cgroup loads; attaching it would need a cgroup."""
    return _try(_CGROUP, bpf)


def trace(bpf: Bpf | None = None) -> Answer:
    """Whether system calls can be observed."""
    return _try(_TRACE, bpf)


def _try(program: Program, bpf: Bpf | None) -> Answer:
    if os.geteuid() != 0:
        return Answer(None, "only root can try it out")
    descriptors: list[int] = []
    try:
        bpf = bpf or Kernel()
        descriptors.extend(load(bpf, [program], (), (), 1))
        if program.kind != "cgroup":
            descriptors.append(bpf.attach_tracing(program.name, descriptors[0]))
    except (BpfError, OSError) as error:
        return Answer(False, str(error).splitlines()[0])
    finally:
        for descriptor in reversed(descriptors):
            os.close(descriptor)
    return Answer(True)
