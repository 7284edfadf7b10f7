"""
The demo itself: a collector, an agent, a service in a cgroup of its own, a policy, an attack, and what became of it.

Exits with 0 exactly if every attempt went as the policy says. Leaves nothing behind.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from attempts import ATTACKER, ATTEMPTS, DATABASE, HOME, Attempt
from receiver import Receiver
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
ALERT_SECONDS = 5.0
SAYS = {"done": "allow", "EPERM": "deny", "SIGKILL": "kill"}
console = Console(highlight=False, width=118 if not sys.stdout.isatty() else None)


@dataclass(frozen=True, slots=True)
class Result:
    attempt: Attempt
    answer: str
    alert_ms: float | None

    @property
    def as_expected(self) -> bool:
        alerted = self.alert_ms is not None
        return self.answer == self.attempt.expected and alerted == (self.attempt.expected != "done")


def fail(message: str) -> NoReturn:
    raise SystemExit(f"demo: {message}")


@contextlib.contextmanager
def ended(process: subprocess.Popen[str], name: str) -> Iterator[subprocess.Popen[str]]:
    """End the process on the way out."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                print(f"demo: {name} did not end, killed", file=sys.stderr)
                process.kill()
                process.wait()


@contextlib.contextmanager
def receiver(directory: Path) -> Iterator[Receiver]:
    secret = directory / "webhook-secret"
    secret.touch(0o600)
    secret.write_text(secrets.token_hex(32))
    running = Receiver(secret.read_bytes())
    (directory / "alerts.toml").write_text(
        f'[[receivers]]\nname = "soc"\nurl = "{running.url}"\nsecret_file = "{secret}"\n\n'
        '[[rules]]\nname = "everything"\nseverity = "info"\nreceivers = ["soc"]\n'
    )
    try:
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def collector(directory: Path, port: int) -> Iterator[dict[str, str]]:
    """A collector that is ready; what it said then: grpc, web, token."""
    command = [BIN / "ringfence-collector", "--grpc-listen", "127.0.0.1:0", "--web-listen", f"127.0.0.1:{port}"]
    command += ["--state-dir", directory / "collector", "--alerts-file", directory / "alerts.toml"]
    log = (directory / "collector.log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    with ended(process, "the collector"):
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if words[:1] != ["ready"]:
            fail(f"the collector did not start:\n{(directory / 'collector.log').read_text()}")
        yield dict(word.split("=", 1) for word in words[1:])


@contextlib.contextmanager
def agent(directory: Path, grpc: str, programs: Path | None) -> Iterator[dict[str, str]]:
    """An agent that is ready; the environment in which agentctl finds it."""
    config = directory / "agent.toml"
    lines = [
        f'state = "{directory}/agent"',
        f'socket = "{directory}/agent.sock"',
        f'node = "{socket.gethostname() or "demo"}"',
    ]
    lines += [f'cache = ["{programs}"]'] if programs else [f'cache = ["{directory}/programs"]']
    config.write_text("\n".join([*lines, "[collector]", f'address = "{grpc}"']) + "\n")
    log = directory / "agent.log"
    with log.open("w") as stderr:
        process = subprocess.Popen([BIN / "ringfence-agent", "run", "--config", config], stderr=stderr, text=True)
    with ended(process, "the agent"):
        try:
            wait_ready(process, log)
            yield os.environ | {"RINGFENCE_SOCKET": f"{directory}/agent.sock"}
        finally:
            process.terminate()
            process.wait(20)
            subprocess.run([BIN / "ringfence-agent", "uninstall", "--config", config], check=False, capture_output=True)


def wait_ready(process: subprocess.Popen[str], log: Path) -> None:
    """Until the agent's log says that it is ready: it waits for the kernel to verify the programs."""
    with log.open() as lines:
        while True:
            line = lines.readline()
            if '"ready"' in line:
                return
            if not line:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
                    fail(f"the agent did not start:\n{log.read_text()}")


class Service:
    """The attacked service, in a cgroup of its own."""

    def __init__(self, cgroup: Path) -> None:
        enter = 'echo 0 >"$0/cgroup.procs" && exec "$@"'
        command = ["/bin/sh", "-c", enter, str(cgroup), "/usr/bin/python3", str(HERE / "service.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        if self._answer() != "serving":
            fail("the service did not start")

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tries(self, attempt: Attempt) -> str:
        assert self.process.stdin is not None
        print(attempt.verb, attempt.argument, file=self.process.stdin, flush=True)
        return self._answer()


@contextlib.contextmanager
def workload() -> Iterator[Service]:
    """Files, peers and cgroup of the shop, with its service running."""
    cgroup = cgroup_mount() / "ringfence-demo"
    shop = Path(HOME)
    for name in ("www", "private"):
        (shop / name).mkdir(parents=True, exist_ok=True)
    (shop / "www" / "index.html").write_text("<h1>Shop</h1>\n")
    (shop / "private" / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    cgroup.mkdir(exist_ok=True)
    with listening(*DATABASE), listening(*ATTACKER):
        service = Service(cgroup)
        try:
            with ended(service.process, "the service"):
                yield service
        finally:
            cgroup.rmdir()
            shutil.rmtree(shop.parent, ignore_errors=True)
            shutil.rmtree("/tmp/.x", ignore_errors=True)


def cgroup_mount() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(mount)
    fail("no cgroup v2 is mounted")


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Somebody who answers there; whoever listens already will do as well."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            server.bind((host, port))
            server.listen(64)
        yield


def attack(service: Service, alerts: Receiver) -> list[Result]:
    results = []
    for attempt in ATTEMPTS:
        began = time.time_ns()
        answer = service.tries(attempt)
        alert = alerts.wait(attempt.rule, attempt.object, began, ALERT_SECONDS) if attempt.expected != "done" else None
        results.append(Result(attempt, answer, alert))
    return results


def show(results: list[Result]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("the service …", "the policy says", "the kernel answers", "alert after", ""):
        table.add_column(heading, justify="right" if heading == "alert after" else "left", no_wrap=True)
    for result in results:
        attempt, blocked = result.attempt, result.answer != "done"
        table.add_row(
            attempt.what,
            f"{SAYS[attempt.expected]}  ({attempt.rule})",
            f"[red]{result.answer}[/red]" if blocked else f"[green]{result.answer}[/green]",
            f"{result.alert_ms:.1f} ms" if result.alert_ms is not None else "none",
            "as the policy says"
            if result.as_expected
            else f"[bold red]NOT as expected ({attempt.expected})[/bold red]",
        )
    console.print(table)


def summary(results: list[Result]) -> str:
    times = sorted(result.alert_ms for result in results if result.alert_ms is not None)
    p50 = statistics.median(times) if times else float("nan")
    p99 = times[min(len(times) - 1, round(0.99 * len(times)))] if times else float("nan")
    expected, blocked = (
        sum(result.as_expected for result in results),
        sum(result.answer != "done" for result in results),
    )
    return (
        f"demo: {len(results)} attempts, {expected} as expected, {blocked} blocked in the kernel, "
        f"alert p50 {p50:.1f} ms p99 {p99:.1f} ms"
    )


def agentctl(environment: dict[str, str], *arguments: str | Path) -> None:
    console.print(f"[bold]$ agentctl {' '.join(map(str, arguments))}[/bold]")
    done = subprocess.run([BIN / "agentctl", *arguments], env=environment, check=False)
    if done.returncode:
        fail(f"agentctl ended with {done.returncode}")


def relay(port: int) -> None:
    """In the guest: from its network card, where the host's connections arrive, to the collector's loopback address."""
    address = next(
        word.split("/")[0]
        for line in subprocess.run(
            ["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for word in [line.split()[3]]
        if not word.startswith("127.")
    )
    server = socket.create_server((address, port))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            outside, _ = server.accept()
            inside = socket.create_connection(("127.0.0.1", port))
            for pair in ((outside, inside), (inside, outside)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def stay(port: int, token: Path) -> None:
    """Show where to look until Ctrl-C."""
    console.print(f"\nLook at it:  http://127.0.0.1:{port}/#token={token.read_text().strip()}", soft_wrap=True)
    console.print("Ctrl-C ends it and takes everything away.")
    with contextlib.suppress(KeyboardInterrupt):
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def run(options: argparse.Namespace, directory: Path) -> int:
    with receiver(directory) as alerts, collector(directory, options.port) as where:
        if options.guest:
            relay(options.port)
        with workload() as service, agent(directory, where["grpc"], options.programs) as environment:
            through = sum(service.tries(attempt) == "done" for attempt in ATTEMPTS)
            (Path(HOME) / "www" / "shell.php").unlink(missing_ok=True)
            console.print("A web service runs, and somebody got in.")
            console.print(f"Without a policy {through} of {len(ATTEMPTS)} attempts succeed.\n")
            agentctl(environment, "policy", "push", HERE / "policy.yaml")
            console.print()
            results = attack(service, alerts)
            show(results)
            console.print()
            agentctl(environment, "violations", "tail", "-n", "3")
            if options.stay:
                stay(options.port, Path(where["token"]))
            agentctl(environment, "policy", "delete", "shop")
    print(summary(results), flush=True)
    return 0 if all(result.as_expected for result in results) else 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--guest", action="store_true")
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ringfence-demo-", dir="/run") as directory:
        try:
            return run(options, Path(directory))
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
