"""
What the rooms know → what the REST API says. Pure but for the store's accounts that are passed in.

Strings of nodes are made printable here, policies' texts excepted.
"""

from collections.abc import Iterable, Mapping

from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2

from collector.alerts.message import alert_id
from collector.api import models
from collector.ingest.nodes import Counts, Node
from collector.store.protocol import AlertCounts, AlertRecord, NodeAccount
from collector.store.spelling import Violation
from collector.store.text import harmless, optional_rfc3339, printable_text

#: Entries of a report's lists that are passed on.
LIST_LIMIT = 10_000


def violation(words: Violation) -> models.Violation:
    """A violation."""
    return models.Violation.model_validate(words.as_json())


def node(known: Node, stored: NodeAccount) -> models.Node:
    """A node with its last report."""
    report = known.report or stream_pb2.NodeReport()
    status = report.status
    hops = [hop(entry) for entry in status.hops[:LIST_LIMIT]] + [store_hop(known.counts)]
    return models.Node(
        name=known.name,
        connected=known.session is not None,
        connected_since=optional_rfc3339(known.connected_ns) if known.session else None,
        last_seen=optional_rfc3339(known.seen_ns),
        boot_id=known.boot_id,
        version=printable_text(known.version),
        kernel=printable_text(known.kernel),
        generation=status.generation,
        gate=printable_text(status.gate),
        gate_until=optional_rfc3339(status.gate_until_unix_ns),
        started=optional_rfc3339(status.started_unix_ns),
        adopted=status.adopted,
        resident_bytes=status.resident_bytes,
        policies=[printable_text(policy.name) for policy in report.policies[:LIST_LIMIT]],
        profiles=status.profiles,
        scopes=status.scopes,
        levels=[level(entry) for entry in status.levels[:LIST_LIMIT]],
        hooks=[hook(entry) for entry in status.hooks[:LIST_LIMIT]],
        undecided=_counts(status.undecided),
        hops=hops,
        balances=all(entry.balances for entry in hops),
        account=account(known.counts, stored),
    )


def account(counts: Counts, stored: NodeAccount) -> models.Account:
    """A node's events as the collector counted them."""
    return models.Account(
        received=counts.received,
        stored=counts.stored,
        duplicate=counts.duplicate,
        rejected=counts.rejected,
        rejected_batches=counts.rejected_batches,
        returned=counts.returned,
        pending=counts.pending,
        expired=stored.expired,
        last_batch=stored.last_batch,
    )


def store_hop(counts: Counts) -> models.Hop:
    """The collector's own hop."""
    dropped = {"duplicate": counts.duplicate, "rejected": counts.rejected, "returned": counts.returned}
    return models.Hop(
        hop="store",
        in_=counts.received,
        out=counts.stored,
        pending=counts.pending,
        dropped={reason: count for reason, count in dropped.items() if count},
        balances=counts.balances,
    )


def hop(entry: agent_pb2.HopAccount) -> models.Hop:
    """One hop of the node."""
    return models.Hop(
        hop=printable_text(entry.hop),
        in_=getattr(entry, "in"),
        out=entry.out,
        pending=entry.pending,
        dropped=_counts(entry.dropped),
        balances=entry.balances,
    )


def level(entry: agent_pb2.ClassLevel) -> models.Level:
    """What the node can do for a class."""
    return models.Level(
        class_=printable_text(getattr(entry, "class")),
        operations=[printable_text(name) for name in entry.operations[:LIST_LIMIT]],
        level=printable_text(entry.level),
        why=harmless(entry.why),
        hint=harmless(entry.hint),
    )


def hook(entry: agent_pb2.HookState) -> models.Hook:
    """A hook of the node."""
    return models.Hook(
        name=printable_text(entry.name), state=printable_text(entry.state), detail=harmless(entry.detail)
    )


def policies(known: Node) -> list[models.Policy]:
    """A node's policies, by name."""
    summaries = known.report.policies if known.report else []
    return sorted((policy(known.name, summary) for summary in summaries), key=lambda entry: entry.name)


def policy(node_name: str, summary: policy_pb2.PolicySummary) -> models.Policy:
    """A policy as a node has it."""
    return models.Policy(
        node=node_name,
        name=printable_text(summary.name),
        mode=printable_text(summary.mode),
        digest=printable_text(summary.digest),
        labels=_texts(summary.labels),
        annotations=_texts(summary.annotations),
        rules=[rule(entry) for entry in summary.rules],
        cgroups=[printable_text(path) for path in summary.cgroups[:LIST_LIMIT]],
        cgroup_count=summary.cgroup_count,
        yaml=summary.yaml,
        pushed=optional_rfc3339(summary.pushed_unix_ns),
        reverts=optional_rfc3339(summary.reverts_unix_ns),
    )


def rule(entry: policy_pb2.RuleSummary) -> models.Rule:
    """A rule with its hits."""
    return models.Rule(
        id=printable_text(entry.id),
        class_=printable_text(getattr(entry, "class")),
        action=printable_text(entry.action),
        severity=printable_text(entry.severity),
        level=printable_text(entry.level),
        hits=entry.hits,
        is_default=entry.is_default,
    )


def diagnostic(entry: policy_pb2.Diagnostic) -> models.Diagnostic:
    """A problem in a policy, as a node found it."""
    warning = entry.severity == policy_pb2.Diagnostic.SEVERITY_WARNING
    return models.Diagnostic(
        severity="warning" if warning else "error",
        code=printable_text(entry.code),
        message=harmless(entry.message),
        file=printable_text(entry.file),
        line=entry.line,
        column=entry.column,
        hint=harmless(entry.hint),
        policy=printable_text(entry.policy),
        rule=printable_text(entry.rule),
        found=harmless(entry.found),
        required=harmless(entry.required),
    )


def outcome(name: str, answer: stream_pb2.PushOutcome, milliseconds: float) -> models.Outcome:
    """What a node answered to an order."""
    body = answer.delete if answer.HasField("delete") else answer.push
    diagnostics = [diagnostic(entry) for entry in body.diagnostics]
    refused = any(entry.severity == "error" for entry in diagnostics)
    push = answer.push
    return models.Outcome(
        node=name,
        result="failed" if answer.error else "refused" if refused else "done",
        error=harmless(answer.error),
        diagnostics=diagnostics,
        generation=body.generation,
        enforced_after_ns=body.enforced_after_ns,
        rules_enforced=push.rules_enforced,
        rules_observed=push.rules_observed,
        unchanged=push.unchanged,
        policies=[printable_text(entry.name) for entry in push.policies],
        round_trip_ms=round(milliseconds, 3),
    )


def no_outcome(name: str, result: str, error: str, milliseconds: float) -> models.Outcome:
    """An order that a node did not answer."""
    return models.Outcome.model_validate(
        {
            **dict.fromkeys(("generation", "enforced_after_ns", "rules_enforced", "rules_observed"), 0),
            "node": name,
            "result": result,
            "error": error,
            "diagnostics": [],
            "unchanged": False,
            "policies": [],
            "round_trip_ms": round(milliseconds, 3),
        }
    )


def alert(record: AlertRecord) -> models.Alert:
    """An alert on its way to one receiver."""
    return models.Alert(
        id=alert_id(record.violation.id, record.rule) if record.violation else "",
        rule=record.rule,
        receiver=record.receiver,
        state=record.state,
        attempts=record.attempts,
        suppressed=record.suppressed,
        created=optional_rfc3339(record.created_ns) or "",
        delivered=optional_rfc3339(record.done_ns) if record.state == "delivered" else None,
        next_attempt=optional_rfc3339(record.next_ns) if record.state == "pending" else None,
        error=harmless(record.error),
        violation=violation(record.violation) if record.violation else None,
    )


def alert_rules(rules: Mapping[str, Iterable[str]], counts: Iterable[AlertCounts]) -> list[models.AlertRuleState]:
    """The loaded rules, each with its counts added up over its receivers; then what is left of rules that are gone."""
    found = list(counts)
    receivers = {name: list(names) for name, names in rules.items()}
    for count in found:
        receivers.setdefault(count.rule, [])
    return [
        models.AlertRuleState(
            name=name,
            loaded=name in rules,
            receivers=receivers[name],
            counts=[_alert_counts(count) for count in found if count.rule == name],
        )
        for name in receivers
    ]


def _alert_counts(count: AlertCounts) -> models.AlertCounts:
    return models.AlertCounts(
        receiver=count.receiver,
        matched=count.matched,
        suppressed=count.suppressed,
        overflow=count.overflow,
        delivered=count.delivered,
        dead=count.dead,
        expired=count.expired,
        pending=count.pending,
        failed_attempts=count.failed_attempts,
    )


def _counts(entries: Mapping[str, int]) -> dict[str, int]:
    return {printable_text(key): value for key, value in entries.items()}


def _texts(entries: Mapping[str, str]) -> dict[str, str]:
    return {printable_text(key): printable_text(value) for key, value in entries.items()}
