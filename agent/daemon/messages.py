"""The daemon's values as messages of `ringfence.v1`."""

from collections.abc import Iterable, Mapping

from ringfence.v1 import agent_pb2, policy_pb2

from agent.daemon import hits, waivers
from agent.daemon.enforceable import level, reached
from agent.daemon.live import LivePolicy, LiveWaiver, Snapshot
from agent.daemon.ports import ClassReach, Problem, Reaches
from agent.daemon.reaches import grouped
from agent.events.printable import printable
from agent.host.clocks import wall_minus_boot_ns
from policy.model.types import Class, Policy
from policy.model.waivers import name_of

CGROUPS_SHOWN = 100


def diagnostic(problem: Problem) -> policy_pb2.Diagnostic:
    severity = policy_pb2.Diagnostic.SEVERITY_ERROR if problem.is_error else policy_pb2.Diagnostic.SEVERITY_WARNING
    return policy_pb2.Diagnostic(
        severity=severity,
        code=problem.code,
        message=_text(problem.message),
        file=_text(problem.position.file),
        line=problem.position.line,
        column=problem.position.column,
        hint=_text(problem.hint),
        policy=_text(problem.policy),
        rule=_text(problem.rule),
        found=_text(problem.found),
        required=_text(problem.required),
    )


def _text(text: str) -> str:
    """Text that protobuf takes: bytes that are not UTF-8 become visible."""
    return text.encode("utf-8", "backslashreplace").decode()


def rules(policy: Policy, counts: Mapping[str, int], reaches: Reaches) -> list[policy_pb2.RuleSummary]:
    """The rules of a policy in their order, those made from waivers too, then its defaults."""
    found = []
    for rule in policy.rules:
        one = policy_pb2.RuleSummary(id=rule.id, action=rule.action.value, severity=rule.severity)
        one.level = level(policy, rule.class_, rule.selector.operations, rule.action, reaches)
        found.append(_classed(one, rule.class_, counts))
    for class_ in Class:
        name, action = f"default:{class_}", policy.default(class_)
        if class_ in dict(policy.defaults) or counts.get(name):
            one = policy_pb2.RuleSummary(id=name, action=action.value, is_default=True)
            one.level = level(policy, class_, reached(class_), action, reaches)
            found.append(_classed(one, class_, counts))
    return found


def _classed(one: policy_pb2.RuleSummary, class_: Class, counts: Mapping[str, int]) -> policy_pb2.RuleSummary:
    setattr(one, "class", class_.value)  # a word of Python, so no keyword
    one.hits = counts.get(one.id, 0)
    return one


def summary(
    live: LivePolicy,
    waived: Policy,
    snapshot: Snapshot,
    counts: hits.Hits,
    reaches: Reaches,
    *,
    text: bool,
) -> policy_pb2.PolicySummary:
    """
    A live policy.

    Args:
        waived: The same with the rules that its waivers amount to.
        text: Whether to include its text, which may be megabytes.
    """
    policy, pushed = live.policy, live.pushed
    cgroups = sorted(snapshot.own.get(policy.name, ()))
    return policy_pb2.PolicySummary(
        name=policy.name,
        labels=dict(policy.labels),
        annotations=dict(policy.annotations),
        mode=policy.mode.value,
        digest=pushed.digest,
        rules=rules(waived, counts.get(hits.key(policy.name, pushed.pushed_unix_ns), {}), reaches),
        cgroups=[printable(path.encode(errors="surrogateescape")) for path in cgroups[:CGROUPS_SHOWN]],
        cgroup_count=len(cgroups),
        yaml=_text(pushed.yaml) if text else "",
        pushed_unix_ns=pushed.pushed_unix_ns,
        reverts_unix_ns=unix_of(snapshot.reverts_at),
    )


def waiver(live: LiveWaiver, now_ns: int, *, text: bool) -> policy_pb2.WaiverSummary:
    """A waiver that is in what is live; `text` as for policies."""
    one, pushed = live.waiver, live.pushed
    return policy_pb2.WaiverSummary(
        name=one.name,
        policy=one.policy,
        rule=one.rule,
        reason=_text(one.reason),
        owner=_text(one.owner),
        ticket=_text(one.ticket),
        until_unix_s=one.until,
        expired=waivers.expired(one, now_ns),
        digest=pushed.digest,
        yaml=_text(pushed.yaml) if text else "",
        pushed_unix_ns=pushed.pushed_unix_ns,
    )


def class_levels(reaches: Reaches) -> list[agent_pb2.ClassLevel]:
    """Each class; operations that reach something else than the others of theirs apart."""
    found = []
    for class_, groups in grouped(reaches).items():
        for names, here in groups:
            operations = names if len(groups) > 1 else ()
            one = agent_pb2.ClassLevel(level=here.reach.value, why=_why(here), hint=here.hint, operations=operations)
            setattr(one, "class", class_.value)
            found.append(one)
    return found


def _why(here: ClassReach) -> str:
    return f"{here.why}: found {here.found}" if here.found else here.why


def unix_of(boot_ns: int) -> int:
    """Unix time of a moment of the boot clock; 0 stays 0."""
    return boot_ns and boot_ns + wall_minus_boot_ns()


def count_levels(summaries: Iterable[policy_pb2.PolicySummary]) -> tuple[int, int]:
    """How many rules that were written are enforced, and how many are only observed."""
    levels = [rule.level for one in summaries for rule in one.rules if not rule.is_default and name_of(rule.id) is None]
    return levels.count("enforced"), levels.count("observed")
