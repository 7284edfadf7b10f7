"""A real ringfence-agent with files, pins and socket of its own, and agentctl to talk to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ringfence.v1 import agent_pb2_grpc

from agent.cli.client import agent as connect

BIN = Path(sys.executable).parent
START_SECONDS = 120.0


@dataclass
class AgentProcess:
    """
    Attributes:
        directory: Where its configuration, state and socket are.
        more: Lines of TOML to add to its configuration.
    """

    directory: Path
    pins: Path
    cache: Path
    more: str = ""
    process: subprocess.Popen[str] | None = None
    listener: threading.Thread | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = self.directory / "agent.sock"
        self.config = self.directory / "agent.toml"
        paths = {"socket": self.socket, "state": self.directory / "state", "pins": self.pins}
        lines = ['node = "test"', f'cache = ["{self.cache}"]', *(f'{key} = "{path}"' for key, path in paths.items())]
        self.config.write_text("\n".join([*lines, self.more]) + "\n")

    def start(self) -> "AgentProcess":
        """Start it; it is ready when this returns."""
        command = [BIN / "ringfence-agent", "run", "--config", self.config]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if self._heard(line) == "ready":
                self.listener = threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True)
                self.listener.start()
                return self
        raise AssertionError(f"the agent ended with {self.process.wait()}: {self.lines}")

    def _listen(self, stderr: IO[str]) -> None:
        """To the end, which children keep open as long as they live: a pipe that nobody reads would stop the agent."""
        for line in stderr:
            self._heard(line)

    def _heard(self, line: str) -> str:
        try:
            self.lines.append(json.loads(line))
        except ValueError:
            self.lines.append({"event": line.strip()})
        return str(self.lines[-1]["event"])

    def started(self) -> dict[str, Any]:
        """What it logged when it had the kernel."""
        return next(line for line in reversed(self.lines) if line["event"] == "started")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; its exit status."""
        assert self.process is not None and self.listener is not None
        self.process.send_signal(number)
        self.listener.join(30)
        return self.process.wait(30)

    def stop(self) -> None:
        """Stop it if it runs; whatever state a test has left it in, it is gone then."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.end()
        finally:
            self.process.kill()
            self.process.wait(10)

    @contextmanager
    def stub(self) -> Iterator[agent_pb2_grpc.AgentServiceStub]:
        with connect(str(self.socket)) as stub:
            yield stub

    def agentctl(self, *arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run agentctl as a person would."""
        environment = os.environ | {"RINGFENCE_SOCKET": str(self.socket), "NO_COLOR": "1"}
        command = [BIN / "agentctl", *arguments]
        return subprocess.run(
            command, env=environment, input=text, capture_output=True, text=True, timeout=120, check=False
        )

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another command of ringfence-agent."""
        command = [BIN / "ringfence-agent", *arguments, "--config", self.config]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def push(self, yaml: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Push a policy; the test fails if it is refused."""
        done = self.agentctl("policy", "push", "-", *options, text=yaml)
        assert done.returncode == 0, done.stderr
        return done


def network_policy(name: str, *scopes: str, action: str = "deny") -> str:
    """A policy that decides about connections to the discard port of this machine."""
    listed = "".join(f"    - cgroup: {json.dumps(scope)}\n" for scope in scopes)
    return (
        f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  scope:\n{listed}"
        "  rules:\n    - id: no-discard\n      network: {operations: [connect], to: [127.0.0.1/32], ports: [9]}\n"
        f"      action: {action}\n      severity: high\n"
    )
