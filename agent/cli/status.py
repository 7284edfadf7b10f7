"""`agentctl status`: what is live, and where every event went."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, Table, as_data, emit
from agent.cli.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.v1 import agent_pb2

LEVELS = ("enforced", "observed", "none")
GATES = {
    "closed": "closed (enforcing)",
    "open": "OPEN: everything is allowed",
    "open-boot": "OPEN by `ringfence=off` on the kernel command line: everything is allowed",
}


def status(form: Format, socket: str) -> None:
    """Show the agent's state; exits 4 if an account does not balance."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        state = stub.Status(agent_pb2.StatusRequest(), timeout=30)
    tables = [_facts(state), _hops(state)]
    if state.undecided:
        rows = [(reason, str(count)) for reason, count in sorted(state.undecided.items())]
        tables.append(Table(("UNDECIDED", "COUNT"), rows))
    wrong = [(hook.name, hook.state, hook.detail) for hook in state.hooks if hook.state != "attached"]
    if wrong:
        tables.append(Table(("HOOK", "STATE", "DETAIL"), wrong))
    emit(form, as_data(state), *tables)
    if not state.balances:
        raise CliError(Exit.NO, Problem("the accounts do not balance", hint="see the hops marked `no`"))


def _facts(state: "agent_pb2.StatusResponse") -> Table:
    gate = GATES.get(state.gate, state.gate)
    if state.gate == "open" and state.gate_until_unix_ns:
        gate += f" until {_clock(state.gate_until_unix_ns)}"
    hours = (time.time_ns() - state.started_unix_ns) / 3600e9
    rows = [
        ("node", state.node),
        ("version", state.version),
        ("generation", str(state.generation) if state.generation else "none (everything is allowed)"),
        ("gate", gate),
        ("policies", f"{state.policies} in {state.profiles} profiles on {state.scopes} cgroups"),
        *((name, ", ".join(classes)) for name, classes in _levels(state.levels).items()),
        ("collector", state.collector + (f" ({state.collector_detail})" if state.collector_detail else "")),
        ("running", f"{hours:.1f} h, {state.resident_bytes / (1 << 20):.0f} MiB"),
        *(("note", text) for text in state.notes),
    ]
    return Table(("", ""), rows, ["", "", "", "" if state.gate == "closed" else "red"])


def _levels(levels: "Iterable[agent_pb2.ClassLevel]") -> dict[str, list[str]]:
    """The classes of each level; one that has operations of several counts for its best, as part of it."""
    best: dict[str, tuple[str, bool]] = {}
    for level in levels:
        name, partly = getattr(level, "class"), bool(level.operations)
        if name not in best or LEVELS.index(level.level) < LEVELS.index(best[name][0]):
            best[name] = (level.level, partly)
    found: dict[str, list[str]] = {}
    for level_name in LEVELS:
        classes = [name + " (partly)" * partly for name, (level, partly) in best.items() if level == level_name]
        if classes:
            found["not enforced" if level_name == "none" else level_name] = classes
    return found


def _hops(state: "agent_pb2.StatusResponse") -> Table:
    rows = []
    for hop in state.hops:
        dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(hop.dropped.items()) if count) or "0"
        balanced = "yes" if hop.balances else "no"
        rows.append((hop.hop, str(getattr(hop, "in")), str(hop.out), str(hop.pending), dropped, balanced))
    styles = ["" if hop.balances else "red" for hop in state.hops]
    return Table(("HOP", "IN", "OUT", "PENDING", "DROPPED", "BALANCES"), rows, styles)


def _clock(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
