"""Facts of machines laid out in directories, and what doctor says of them."""

from pathlib import Path

import pytest

from agent.host import facts
from agent.host.checks import FAIL, OK, WARN, checks

GOOD = {
    "proc/sys/kernel/osrelease": "6.12.0-amd64\n",
    "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian\n",
    "proc/sys/kernel/ftrace_enabled": "1\n",
    "proc/cmdline": "root=/dev/vda quiet\n",
    "proc/self/mountinfo": (
        "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n31 1 0:27 / /sys/fs/bpf rw - bpf bpf rw\n"
    ),
    "sys/kernel/security/lsm": "lockdown,capability,bpf",
    "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
    "sys/kernel/btf/vmlinux": "x" * 4096,
    "usr/lib/python3/dist-packages/bcc/__init__.py": "raise ImportError('nobody imports me')",
}


def machine(root: Path, **changes: str | None) -> facts.HostFacts:
    """Facts of a good machine with some files changed; None: absent. Names have `__` for `/`."""
    files = GOOD | {name.replace("__", "/"): text for name, text in changes.items()}
    for name, text in files.items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    return facts.gather(root)


def result(found: facts.HostFacts, name: str) -> tuple[str, str]:
    return next((check.result, check.hint) for check in checks(found) if check.name == name)


def test_good_machine_passes_every_check(tmp_path: Path) -> None:
    """Nothing to do where everything is as it should be."""
    found = machine(tmp_path)

    assert {OK} == {check.result for check in checks(found)}
    assert (found.kernel, found.lsms, found.lockdown) == (
        "6.12.0-amd64",
        ("lockdown", "capability", "bpf"),
        "integrity",
    )
    assert (
        found.btf_bytes,
        found.cgroup_mount,
        found.bpffs,
        found.preemption,
    ) == (4096, "/sys/fs/cgroup", True, "voluntary")


@pytest.mark.parametrize(
    ("change", "check", "expected", "hint"),
    [
        ({"sys__kernel__security__lsm": "lockdown,apparmor"}, "lsm", FAIL, "lsm=lockdown,apparmor,bpf"),
        ({"sys__kernel__btf__vmlinux": None}, "btf", FAIL, "CONFIG_DEBUG_INFO_BTF"),
        ({"sys__kernel__security__lockdown": "none integrity [confidentiality]"}, "lockdown", FAIL, "integrity"),
        ({"proc__self__mountinfo": "30 1 0:26 / /x rw - cgroup cgroup rw\n"}, "cgroup", FAIL, "mount -t cgroup2"),
        ({"proc__sys__kernel__ftrace_enabled": "0"}, "ftrace", FAIL, "kernel.ftrace_enabled=1"),
        ({"proc__cmdline": "quiet ringfence=off"}, "gate", WARN, "allowed"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(
    tmp_path: Path, change: dict[str, str | None], check: str, expected: str, hint: str
) -> None:
    """A check that does not pass tells a person the next step."""
    found = result(machine(tmp_path, **change), check)

    assert expected == found[0]
    assert hint in found[1]


def test_compiler_is_found_without_importing_it(tmp_path: Path) -> None:
    """BCC's file is enough: importing it would cost the agent 60 MB."""
    assert machine(tmp_path).bcc == "/usr/lib/python3/dist-packages/bcc/__init__.py"


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ({"proc__cmdline": "preempt=full"}, "full"),
        ({"sys__kernel__debug__sched__preempt": "none voluntary (full)"}, "full"),
        ({"proc__sys__kernel__version": "#1 SMP PREEMPT_RT"}, "full"),
        ({"proc__sys__kernel__version": "#1 SMP"}, "voluntary"),
    ],
)
def test_preemption_mode(tmp_path: Path, change: dict[str, str], mode: str) -> None:
    """debugfs first, then the command line, then what the kernel calls itself."""
    assert mode == machine(tmp_path, **change).preemption
