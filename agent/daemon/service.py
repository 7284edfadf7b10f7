"""
What the agent answers: for agentctl through `agent.api`, and for the collector through the uplink.

Everything that changes something, or asks the kernel, runs in one worker thread, in the order it came; the event loop
goes on meanwhile.
"""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, TypeVar

from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2

from agent.api.server import NotFound
from agent.daemon import messages
from agent.daemon.engine import Engine
from agent.daemon.events import EventPath
from agent.daemon.live import Order, Outcome
from agent.daemon.log import log
from agent.daemon.memory import slim_down
from agent.daemon.ports import Document, Kernel
from agent.daemon.waivers import applied, unexpired
from agent.events.account import Hop
from agent.host import checks
from agent.host.facts import HostFacts, gather

Answer = TypeVar("Answer")
CONFIRM_MAX_SECONDS = 7 * 24 * 3600
SLIM_SECONDS = 5.0


class Link(Protocol):
    """The way to the collector, as far as status needs it."""

    def hop(self) -> Hop: ...

    def describe(self) -> tuple[str, str]:
        """("connected", "disconnected" or "none", and the rest in words)."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What a service answers from.

    Attributes:
        changed: Called in the loop's thread after everything that may have changed what is live.
    """

    node: str
    engine: Engine
    kernel: Kernel
    events: EventPath
    link: Link
    facts: HostFacts
    changed: Callable[[], None]


class Service:
    """`agent.api.server.Node`, and the handler of the uplink's orders."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._started_ns = time.time_ns()

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do something in the worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Finish what was begun."""
        self._worker.shutdown()

    async def push(self, request: agent_pb2.PushRequest) -> agent_pb2.PushResponse:
        arrived = time.monotonic_ns()
        documents = tuple(Document(one.file, one.yaml) for one in request.documents)
        seconds = min(request.confirm_seconds, CONFIRM_MAX_SECONDS)
        order = Order(documents, seconds, force=request.force, dry_run=request.dry_run)
        outcome = await self.run(lambda: self._parts.engine.push(order, arrived))
        self._say("push", outcome)
        asyncio.get_running_loop().call_later(SLIM_SECONDS, slim_down)
        return await self._pushed(outcome)

    async def _pushed(self, outcome: Outcome) -> agent_pb2.PushResponse:
        response = agent_pb2.PushResponse(
            diagnostics=map(messages.diagnostic, outcome.problems),
            generation=outcome.generation,
            enforced_after_ns=outcome.enforced_after_ns,
            unchanged=outcome.unchanged,
        )
        if not outcome.refused:
            response.policies.extend(await self.run(lambda: self._summaries(set(outcome.names))))
            response.waivers.extend(self._waivers(set(outcome.waivers)))
            response.rules_enforced, response.rules_observed = messages.count_levels(response.policies)
        return response

    async def delete(self, request: agent_pb2.DeleteRequest) -> agent_pb2.DeleteResponse:
        arrived = time.monotonic_ns()
        names, waived = tuple(dict.fromkeys(request.names)), tuple(dict.fromkeys(request.waivers))
        outcome = await self.run(lambda: self._parts.engine.delete(names, arrived, waived))
        self._say("delete", outcome)
        return agent_pb2.DeleteResponse(
            diagnostics=map(messages.diagnostic, outcome.problems),
            generation=outcome.generation,
            enforced_after_ns=outcome.enforced_after_ns,
        )

    def _say(self, what: str, outcome: Outcome) -> None:
        """Log a change, and let the collector know."""
        if outcome.refused:
            errors = [problem.message for problem in outcome.problems if problem.is_error]
            log().warning(f"{what}_refused", generation=outcome.generation, errors=errors[:5])
            return
        changed = {"policies": outcome.names, **({"waivers": outcome.waivers} if outcome.waivers else {})}
        log().info(what, generation=outcome.generation, **changed, unchanged=outcome.unchanged)
        self._parts.changed()

    async def confirm(self, _: agent_pb2.ConfirmRequest) -> agent_pb2.ConfirmResponse:
        generation, was_pending = await self.run(self._parts.engine.confirm)
        log().info("confirm", generation=generation, was_pending=was_pending)
        self._parts.changed()
        return agent_pb2.ConfirmResponse(generation=generation, was_pending=was_pending)

    async def list_policies(self, _: agent_pb2.ListRequest) -> agent_pb2.ListResponse:
        summaries = await self.run(self._summaries)
        live = self._parts.engine.snapshot
        return agent_pb2.ListResponse(policies=summaries, generation=live.generation, waivers=self._waivers())

    async def get(self, request: agent_pb2.GetRequest) -> agent_pb2.GetResponse:
        if request.waiver:
            waivers = self._waivers({request.waiver}, text=True)
            if not waivers:
                raise NotFound(f"there is no waiver `{request.waiver}`")
            return agent_pb2.GetResponse(waiver=waivers[0])
        summaries = await self.run(lambda: self._summaries({request.name}, text=True))
        if not summaries:
            raise NotFound(f"there is no policy `{request.name}`")
        return agent_pb2.GetResponse(policy=summaries[0])

    def _summaries(self, names: set[str] | None = None, *, text: bool = False) -> list[policy_pb2.PolicySummary]:
        snapshot, reaches = self._parts.engine.snapshot, self._parts.kernel.reaches()
        counts = self._parts.engine.hits()
        waived = applied(snapshot.policies, unexpired(snapshot.waivers, time.time_ns()))
        return [
            messages.summary(live, waived[name], snapshot, counts, reaches, text=text)
            for name, live in sorted(snapshot.policies.items())
            if names is None or name in names
        ]

    def _waivers(self, names: set[str] | None = None, *, text: bool = False) -> list[policy_pb2.WaiverSummary]:
        now = time.time_ns()
        return [
            messages.waiver(live, now, text=text)
            for name, live in sorted(self._parts.engine.snapshot.waivers.items())
            if names is None or name in names
        ]

    async def status(self, _: agent_pb2.StatusRequest) -> agent_pb2.StatusResponse:
        return await self.run(self._status)

    def _status(self) -> agent_pb2.StatusResponse:
        parts = self._parts
        snapshot, gate = parts.engine.snapshot, parts.kernel.gate()
        hops = [hop.message() for hop in (*parts.events.hops(), parts.link.hop())]
        collector, detail = parts.link.describe()
        return agent_pb2.StatusResponse(
            node=parts.node,
            version=version("ringfence"),
            generation=parts.kernel.live().generation,
            gate=gate.state,
            gate_until_unix_ns=messages.unix_of(gate.until),
            policies=len(snapshot.policies),
            profiles=len(snapshot.profiles),
            scopes=len(snapshot.scopes),
            collector=collector,
            collector_detail=detail,
            hops=hops,
            balances=all(hop.balances for hop in hops),
            levels=messages.class_levels(parts.kernel.reaches()),
            started_unix_ns=self._started_ns,
            resident_bytes=_resident(),
            undecided=dict(parts.kernel.undecided()),
            adopted=parts.kernel.adopted,
            hooks=[
                agent_pb2.HookState(name=hook.name, state=hook.state, detail=hook.detail)
                for hook in parts.kernel.hooks()
            ],
            notes=[*parts.engine.notes, *_oddities(parts.events)],
        )

    async def doctor(self, _: agent_pb2.DoctorRequest) -> agent_pb2.DoctorResponse:
        facts = await asyncio.to_thread(gather)
        levels = messages.class_levels(self._parts.kernel.reaches())
        return doctor_response(facts, levels)

    def tail(
        self, request: agent_pb2.TailRequest, listening: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[agent_pb2.TailResponse]:
        return self._parts.events.tail(request, listening)

    async def order(self, order: stream_pb2.PushOrder | stream_pb2.DeleteOrder) -> stream_pb2.PushOutcome:
        """Carry out what the collector asks for, the same way as for agentctl."""
        if isinstance(order, stream_pb2.PushOrder):
            return stream_pb2.PushOutcome(id=order.id, push=await self.push(order.request))
        return stream_pb2.PushOutcome(id=order.id, delete=await self.delete(order.request))

    async def report(self) -> stream_pb2.NodeReport:
        """The state of this node for the collector; policies with their text."""
        status, policies = await self.run(lambda: (self._status(), self._summaries(text=True)))
        return stream_pb2.NodeReport(status=status, policies=policies)


def doctor_response(facts: HostFacts, levels: list[agent_pb2.ClassLevel]) -> agent_pb2.DoctorResponse:
    """What this machine can do, from its facts and the levels of each class."""
    found = [
        agent_pb2.DoctorCheck(name=check.name, result=check.result, found=check.found, hint=check.hint)
        for check in checks.checks(facts)
    ]
    return agent_pb2.DoctorResponse(kernel=facts.kernel, levels=levels, checks=found)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _oddities(events: EventPath) -> list[str]:
    odd = events.pump.oddities
    counts = {
        "events of unknown rules": odd.unknown_rules,
        "strange records in a ring": odd.strange_records,
        "damaged bytes in a ring": odd.damaged_bytes,
        "errors reading a ring": odd.ring_errors,
        "errors writing the spool": odd.store_errors,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    return [*notes, f"last error of the event path: {odd.last_error}"] if odd.last_error else notes
