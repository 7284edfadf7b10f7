"""The daemon's values as messages of `ringfence.v1`."""

import time
from collections.abc import Iterable, Mapping

from ringfence.v1 import agent_pb2, policy_pb2

from agent.daemon import hits
from agent.daemon.checks import need
from agent.daemon.live import LivePolicy, Snapshot
from agent.daemon.ports import ClassReach, Problem, Reach
from agent.events.printable import printable
from policy.model.types import Action, Class, Policy

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


def level(policy: Policy, class_: Class, action: Action, reaches: Mapping[Class, ClassReach]) -> str:
    """What becomes of one rule here: "enforced" where it does all it asks for, else "observed"."""
    here = reaches.get(class_, ClassReach(Reach.NONE))
    blocks = need(policy, action) is not Reach.OBSERVED
    return "enforced" if here.reach is Reach.ENFORCED and blocks else "observed"


def rules(
    live: LivePolicy, counts: Mapping[str, int], reaches: Mapping[Class, ClassReach]
) -> list[policy_pb2.RuleSummary]:
    """The rules of a policy in their order, then its defaults."""
    policy = live.policy
    found = []
    for rule in policy.rules:
        one = policy_pb2.RuleSummary(id=rule.id, action=rule.action.value, severity=rule.severity)
        one.level = level(policy, rule.class_, rule.action, reaches)
        found.append(_classed(one, rule.class_, counts))
    for class_ in Class:
        name, action = f"default:{class_}", policy.default(class_)
        if class_ in dict(policy.defaults) or counts.get(name):
            one = policy_pb2.RuleSummary(id=name, action=action.value, is_default=True)
            one.level = level(policy, class_, action, reaches)
            found.append(_classed(one, class_, counts))
    return found


def _classed(one: policy_pb2.RuleSummary, class_: Class, counts: Mapping[str, int]) -> policy_pb2.RuleSummary:
    setattr(one, "class", class_.value)  # a word of Python, so no keyword
    one.hits = counts.get(one.id, 0)
    return one


def summary(
    live: LivePolicy, snapshot: Snapshot, counts: hits.Hits, reaches: Mapping[Class, ClassReach], *, text: bool
) -> policy_pb2.PolicySummary:
    """
    A live policy.

    Args:
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
        rules=rules(live, counts.get(hits.key(policy.name, pushed.pushed_unix_ns), {}), reaches),
        cgroups=[printable(path.encode(errors="surrogateescape")) for path in cgroups[:CGROUPS_SHOWN]],
        cgroup_count=len(cgroups),
        yaml=_text(pushed.yaml) if text else "",
        pushed_unix_ns=pushed.pushed_unix_ns,
        reverts_unix_ns=unix_of(snapshot.reverts_at),
    )


def class_levels(reaches: Mapping[Class, ClassReach]) -> list[agent_pb2.ClassLevel]:
    found = []
    for class_, here in reaches.items():
        one = agent_pb2.ClassLevel(level=here.reach.value, why=_why(here), hint=here.hint)
        setattr(one, "class", class_.value)
        found.append(one)
    return found


def _why(here: ClassReach) -> str:
    return f"{here.why}: found {here.found}" if here.found else here.why


def unix_of(boot_ns: int) -> int:
    """Unix time of a moment of the boot clock; 0 stays 0."""
    return boot_ns and boot_ns + time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def count_levels(summaries: Iterable[policy_pb2.PolicySummary]) -> tuple[int, int]:
    """How many rules are enforced, and how many are only observed."""
    levels = [rule.level for one in summaries for rule in one.rules if not rule.is_default]
    return levels.count("enforced"), levels.count("observed")
