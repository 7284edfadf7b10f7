"""A collector of its own for a test: the real program, in a state directory that goes with it."""

import contextlib
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_READY = re.compile(r"ready grpc=(\S+) web=(\S+) token=(.+)")
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Collector:
    """Where it listens, and the token that its API wants."""

    grpc: str
    web: str
    token: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://{self.web}"


@contextlib.contextmanager
def running_collector(state: Path, web: str = "127.0.0.1:0", grpc: str = "127.0.0.1:0") -> Iterator[Collector]:
    """Started and ready on enter, ended on exit; port 0 picks a free one."""
    state.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).parent / "ringfence-collector"
    arguments: list[str | Path] = [program, "--grpc-listen", grpc, "--web-listen", web, "--state-dir", state]
    with (state / "stderr").open("a") as log:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment())
        try:
            grpc_at, web_at, token = _wait_until_ready(process, state / "stderr")
            yield Collector(grpc_at, web_at, Path(token).read_text().strip(), process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment() -> dict[str, str]:
    """Settings of the person who runs the tests are not those of the collector under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}


def _wait_until_ready(process: subprocess.Popen[str], log: Path) -> tuple[str, str, str]:
    assert process.stdout is not None
    deadline = time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            line = process.stdout.readline()
            if match := _READY.match(line.strip()):
                return match[1], match[2], match[3]
            if not line:
                break
    raise RuntimeError(f"the collector did not get ready:\n{log.read_text()[-4000:]}")
