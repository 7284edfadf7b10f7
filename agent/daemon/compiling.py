"""
Parsing and compiling policies in processes that exit.

A template process is forked off at start, before there are threads, with parser and compiler imported. For each push it
forks a child, which answers calls over a socket of its own and ends with it. So a push pays a fork and no imports,
memory that a large policy took goes back, and a policy that the parser chokes on ends a child, not the agent.
"""

import gc
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from agent.daemon.ports import Contents, Document, NodeError, Parsed, ParsedWaiver, Problem
from agent.daemon.unit_cache import UnitCache, code_digest
from policy.compiler.ruleset import Ruleset
from policy.model.types import Policy

if TYPE_CHECKING:
    from policy.language import LoadResult

MEMORY_BYTES = 2 << 30  # address space of a child
PARSE_SECONDS = 10.0
COMPILE_SECONDS = 120.0

_SAMPLE = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: sample}
spec:
  scope: [{cgroup: "/sample/**"}]
  rules:
    - {id: file, subject: {exe: ["/bin/*"], user: [1]}, file: {paths: ["/a/{b,c}"], operations: [read]}, action: deny}
    - {id: network, network: {operations: [connect], to: ["10.0.0.0/8"], ports: [443]}, action: audit}
"""


class CompilerProcess:
    """
    The template process; makes sessions. Safe to use from several threads.

    Attributes:
        template: Its process id.
    """

    def __init__(self, units: Path | None = None) -> None:
        """Fork the template. Call it before the first thread starts. `units`: where compiled profiles are kept."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.template = os.fork()
        if self.template == 0:
            ours.close()
            _template(theirs, units)
        theirs.close()
        self._control = ours
        self._units = units
        self._lock = threading.Lock()

    def session(self) -> "Session":
        """
        A child for one push.

        Raises:
            NodeError: There is no memory, or no process left, for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._send(theirs)
            except OSError as error:
                ours.close()
                raise NodeError(f"cannot start a process to compile in: {error.strerror}") from error
        return Session(Connection(ours.detach()))

    def close(self) -> None:
        """End the template: it sees the end of its socket."""
        self._control.close()
        self._reap()

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            os.waitpid(self.template, 0)

    def _send(self, end: socket.socket) -> None:
        with self._lock:
            try:
                socket.send_fds(self._control, [b"x"], [end.fileno()])
            except (BrokenPipeError, ConnectionResetError):
                self._respawn()
                socket.send_fds(self._control, [b"x"], [end.fileno()])

    def _respawn(self) -> None:
        """Somebody killed the template. Now there are threads, so a new one starts from nothing."""
        self._control.close()
        self._reap()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "agent.daemon.compiling", *([str(self._units)] if self._units else [])]
            self.template = subprocess.Popen(command, stdin=theirs.fileno()).pid


class Session:
    """Calls to one child, each with a time limit."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def parse(self, documents: Sequence[Document]) -> Contents:
        """What some documents hold. Raises NodeError: the child died."""
        answer: Contents | Problem = self._call("parse", tuple(documents), PARSE_SECONDS)
        return Contents(problems=(answer,)) if isinstance(answer, Problem) else answer

    def compile(self, profiles: Sequence[Sequence[Policy]]) -> Ruleset | Problem:
        """The ruleset, or why there cannot be one. Raises NodeError: the child died."""
        answer: Ruleset | Problem = self._call("compile", tuple(map(tuple, profiles)), COMPILE_SECONDS)
        return answer

    def close(self) -> None:
        self._connection.close()

    def _call(self, name: str, argument: Any, limit: float) -> Any:
        try:
            self._connection.send((name, argument))
            if not self._connection.poll(limit):
                self._connection.close()
                return Problem(f"the policies take longer than {limit:.0f} s to {name}", code="limit")
            return self._connection.recv()
        except (EOFError, OSError) as error:
            message = f"the process that was to {name} the policies died"
            raise NodeError(message, hint="the agent's log tells more") from error


def _template(control: socket.socket, units: Path | None) -> NoReturn:
    """Fork a child for each descriptor that comes, until nobody can send any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    _warm_up()
    code = code_digest()
    gc.collect()
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            os._exit(0)
        with suppress(OSError):  # no process left: the child's end closes, which is the answer
            if os.fork() == 0:
                control.close()
                _child(Connection(descriptors[0]), UnitCache(units, code) if units else None)
        for descriptor in descriptors:
            os.close(descriptor)


def _warm_up() -> None:
    """Import and build, once and here, whatever the first policy would make each child import and build."""
    contents = parse([Document("warm-up", _SAMPLE)])
    compile_profiles([[one.policy for one in contents.policies]])


def _child(connection: "Connection[Any, Any]", units: UnitCache | None) -> NoReturn:
    """Answer calls until the other end closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    gc.disable()  # it ends soon, and what a compilation makes is in use until then
    calls: dict[str, Callable[[Any], Any]] = {"parse": parse, "compile": partial(compile_profiles, cache=units)}
    try:
        while True:
            name, argument = connection.recv()
            connection.send(calls[name](argument))
    except (EOFError, OSError):
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - whatever it was, this copy must end
        print(f"ringfence-agent: {name} failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


def parse(documents: Sequence[Document]) -> Contents:
    """Policies and waivers of some documents, in order, and what is wrong with them."""
    from policy import language

    policies: list[Parsed] = []
    waivers: list[ParsedWaiver] = []
    problems: list[Problem] = []
    for document in documents:
        result = language.load(document.yaml, document.file)
        problems += map(_problem, result.diagnostics)
        alone = _is_plain(result) and len(result.policies) + len(result.waivers) == 1
        for policy in result.policies:
            text = document.yaml if alone else language.dump(policy)
            policies.append(Parsed(policy, language.digest(policy), document.file, text))
        for waiver in result.waivers:
            text = document.yaml if alone else language.dump(waiver)
            waivers.append(ParsedWaiver(waiver, language.digest(waiver), document.file, text))
    return Contents(policies, waivers, problems)


def _is_plain(result: "LoadResult") -> bool:
    """
    Whether a text will always mean what it means now, and holds nothing that the node does not keep.

    A policy that uses a template is kept filled in, for the library of the next version may have another one.
    """
    return not (result.templated or result.templates or result.tests)


def _problem(diagnostic: Any) -> Problem:
    return Problem(
        message=diagnostic.where + diagnostic.message,
        code=diagnostic.code,
        severity=str(diagnostic.severity),
        position=diagnostic.position,
        hint=diagnostic.hint,
        policy=diagnostic.policy,
        rule=diagnostic.rule,
    )


def compile_profiles(profiles: Sequence[Sequence[Policy]], cache: UnitCache | None = None) -> Ruleset | Problem:
    """The ruleset of some profiles, or which limit they pass. `cache`: has those that were compiled before."""
    from policy import compiler

    try:
        return compiler.compile_profiles(profiles, cache=cache)
    except compiler.CompileError as error:
        return Problem(
            message=str(error),
            code="limit",
            policy=error.policy,
            rule=error.rule,
            found=str(error.found),
            required=f"at most {error.limit}",
        )
    finally:
        if cache:
            cache.shrink()


if __name__ == "__main__":
    _template(socket.socket(fileno=0), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
