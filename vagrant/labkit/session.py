"""
One boot: start the guest, give it its job, carry streams and signals, and end it.

Streams end with a token that is random for each boot, because a virtio port has no end of file that reaches the host.
"""

import contextlib
import functools
import os
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from labkit import machine as machines
from labkit import processes
from labkit.errors import LabError
from labkit.machine import Machine, Wires
from labkit.share import Share, serve
from labkit.streams import Feeder, Terminal, TokenStream

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 10.0
CONSOLE_TAIL = 64 * 1024
TIMED_OUT = 124


@dataclass(frozen=True, slots=True)
class Job:
    """
    What the guest is to do.

    Attributes:
        command: The command and its arguments.
        directory: Where it runs.
        tree: The working tree, visible at its own path.
        modules: The kernel's modules on this machine.
        outs: Directories whose contents reach this machine.
        systemd: Boot systemd, and run the command as a service of it.
        terminal: Give the command this machine's terminal.
        timeout: Seconds for everything, or None.
        console: Copy the guest's console to standard error.
    """

    command: tuple[str, ...]
    directory: Path
    tree: Path
    modules: Path
    outs: tuple[Path, ...] = ()
    systemd: bool = False
    terminal: bool = False
    timeout: float | None = None
    console: bool = False


def run(machine: Machine, job: Job, stdin: int, stdout: int, stderr: int) -> int:
    """
    Boot a machine, run a job in it, and end the guest.

    Returns:
        The command's exit status (128 + n when signal n ended it), or 124 when the time was up.

    Raises:
        LabError: The guest could not start, or died before the command ended.
    """
    return Session(machine, job, (stdin, stdout, stderr)).run()


class Session:
    """The state of one boot."""

    def __init__(self, machine: Machine, job: Job, standard: tuple[int, int, int]) -> None:
        self._machine = machine
        self._job = job
        self._token = secrets.token_hex(16)
        self._selector = selectors.DefaultSelector()
        self._stdin, stdout, stderr = standard
        names = ("terminal",) if job.terminal else ("stdout", "stderr")
        self._streams = {
            name: TokenStream(self._token.encode(), descriptor)
            for name, descriptor in zip(names, (stdout, stderr), strict=False)
        }
        self._sockets: dict[str, socket.socket] = {}
        self._console = bytearray()
        self._control = bytearray()
        self._status: int | None = None
        self._started = False
        self._interrupted: int | None = None
        self._deadline = None if job.timeout is None else time.monotonic() + job.timeout

    def run(self) -> int:
        """See `run`."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._catching_signals())
            shares = self._start_shares(stack)
            guest = self._start_guest(stack, shares)
            if self._job.terminal:
                terminal = stack.enter_context(Terminal(self._stdin, self._say_size))
                self._say_size(*terminal.size())
            return self._carry(guest)

    # -- starting

    def _start_shares(self, stack: contextlib.ExitStack) -> dict[str, socket.socket]:
        wanted = [Share("root", Path("/"), writable=False)]
        wanted += [Share(f"out{number}", out, writable=True) for number, out in enumerate(self._job.outs)]
        connections = {}
        for share in wanted:
            daemon, connection = serve(share)
            stack.callback(processes.end, daemon)
            connections[share.tag] = connection
        return connections

    def _start_guest(self, stack: contextlib.ExitStack, shares: dict[str, socket.socket]) -> subprocess.Popen[bytes]:
        names = ["console", "control", "stdin", "stdout", "stderr", *(["terminal"] if self._job.terminal else [])]
        theirs = {}
        for name in names:
            self._sockets[name], theirs[name] = socket.socketpair()
        wires = Wires(
            console=theirs["console"].fileno(),
            ports=[theirs[name].fileno() for name in ("control", "stdin", "stdout", "stderr")],
            shares={tag: connection.fileno() for tag, connection in shares.items()},
            terminal=theirs["terminal"].fileno() if self._job.terminal else None,
        )
        command = machines.command_line(self._machine, wires)
        guest = processes.start(command, pass_fds=wires.all())
        stack.callback(processes.end, guest)
        for ours in (*theirs.values(), *shares.values()):
            ours.close()
        self._sockets["control"].sendall(job_text(self._job, self._token, bool(self._machine.forwards)))
        return guest

    # -- carrying

    def _carry(self, guest: subprocess.Popen[bytes]) -> int:
        self._watch(os.pidfd_open(guest.pid), lambda: None)
        for name in ("console", "control", *self._streams):
            self._sockets[name].setblocking(False)
            self._watch(self._sockets[name], functools.partial(self._receive, name))
        self._feed()
        while not self._finished():
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if left is not None and left <= 0:
                return self._out_of_time()
            for key, _ in self._selector.select(left):
                key.data()
            if guest.poll() is not None:
                self._drain()
                break
        if self._status is None or not self._finished():
            raise self._died(guest)
        return self._status

    def _watch(self, source: int | socket.socket, ready: Callable[[], object]) -> None:
        self._selector.register(source, selectors.EVENT_READ, ready)

    def _finished(self) -> bool:
        return self._status is not None and all(stream.ended for stream in self._streams.values())

    def _receive(self, name: str) -> bool:
        """Take what one socket has; false if it has nothing more."""
        try:
            content = self._sockets[name].recv(1 << 18)
        except BlockingIOError:
            return False
        except ConnectionError:
            content = b""
        if not content:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._sockets[name])
            return False
        if name == "console":
            self._take_console(content)
        elif name == "control":
            self._take_control(content)
        else:
            self._streams[name].take(content)
        return True

    def _drain(self) -> None:
        for name in ("console", "control", *self._streams):
            while self._receive(name):
                pass

    def _take_console(self, content: bytes) -> None:
        self._console += content
        del self._console[:-CONSOLE_TAIL]
        if self._job.console:
            os.write(sys.stderr.fileno(), content)

    def _take_control(self, content: bytes) -> None:
        self._control += content
        while b"\n" in self._control:
            line, _, rest = bytes(self._control).partition(b"\n")
            self._control[:] = rest
            word, _, argument = line.partition(b" ")
            if word == b"start":
                self._started = True
            elif word == b"exit":
                self._status = int(argument)

    def _feed(self) -> None:
        """Standard input: keys of the terminal, of which one ends the guest, or bytes until their end."""
        terminal = self._job.terminal
        wire = self._sockets["terminal" if terminal else "stdin"].dup()
        Feeder(self._stdin, wire, self._selector, escape=(self._escaped if terminal else None)).begin()

    def _escaped(self) -> None:
        self._interrupted, self._deadline = signal.SIGKILL, time.monotonic()

    def _say_size(self, rows: int, columns: int) -> None:
        if self._started:
            self._sockets["control"].sendall(f"size {rows} {columns}\n".encode())

    # -- ending

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        """Turn signals into wake-ups of the selector: a handler of ours only notes what came."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._watch(reader, lambda: self._take_signals(reader.recv(64)))
        before = {number: signal.signal(number, _noted) for number in SIGNALS}
        wakeup = signal.set_wakeup_fd(writer.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _take_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number not in SIGNALS:
                continue
            if self._interrupted is None and self._started:
                self._sockets["control"].sendall(f"signal {signal.Signals(number).name[3:]}\n".encode())
                grace = time.monotonic() + GRACE
            else:  # nothing is running yet, or it was asked before
                grace = time.monotonic()
            self._interrupted = number
            self._deadline = grace if self._deadline is None else min(self._deadline, grace)

    def _out_of_time(self) -> int:
        for stream in self._streams.values():
            stream.flush()
        if self._interrupted is not None:
            return 128 + self._interrupted
        print(f"lab: time is up after {self._job.timeout:g} s", file=sys.stderr)
        return TIMED_OUT

    def _died(self, guest: subprocess.Popen[bytes]) -> LabError:
        for stream in self._streams.values():
            stream.flush()
        said = processes.end(guest)
        tail = self._console.decode(errors="replace").replace("\r", "").strip().splitlines()[-40:]
        parts = [f"the guest ended without an exit status (qemu: status {guest.returncode})", said, *tail]
        return LabError("\n  ".join(part for part in parts if part))


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor has the number already."""


def job_text(job: Job, token: str, network: bool) -> bytes:
    """The job as the guest's `init` reads it: shell text between two lines with the token."""
    rows, columns = Terminal.size_of(0)
    values = {
        "lab_token": token,
        "lab_tree": str(job.tree),
        "lab_directory": str(job.directory),
        "lab_modules": str(job.modules),
        "lab_outs": "".join(f"{out}\n" for out in job.outs),
        "lab_network": str(int(network)),
        "lab_systemd": str(int(job.systemd)),
        "lab_terminal": str(int(job.terminal)),
        "lab_term": os.environ.get("TERM", "") if job.terminal else "",
        "lab_rows": str(rows),
        "lab_columns": str(columns),
    }
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return os.fsencode(f"{token}\n{assignments}set -- {shlex.join(job.command)}\n{token}\n")
