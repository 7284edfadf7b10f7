"""
KVM where it works, emulation elsewhere.

A /dev/kvm that opens proves nothing: in a virtual machine without full nesting QEMU aborts or hangs. So each kernel is
tried once, for a few seconds, and the answer is kept until the kernel, QEMU or this machine changes.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from labkit.kernels import CACHE, Kernel, write_whole
from labkit.machine import QEMU, Accelerator

TRIAL_SECONDS = 10.0


def choose(kernel: Kernel, boots: Callable[[Accelerator, float], bool]) -> Accelerator:
    """
    The accelerator for a kernel on this machine.

    Args:
        kernel: What is to be booted.
        boots: Whether a guest runs `true` under an accelerator within so many seconds.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Accelerator.TCG
    answer = CACHE / "kvm" / f"{_fingerprint(kernel)}.json"
    if not answer.exists():
        answer.parent.mkdir(parents=True, exist_ok=True)
        write_whole(answer, json.dumps({"works": boots(Accelerator.KVM, TRIAL_SECONDS)}).encode())
    return Accelerator.KVM if json.loads(answer.read_bytes())["works"] else Accelerator.TCG


def _fingerprint(kernel: Kernel) -> str:
    qemu = shutil.which(QEMU)
    modified = Path(qemu).stat().st_mtime_ns if qemu else 0
    parts = (kernel.release, qemu, modified, *platform.uname(), _processor())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    return next((line for line in lines if line.startswith("model name")), "")
