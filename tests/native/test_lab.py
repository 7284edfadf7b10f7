"""`vagrant/lab run`: the guest command's streams, signals and exit status are its own, and nothing is left behind."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
LAB = TREE / "vagrant" / "lab"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="found a user, required root: the lab shares the root file system"
)


def test_streams_status_and_files(tmp_path: Path) -> None:
    """Streams are binary and apart, input arrives, the directory is the caller's, `--out` alone is written to."""
    every_byte = bytes(range(256))
    script = (
        f"cat; printf '\\377' >&2; pwd > {tmp_path}/where; echo lost > /var/tmp/lab-test-lost; (sleep 600 &); exit 7"
    )

    done = subprocess.run(
        [LAB, "run", "--timeout", "120", "--out", tmp_path, "--", "sh", "-c", script],
        input=every_byte * 999,
        capture_output=True,
        cwd=TREE / "tests",
        timeout=150,
        check=False,
    )

    assert (done.returncode, done.stderr) == (7, b"\xff")
    assert every_byte * 999 == done.stdout
    assert f"{TREE}/tests\n" == (tmp_path / "where").read_text()
    assert not Path("/var/tmp/lab-test-lost").exists()


def test_a_command_need_not_read_its_input() -> None:
    """More input than the wires hold does not keep the output from coming."""
    done = subprocess.run(
        [LAB, "run", "--timeout", "120", "--", "sh", "-c", "head -c 3000000 /dev/zero; head -c 5"],
        input=b"input" * 1000000,
        capture_output=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout == b"\0" * 3000000 + b"input"


def test_interrupt_ends_the_command_and_leaves_nothing() -> None:
    """SIGINT to the lab is SIGINT to the command, which cleans up and decides the status; then nothing runs on."""
    lab = subprocess.Popen(
        [
            LAB,
            "run",
            "--timeout",
            "120",
            "--",
            "bash",
            "-c",
            "trap 'echo bye; exit 9' INT; echo up; while :; do sleep 1; done",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert lab.stdout is not None
    assert lab.stdout.readline() == b"up\n"
    children = Path(f"/proc/{lab.pid}/task/{lab.pid}/children").read_text().split()

    lab.send_signal(signal.SIGINT)
    rest, _ = lab.communicate(timeout=60)

    assert (rest, lab.returncode) == (b"bye\n", 9)
    assert len(children) == 2
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_a_dead_guest_is_told_with_its_last_words() -> None:
    """A kernel that panics has no exit status to give: 125, and the end of its console."""
    done = subprocess.run(
        [LAB, "run", "--timeout", "120", "--", "sh", "-c", "echo c > /proc/sysrq-trigger"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 125
    assert b"without an exit status" in done.stderr
    assert b"sysrq" in done.stderr


def test_time_is_up() -> None:
    """124 when the time was up, as with timeout(1)."""
    done = subprocess.run(
        [LAB, "run", "--timeout", "0.5", "--", "sleep", "600"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 124
