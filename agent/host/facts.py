"""
Facts of this machine, each read where the kernel tells it. None: it could not be told.

Everything is read below `root`, so that tests can lay a machine out in a directory.
"""

import ctypes
import platform
import re
from dataclasses import dataclass
from pathlib import Path

LSM_FILE = "/sys/kernel/security/lsm"
BTF_FILE = "/sys/kernel/btf/vmlinux"
BPFFS = "/sys/fs/bpf"
_LSM_LIST_MODULES = 461  # the same number on every architecture
_LSM_NAMES = dict(  # LSM_ID_* of linux/lsm.h
    enumerate(
        (
            *("capability", "selinux", "smack", "tomoyo", "apparmor", "yama", "loadpin", "safesetid", "lockdown"),
            *("bpf", "landlock", "ima", "evm", "ipe"),
        ),
        start=100,
    )
)
_BCC_FILES = (
    "/usr/lib/python3/dist-packages/bcc/__init__.py",
    "/usr/lib/python3/site-packages/bcc/__init__.py",
)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """
    Attributes:
        kernel: Release, e.g. "6.12.0-amd64".
        lsms: Active security modules in their order; None: securityfs is not mounted or may not be read.
        lsm_configured: What the kernel was built with (CONFIG_LSM) or told (`lsm=`), where `lsms` is None.
        btf_bytes: Size of the kernel's type information; 0: it has none.
        lockdown: "none", "integrity" or "confidentiality".
        cgroup_mount: Where cgroup v2 is mounted; None: it is not.
        cgroup_hybrid: Whether version 1 controllers are mounted beside it.
        host_cgroup_namespace: Whether we see the same cgroup tree as PID 1.
        bpffs: Whether /sys/fs/bpf is a BPF file system.
        preemption: "none", "voluntary", "full", "lazy".
        bcc: Where the compiler's Python package is; it is not imported.
        gate_at_boot: Whether the kernel command line says `ringfence=off`.
    """

    kernel: str
    machine: str
    lsms: tuple[str, ...] | None
    lsm_configured: str | None
    btf_bytes: int
    lockdown: str | None
    cgroup_mount: str | None
    cgroup_hybrid: bool
    host_cgroup_namespace: bool | None
    bpffs: bool
    preemption: str | None
    bcc: str | None
    gate_at_boot: bool
    ftrace_enabled: bool | None


def gather(root: Path = Path("/")) -> HostFacts:
    """Read them all; takes milliseconds."""
    mounts = _mounts(root)
    command_line = _text(root, "/proc/cmdline") or ""
    cgroup2 = [where for kind, where in mounts if kind == "cgroup2"]
    return HostFacts(
        kernel=(_text(root, "/proc/sys/kernel/osrelease") or platform.release()).strip(),
        machine=platform.machine(),
        lsms=_lsms(root),
        lsm_configured=_argument(command_line, "lsm"),
        btf_bytes=_size(root, BTF_FILE),
        lockdown=_chosen(_text(root, "/sys/kernel/security/lockdown")),
        cgroup_mount=cgroup2[0] if cgroup2 else None,
        cgroup_hybrid=any(kind == "cgroup" for kind, _ in mounts),
        host_cgroup_namespace=_same_namespace(root),
        bpffs=any(kind == "bpf" and where == BPFFS for kind, where in mounts),
        preemption=_preemption(root, command_line),
        bcc=next((path for path in _BCC_FILES if _below(root, path).exists()), None),
        gate_at_boot="ringfence=off" in command_line.split(),
        ftrace_enabled=_flag(root, "/proc/sys/kernel/ftrace_enabled"),
    )


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _text(root: Path, path: str) -> str | None:
    try:
        return _below(root, path).read_text(errors="surrogateescape")
    except OSError:
        return None


def _size(root: Path, path: str) -> int:
    try:
        return _below(root, path).stat().st_size
    except OSError:
        return 0


def _flag(root: Path, path: str) -> bool | None:
    text = _text(root, path)
    return None if text is None else text.strip() == "1"


def _lsms(root: Path) -> tuple[str, ...] | None:
    """From securityfs; where that is not mounted, of this machine, from lsm_list_modules(2) (since Linux 6.8)."""
    text = _text(root, LSM_FILE)
    if text:
        return tuple(text.strip().split(","))
    return _listed() if root == Path("/") else None


def _listed() -> tuple[str, ...] | None:
    numbers, size = (ctypes.c_uint64 * 64)(), ctypes.c_uint32(64 * 8)
    count = ctypes.CDLL(None).syscall(_LSM_LIST_MODULES, numbers, ctypes.byref(size), 0)
    return tuple(_LSM_NAMES.get(number, str(number)) for number in numbers[:count]) if count > 0 else None


def _mounts(root: Path) -> list[tuple[str, str]]:
    """(type, mount point) of every mount; the fields of proc_pid_mountinfo(5)."""
    mounts = []
    for line in (_text(root, "/proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if after and len(fields) > 4:
            mounts.append((after.partition(" ")[0], fields[4]))
    return mounts


def _chosen(text: str | None) -> str | None:
    """The word in brackets: `none [integrity] confidentiality`."""
    match = re.search(r"\[(\w+)]", text or "")
    return match[1] if match else None


def _argument(command_line: str, name: str) -> str | None:
    found = [word.partition("=")[2] for word in command_line.split() if word.startswith(f"{name}=")]
    return found[-1] if found else None


def _preemption(root: Path, command_line: str) -> str | None:
    """From debugfs where it is mounted, else the command line, else what the kernel calls itself (uname -v)."""
    if chosen := _parenthesised(_text(root, "/sys/kernel/debug/sched/preempt")):
        return chosen
    if told := _argument(command_line, "preempt"):
        return told
    version = _text(root, "/proc/sys/kernel/version")
    if version is None:
        return None
    for word, mode in (("PREEMPT_RT", "full"), ("PREEMPT_DYNAMIC", "voluntary"), ("PREEMPT_LAZY", "lazy")):
        if word in version:
            return mode
    return "full" if "PREEMPT" in version else "voluntary"


def _parenthesised(text: str | None) -> str | None:
    match = re.search(r"\((\w+)\)", text or "")
    return match[1] if match else None


def _same_namespace(root: Path) -> bool | None:
    try:
        ours = _below(root, "/proc/self/ns/cgroup").readlink()
        return ours == _below(root, "/proc/1/ns/cgroup").readlink()
    except OSError:
        return None
