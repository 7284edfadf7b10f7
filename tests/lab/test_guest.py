"""What every other test here relies on: the guest is the kernel that was asked for, and can enforce."""

import os
import subprocess
from pathlib import Path


def test_lsm_programs_can_be_active() -> None:
    """Debian's kernels have BPF in their LSM list without any boot argument."""
    assert "bpf" in Path("/sys/kernel/security/lsm").read_text().split(",")


def test_file_systems_of_a_node_are_mounted() -> None:
    """What the agent looks for is where it is on a real node."""
    assert Path("/sys/fs/cgroup/cgroup.procs").exists()
    assert Path("/sys/kernel/btf/vmlinux").stat().st_size > 0
    assert Path("/sys/kernel/tracing/trace").exists()
    assert os.statvfs("/sys/fs/bpf").f_bsize > 0


def test_nothing_written_reaches_the_host() -> None:
    """The host's files can be written to as far as the guest can see, but its own file system refuses."""
    Path("/etc/ringfence-lab-was-here").write_text("in memory")

    done = subprocess.run(
        ["sh", "-c", "mkdir -p /host && mount -t virtiofs root /host; touch /host/etc/x"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
