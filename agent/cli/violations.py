"""`agentctl violations tail`."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.cli.output import Format, as_data, emit_json
from agent.cli.terminal import note, printable, styled

if TYPE_CHECKING:
    from ringfence.v1 import agent_pb2, violation_pb2

STYLES = {"kill": "red", "deny": "red", "would-deny": "yellow", "audit": "blue", "allow": "dim"}


@dataclass(frozen=True, slots=True)
class TailOptions:
    count: int
    follow: bool
    policies: tuple[str, ...] = ()


def tail(options: TailOptions, form: Format, socket: str) -> None:
    """Print the latest violations, and go on if asked to."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    request = agent_pb2.TailRequest(policies=options.policies, recent=options.count, follow=options.follow)
    with agent(socket) as stub:
        stream = stub.Tail(request, timeout=None if options.follow else 60)
        try:
            _show(stream, form)
        except KeyboardInterrupt:
            stream.cancel()


def _show(stream: "Iterable[agent_pb2.TailResponse]", form: Format) -> None:
    for response in stream:
        if response.missed:
            note(f"warning: {response.missed} violations are not shown: reading was too slow (they are not lost)")
        for violation in response.violations:
            print_violation(violation, form)


def print_violation(violation: "violation_pb2.Violation", form: Format = Format.TABLE) -> None:
    """Print one violation: a line of text, a line of JSON, or a YAML document."""
    if form is Format.TABLE:
        print(line(violation), flush=True)
        return
    data = as_data(violation)
    if form is Format.JSON:
        emit_json(data, compact=True)
        return
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = False
    yaml.explicit_start = True
    yaml.dump(data, sys.stdout)
    sys.stdout.flush()


def line(violation: "violation_pb2.Violation") -> str:
    """A violation in one line: when, effect, rule, what was tried on what, by whom, where."""
    moment = datetime.fromtimestamp(violation.unix_ns / 1e9, UTC)
    what = getattr(violation, "class")
    tried = f"{what}.{'+'.join(violation.operations)}"
    parts = [
        f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z",
        styled(f"{printable(violation.effect):<10}", STYLES.get(violation.effect, "dim"), sys.stdout),
        printable(f"{violation.policy}/{violation.rule}"),
        printable(tried),
        printable(violation.object) or "(no name)",
        f"by {printable(violation.exe or violation.comm)}[{violation.tgid}]",
        f"uid {violation.uid}",
        f"in {printable(violation.workload or violation.cgroup)}",
    ]
    if violation.reason not in ("", "decided"):
        parts.append(f"undecided: {printable(violation.reason)}")
    parts += [printable(flag) for flag in violation.flags]
    parts.append(printable(violation.id))
    return "  ".join(parts)
