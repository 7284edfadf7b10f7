"""Processes that do one thing when they are told to."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TRY = """
import socket, sys
for line in sys.stdin:
    try:
        bind, _, address = line.strip().partition(" ")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            if bind:
                s.bind((address, 0))
            else:
                s.connect(("127.0.0.1", 9))
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that connects when told to."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, cgroup: Path | None = None) -> "Worker":
        """Start one, in that cgroup or where we are."""
        command = [sys.executable, "-c", _TRY]
        worker = cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        if cgroup is not None:
            worker.enter(cgroup)
        return worker

    def connect(self) -> int:
        """Connect a datagram socket; errno, 0 if it was allowed."""
        return self._try("")

    def bind(self, address: str) -> int:
        """Bind a datagram socket; errno, 0 if it was allowed."""
        return self._try(f"bind {address}")

    def _try(self, what: str) -> int:
        assert self.process.stdin and self.process.stdout
        print(what, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def enter(self, cgroup: Path) -> None:
        (cgroup / "cgroup.procs").write_text(str(self.process.pid))

    def stop(self) -> None:
        """It has ended when this returns."""
        self.process.kill()
        self.process.communicate()
