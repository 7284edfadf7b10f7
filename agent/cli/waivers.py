"""`agentctl waiver …`."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.cli.durations import left
from agent.cli.output import Format, Table, as_data, emit
from agent.cli.policies import refuse_on_errors

if TYPE_CHECKING:
    from ringfence.v1 import policy_pb2

COLUMNS = ("WAIVER", "POLICY", "RULE", "LEFT", "OWNER", "TICKET", "REASON")


def list_(form: Format, socket: str) -> None:
    """`waiver list`; the first to end stands first."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        response = stub.List(agent_pb2.ListRequest(), timeout=30)
    waivers = sorted(response.waivers, key=lambda one: (one.until_unix_s, one.name))
    now = time.time()
    rows = [
        (one.name, one.policy, one.rule, _left(one, now), one.owner, one.ticket or "-", one.reason) for one in waivers
    ]
    styles = ["dim" if one.expired else "" for one in waivers]
    data = {"generation": response.generation, "waivers": [as_data(one) for one in waivers]}
    emit(form, data, Table(COLUMNS, rows, styles))


def get(name: str, form: Format, socket: str) -> None:
    """`waiver get`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        waiver = stub.Get(agent_pb2.GetRequest(waiver=name), timeout=30).waiver
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(waiver.until_unix_s))
    facts = [
        ("waiver", waiver.name),
        ("policy", waiver.policy),
        ("rule", waiver.rule),
        ("expires", until),
        ("left", _left(waiver, time.time())),
        ("reason", waiver.reason),
        ("owner", waiver.owner),
        ("ticket", waiver.ticket or "-"),
        ("digest", waiver.digest),
    ]
    emit(form, as_data(waiver), Table(("", ""), facts))


def _left(waiver: "policy_pb2.WaiverSummary", now: float) -> str:
    return "expired" if waiver.expired else left(waiver.until_unix_s - now)


def delete(names: Sequence[str], form: Format, socket: str) -> None:
    """`waiver delete`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        response = stub.Delete(agent_pb2.DeleteRequest(waivers=names), timeout=300)
    refuse_on_errors(response, form)
    rows = [("deleted", ", ".join(names)), ("generation", str(response.generation))]
    emit(form, as_data(response), Table(("", ""), rows))
