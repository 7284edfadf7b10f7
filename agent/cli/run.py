"""
`agentctl run`: a command under a policy, in a cgroup of its own.

The policy is pushed under a name of its own with its scope replaced by that cgroup, the command enters the cgroup
before it is executed, and everything is taken back afterwards, whatever happens in between.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import cgroups
from agent.cli.exits import CliError, Exit
from agent.cli.policies import load, misfits, name_of, refuse_on_errors
from agent.cli.problems import Problem, from_language, show
from agent.cli.terminal import note
from agent.cli.violations import line

if TYPE_CHECKING:
    from ringfence.v1 import agent_pb2_grpc, violation_pb2

    from policy.language import LoadResult
    from policy.model.types import Policy, Waiver

#: How long to wait, after the command, for violations that the kernel counted but that are still on their way.
SETTLE_SECONDS = 3.0
#: Enters the cgroup whose `cgroup.procs` is $0 and becomes the command: a shell, because forking Python code runs badly
#: beside gRPC's threads.
ENTER = 'echo 0 >"$0" && exec "$@"'
NAME_MAX = 63


def run(file: str, command: Sequence[str], socket: str) -> int:
    """Run the command; its exit status, 128 + N if signal N ended it."""
    from agent.cli.client import agent

    suffix = f"run-{os.getpid()}"
    loaded = _loaded(file)
    with cgroups.temporary(f"ringfence-{suffix}") as cgroup, agent(socket) as stub:
        scoped = [_scoped(policy, suffix, cgroup.path) for policy in loaded.policies]
        names = [policy.name for policy in scoped]
        waivers = [_renamed(waiver, suffix) for waiver in loaded.waivers]
        with _pushed(stub, file, scoped, waivers), _Collector(stub, names) as seen:
            status = _execute(command, cgroup.directory)
            seen.wait(_counted(stub, names))
    _report(seen.violations, seen.missing)
    return status


def _loaded(file: str) -> "LoadResult":
    result = load(file)
    problems = [from_language(diagnostic) for diagnostic in result.diagnostics] + misfits([result], alone=False)
    if any(problem.is_error for problem in problems):
        raise CliError(Exit.INVALID, *problems)
    show(problems)
    return result


def _scoped(policy: "Policy", suffix: str, path: str) -> "Policy":
    """The policy for that one cgroup, under a name no other policy has."""
    from policy.model.types import CgroupScope

    return dataclasses.replace(policy, name=_suffixed(policy.name, suffix), scope=(CgroupScope(_literal(path)),))


def _renamed(waiver: "Waiver", suffix: str) -> "Waiver":
    """The waiver for that policy."""
    return dataclasses.replace(waiver, name=_suffixed(waiver.name, suffix), policy=_suffixed(waiver.policy, suffix))


def _suffixed(name: str, suffix: str) -> str:
    return f"{name[: NAME_MAX - len(suffix) - 1]}-{suffix}"


def _literal(path: str) -> str:
    """A glob that matches exactly this path."""
    return "".join(f"\\{character}" if character in "*?[]{}\\" else character for character in path)


@contextmanager
def _pushed(
    stub: "agent_pb2_grpc.AgentServiceStub", file: str, policies: "Sequence[Policy]", waivers: "Sequence[Waiver]"
) -> Iterator[None]:
    from ringfence.v1 import agent_pb2, policy_pb2

    from policy import language

    texts = [*map(language.dump, policies), *map(language.dump, waivers)]
    documents = [policy_pb2.PolicyDocument(file=name_of(file), yaml=text) for text in texts]
    try:
        refuse_on_errors(stub.Push(agent_pb2.PushRequest(documents=documents), timeout=300))
        yield
    finally:
        names = [policy.name for policy in policies]
        stub.Delete(agent_pb2.DeleteRequest(names=names), timeout=300)


def _execute(command: Sequence[str], directory: Path) -> int:
    """
    Run the command inside the cgroup and wait for it.

    Ctrl-C reaches the command by itself, being of the same process group; we outlive it to clean up.

    Raises:
        CliError: There is no such command.
    """
    if shutil.which(command[0]) is None:
        raise CliError(Exit.FAILED, Problem(f"there is no command `{command[0]}`"))
    previous = signal.signal(signal.SIGINT, lambda *_: None)  # unlike an ignored signal this is reset for the command
    try:
        child = subprocess.Popen(["/bin/sh", "-c", ENTER, str(directory / "cgroup.procs"), *command])
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: child.send_signal(received))
        status = child.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
    return status if status >= 0 else 128 - status


class _Collector:
    """Violations of some policies as the agent streams them, gathered in a thread of its own."""

    def __init__(self, stub: "agent_pb2_grpc.AgentServiceStub", policies: Sequence[str]) -> None:
        from ringfence.v1 import agent_pb2

        self.violations: list[violation_pb2.Violation] = []
        self.missing = 0
        self._changed = threading.Condition()
        self._stream: Any = stub.Tail(agent_pb2.TailRequest(policies=policies, follow=True))
        self._thread = threading.Thread(target=self._gather, daemon=True)

    def __enter__(self) -> "_Collector":
        self._stream.initial_metadata()  # the agent sends it once it listens for us
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.cancel()
        self._thread.join()

    def _gather(self) -> None:
        import grpc

        try:
            for response in self._stream:
                with self._changed:
                    self.missing += response.missed
                    self.violations += response.violations
                    self._changed.notify_all()
        except grpc.RpcError:
            return  # cancelled by us, or the agent stopped: what is missing is told by the counters

    def wait(self, expected: int) -> None:
        """Wait until as many have come as the kernel counted; what does not come in time is reported as missing."""
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._changed:
            while len(self.violations) + self.missing < expected and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            self.missing = max(expected - len(self.violations), 0)


def _counted(stub: "agent_pb2_grpc.AgentServiceStub", names: Sequence[str]) -> int:
    """What the kernel counted for these policies, exactly."""
    from ringfence.v1 import agent_pb2

    policies = stub.List(agent_pb2.ListRequest(), timeout=30).policies
    return sum(rule.hits for policy in policies if policy.name in names for rule in policy.rules)


def _report(violations: "Sequence[violation_pb2.Violation]", missing: int) -> None:
    """Say on stderr what was refused; stdout is the command's."""
    if not violations and not missing:
        note("ringfence: nothing was refused")
        return
    note(f"ringfence: {len(violations) + missing} violations")
    for violation in violations:
        print("  " + line(violation), file=sys.stderr)
    if missing:
        note(f"  and {missing} that the kernel counted but whose events did not arrive in time")
