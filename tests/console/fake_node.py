"""
A node that exists only as a stream: it says hello, reports, sends violations, and carries out pushes in its head.

What it sends is what an agent sends; what it enforces is nothing.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import grpc
from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2, stream_pb2_grpc

from policy.language import load
from policy.model.types import Class, Effect

BOOT_ID = "4f1c09aa-0000-4000-8000-000000000000"
GENERATION_NS = 12_000_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One refused operation."""

    object: bytes
    policy: str = "web"
    rule: str = "secrets"
    class_: Class = Class.FILE
    effect: Effect = Effect.DENY
    operations: int = 1
    exe: bytes = b"/usr/bin/cat"
    comm: bytes = b"cat"
    workload: bytes = b"web.service"
    cgroup: bytes = b"/system.slice/web.service"
    flags: int = 0


@dataclass(slots=True)
class Sent:
    """What this node has sent and what was acknowledged."""

    batches: int = 0
    events: int = 0
    acknowledged: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)


class FakeNode:
    """
    Use as a context manager; connected from enter to exit.

    Args:
        target: The collector's gRPC address.
        name: As the node calls itself.
    """

    def __init__(self, target: str, name: str) -> None:
        self.name = name
        self.sent = Sent()
        self.generation = 0
        self.refuse_with: policy_pb2.Diagnostic | None = None
        self.policies: dict[str, policy_pb2.PolicySummary] = {}
        self._target = target
        self._outgoing: queue.SimpleQueue[stream_pb2.ConnectRequest | None] = queue.SimpleQueue()
        self._welcome = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"node {name}", daemon=True)
        self._failed: grpc.RpcError | None = None

    def __enter__(self) -> Self:
        hello = stream_pb2.Hello(
            node=self.name, boot_id=BOOT_ID, version="0.1.0", kernel="6.12.0-test", spool_id=f"spool-of-{self.name}"
        )
        self._outgoing.put(stream_pb2.ConnectRequest(hello=hello))
        self._thread.start()
        if not self._welcome.wait(10):
            raise TimeoutError(f"the collector said no welcome: {self._failed}")
        self.report()
        return self

    def __exit__(self, *_: object) -> None:
        self._outgoing.put(None)
        self._thread.join(10)

    def file(self, name: str) -> str:
        """A path that only this node has."""
        return f"/srv/{self.name}/{name}"

    def attempt(self, *attempts: Attempt) -> None:
        """Send these as one batch; each is a violation that happens now."""
        self.sent.batches += 1
        batch = _batch(self.name, self.sent.batches, self.sent.events, attempts, self.generation)
        self.sent.events += len(attempts)
        self._outgoing.put(stream_pb2.ConnectRequest(batch=batch))

    def wait_until_stored(self, timeout: float = 10.0) -> None:
        """Until everything that was sent is acknowledged. Raises TimeoutError."""
        with self.sent.changed:
            if not self.sent.changed.wait_for(lambda: self.sent.acknowledged >= self.sent.batches, timeout):
                raise TimeoutError(f"{self.sent.acknowledged} of {self.sent.batches} batches are acknowledged")

    def report(self) -> None:
        """Say how this node is."""
        status = agent_pb2.StatusResponse(
            node=self.name,
            version="0.1.0",
            generation=self.generation,
            gate="closed",
            policies=len(self.policies),
            profiles=1,
            scopes=1,
            collector="connected",
            hops=[
                _hop("kernel", self.sent.events, self.sent.events),
                _hop("spool", self.sent.events, self.sent.events),
            ],
            balances=True,
            levels=[
                _level("file", "enforced", "BPF LSM is active"),
                _level("exec", "enforced", "BPF LSM is active"),
                _level("network", "enforced", "BPF LSM is active"),
                _level("network", "none", "no program of this version decides it", "bind", "listen"),
                _level("syscall", "observed", "no hook here can refuse a system call"),
            ],
            started_unix_ns=time.time_ns(),
            resident_bytes=48 * 1024 * 1024,
            hooks=[agent_pb2.HookState(name="file_open", state="attached")],
        )
        report = stream_pb2.NodeReport(status=status, policies=list(self.policies.values()))
        self._outgoing.put(stream_pb2.ConnectRequest(report=report))

    def _serve(self) -> None:
        try:
            with grpc.insecure_channel(self._target) as channel:
                for message in stream_pb2_grpc.StreamServiceStub(channel).Connect(self._requests()):
                    self._take(message)
        except grpc.RpcError as error:
            self._failed = error

    def _requests(self) -> Iterator[stream_pb2.ConnectRequest]:
        while (message := self._outgoing.get()) is not None:
            yield message

    def _take(self, message: stream_pb2.ConnectResponse) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self._welcome.set()
            case "acknowledge":
                with self.sent.changed:
                    self.sent.acknowledged = message.acknowledge.number
                    self.sent.changed.notify_all()
            case "push":
                self._outcome(message.push.id, push=self._push(message.push.request))
            case "delete":
                self._outcome(message.delete.id, delete=self._delete(message.delete.request))

    def _outcome(
        self, order: str, push: agent_pb2.PushResponse | None = None, delete: agent_pb2.DeleteResponse | None = None
    ) -> None:
        outcome = stream_pb2.PushOutcome(id=order, push=push, delete=delete)
        self._outgoing.put(stream_pb2.ConnectRequest(outcome=outcome))
        self.report()

    def _push(self, request: agent_pb2.PushRequest) -> agent_pb2.PushResponse:
        if self.refuse_with is not None:
            return agent_pb2.PushResponse(diagnostics=[self.refuse_with], generation=self.generation)
        pushed = [summary for document in request.documents for summary in _summaries(document)]
        self.policies |= {summary.name: summary for summary in pushed}
        self.generation += 1
        return agent_pb2.PushResponse(
            generation=self.generation,
            policies=pushed,
            enforced_after_ns=GENERATION_NS,
            rules_enforced=sum(not rule.is_default for summary in pushed for rule in summary.rules),
        )

    def _delete(self, request: agent_pb2.DeleteRequest) -> agent_pb2.DeleteResponse:
        for name in request.names:
            self.policies.pop(name, None)
        self.generation += 1
        return agent_pb2.DeleteResponse(generation=self.generation, enforced_after_ns=GENERATION_NS)


def numbered(attempt: Attempt, first: int, last: int) -> list[Attempt]:
    """The attempt on `…/first` to `…/last`, both included."""
    return [replace(attempt, object=attempt.object + b"/%d" % number) for number in range(first, last + 1)]


def _summaries(document: policy_pb2.PolicyDocument) -> list[policy_pb2.PolicySummary]:
    policies = load(document.yaml, document.file).policies
    return [
        policy_pb2.PolicySummary(
            name=policy.name,
            mode=str(policy.mode),
            digest=f"digest-of-{policy.name}",
            rules=[
                policy_pb2.RuleSummary(id=rule.id, **{"class": "file"}, action=str(rule.action), level="enforced")
                for rule in policy.rules
            ],
            cgroups=["/system.slice/web.service"],
            cgroup_count=1,
            yaml=document.yaml,
            pushed_unix_ns=time.time_ns(),
        )
        for policy in policies
    ]


def _hop(name: str, arrived: int, left: int) -> agent_pb2.HopAccount:
    return agent_pb2.HopAccount(hop=name, **{"in": arrived}, out=left, balances=True)


def _level(class_: str, level: str, why: str, *operations: str) -> agent_pb2.ClassLevel:
    return agent_pb2.ClassLevel(**{"class": class_}, level=level, why=why, operations=operations)


def _batch(node: str, number: int, first: int, attempts: Sequence[Attempt], generation: int) -> stream_pb2.Batch:
    names = [b"", *sorted({name for a in attempts for name in (a.object, a.exe, a.comm, a.workload, a.cgroup)} - {b""})]
    index = {name: at for at, name in enumerate(names)}
    rules = sorted({(a.policy, a.rule, str(a.class_)) for a in attempts})
    now, count = time.time_ns(), len(attempts)
    columns = stream_pb2.Columns(
        sequence=[(first + at) * 112 for at in range(count)],
        ring=[0] * count,
        generation=[generation] * count,
        unix_ns=[now] * count,
        cgroup_id=[7] * count,
        cgroup=[index[a.cgroup] for a in attempts],
        workload=[index[a.workload] for a in attempts],
        tgid=[4000 + at for at in range(count)],
        tid=[4000 + at for at in range(count)],
        uid=[33] * count,
        gid=[33] * count,
        comm=[index[a.comm] for a in attempts],
        exe=[index[a.exe] for a in attempts],
        rule=[rules.index((a.policy, a.rule, str(a.class_))) for a in attempts],
        **{"class": [a.class_.number for a in attempts]},
        effect=[a.effect.value for a in attempts],
        reason=[0] * count,
        operations=[a.operations for a in attempts],
        verdict=[-1] * count,
        object=[index[a.object] for a in attempts],
        protocol=[6 if a.class_ is Class.NETWORK else 0 for a in attempts],
        flags=[a.flags for a in attempts],
    )
    references = [
        stream_pb2.RuleReference(
            policy=policy, rule=rule, **{"class": class_}, action="deny", mode="enforcing", severity="high"
        )
        for policy, rule, class_ in rules
    ]
    return stream_pb2.Batch(node=node, boot_id=BOOT_ID, number=number, columns=columns, names=names, rules=references)
