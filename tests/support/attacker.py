"""A process that connects over and over when told to, at a steady pace, and counts what the kernel answered."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_LOOP = """
import collections, json, socket, sys, time
for line in sys.stdin:
    host, port, count, rate = line.split()
    answers, began = collections.Counter(), time.monotonic()
    for number in range(int(count)):
        if float(rate):
            time.sleep(max(0.0, began + number / float(rate) - time.monotonic()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            answers[s.connect_ex((host, int(port)))] += 1
    print(json.dumps([list(answers.items()), time.monotonic() - began]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Volley:
    """
    Attributes:
        answers: How often each errno came; 0 for what was allowed.
        seconds: From the first attempt to the last.
    """

    answers: dict[int, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Attacker:
    """Talks to its process over pipes, which no network rule concerns."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, cgroup: Path | None = None) -> "Attacker":
        """Start one, and put it into that cgroup."""
        command = [sys.executable, "-c", _LOOP]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if cgroup is not None:
            (cgroup / "cgroup.procs").write_text(str(process.pid))
        return cls(process)

    def begin(self, host: str = "127.0.0.1", port: int = 9, count: int = 1, rate: float = 0) -> None:
        """Attempts a second; 0: as fast as it can."""
        assert self.process.stdin
        print(host, port, count, rate, file=self.process.stdin, flush=True)

    def answer(self) -> Volley:
        """What came of what was begun, when it is over."""
        assert self.process.stdout
        answers, seconds = json.loads(self.process.stdout.readline())
        return Volley(dict(answers), seconds)

    def attempt(self, host: str = "127.0.0.1", port: int = 9, count: int = 1, rate: float = 0) -> Volley:
        self.begin(host, port, count, rate)
        return self.answer()

    def stop(self) -> None:
        """It has ended when this returns."""
        self.process.kill()
        self.process.communicate()
