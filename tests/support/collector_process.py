"""A collector as a process of its own, and a receiver of its alerts, for tests."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from collector.alerts.message import HEADER, verify

SECRET = b"0123456789abcdef-for-tests"
COMMAND = Path(sys.executable).with_name("ringfence-collector")


@dataclass
class Receiver:
    """
    Takes alerts over HTTP and remembers them.

    Attributes:
        ids: Every alert's id, as often as it came.
        latencies: Milliseconds from the kernel's time to arrival, in the order of `ids`.
        forged: Requests whose signature was wrong.
    """

    ids: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    forged: int = 0
    status: int = 204
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, body: bytes, signature: str) -> int:
        now = time.time_ns()
        with self.arrived:
            if not verify(SECRET, body, signature, now // 1_000_000_000):
                self.forged += 1
            elif self.status < 300:
                for alert in json.loads(body)["alerts"]:
                    self.ids.append(alert["id"])
                    self.latencies.append((now - int(alert["violation"]["unix_ns"])) / 1e6)
            self.arrived.notify_all()
        return self.status

    def wait(self, distinct: int, timeout: float = 30) -> set[str]:
        """The ids, once there are this many different ones; whatever there is after `timeout` seconds."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(set(self.ids)) >= distinct, timeout)
            return set(self.ids)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            if len(body := self.rfile.read(length)) < length:
                self.close_connection = True  # the sender died meanwhile
                return
            self.send_response(receiver.take(body, self.headers[HEADER]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class CollectorProcess:
    """`ringfence-collector` with its state in `directory`; ready when the constructor returns."""

    def __init__(
        self, directory: Path, receiver: Receiver | None = None, *flags: str, grpc: str = "127.0.0.1:0"
    ) -> None:
        command = [str(COMMAND), "--grpc-listen", grpc, "--web-listen", "127.0.0.1:0"]
        command += ["--state-dir", str(directory / "state"), "--config", str(_empty(directory)), *flags]
        if receiver is not None:
            command += ["--alerts-file", str(write_alert_rules(directory, receiver.url))]
        self.log = directory / "log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        if self._process.stdout is None:
            raise RuntimeError("no stdout")
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self._process.wait(10)
            raise RuntimeError(f"the collector did not start: {self.log.read_text()}")
        facts = dict(part.split("=", 1) for part in line.split()[1:])
        self.pid = self._process.pid
        self.grpc, self.web, self.token = (
            facts["grpc"],
            f"http://{facts['web']}",
            Path(facts["token"]).read_text().strip(),
        )

    def client(self) -> httpx.Client:
        """A client of its REST API that bears the token."""
        return httpx.Client(
            base_url=self.web, headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False
        )

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(20)


def write_alert_rules(directory: Path, url: str) -> Path:
    """A file with one rule, for every violation, and one receiver at `url`."""
    secret = directory / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    rules = directory / "alerts.toml"
    rules.write_text(
        f'[[receivers]]\nname = "soc"\nurl = "{url}"\nsecret_file = "{secret}"\n\n'
        '[[rules]]\nname = "all"\nreceivers = ["soc"]\n'
    )
    return rules


def _empty(directory: Path) -> Path:
    config = directory / "collector.toml"
    config.touch()
    return config
