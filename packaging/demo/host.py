"""
Run the demo where BPF LSM programs load: on this machine, or in the lab's guest.

All of it runs in one place (agent, collector, alert receiver, the attacked service), so that one clock measures it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BIN = TREE / ".venv" / "bin"
KERNEL = "6.12"
GUEST_SECONDS = 24 * 3600


def why_not_here() -> str:
    """Why this kernel cannot enforce file and exec rules; empty if it can."""
    if os.geteuid() != 0:
        return "not root"
    doctor = subprocess.run([BIN / "ringfence-agent", "doctor", "--json"], capture_output=True, text=True, check=False)
    try:
        levels = {level["class"]: level for level in json.loads(doctor.stdout)["levels"]}
    except (ValueError, KeyError):
        return f"`ringfence-agent doctor` says: {doctor.stderr.strip() or doctor.stdout.strip()}"
    return "" if levels["exec"]["level"] == "enforced" else levels["exec"]["why"]


def free_port(wanted: int) -> int:
    """`wanted` on 127.0.0.1, or another one if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def guest_programs() -> Path:
    """Where the BPF programs for the guest's kernel are: compiled here, since a compiler is slow under emulation."""
    done = subprocess.run(
        [BIN / "python", "-m", "tests.lab.programs", "--kernel", KERNEL],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"error: cannot compile the programs for the guest\n{done.stderr}")
    return Path(done.stdout.strip().splitlines()[-1])


def scenario(port: int, stay: bool, *more: str) -> list[str]:
    return [
        str(BIN / "python"),
        str(TREE / "packaging" / "demo" / "scenario.py"),
        f"--port={port}",
        *(["--stay"] if stay else []),
        *more,
    ]


def in_guest(port: int, stay: bool) -> list[str]:
    programs = guest_programs()
    lab = [TREE / "vagrant" / "lab", "run", "--kernel", KERNEL, "--forward", f"{port}:{port}"]
    lab += ["--timeout", str(GUEST_SECONDS if stay else 240)]
    return [*map(str, lab), "--", *scenario(port, stay, "--guest", f"--programs={programs}")]


def main() -> int:
    stay = sys.stdout.isatty() and not os.environ.get("ONCE")
    port = free_port(8080)
    if why := why_not_here():
        print(
            f"This kernel cannot enforce every rule ({why}): all of it runs in a guest with Debian's {KERNEL}.",
            flush=True,
        )
        command = in_guest(port, stay)
    else:
        command = scenario(port, stay)
    process = subprocess.Popen(command, cwd=TREE)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal tells the scenario too; it cleans up and ends


if __name__ == "__main__":
    sys.exit(main())
