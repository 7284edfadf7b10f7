"""Events spelled out for people: `ringfence.v1.Violation` messages from columns."""

from ringfence.v1.violation_pb2 import Reason, Violation

from agent.abi.events import EXE_INCOMPLETE, PATH_INCOMPLETE, SEEDED
from agent.events.batch import EventBatch, event_id
from agent.events.printable import printable
from policy.model.types import OPERATIONS, Class, Effect

_FLAGS = ((PATH_INCOMPLETE, "path-incomplete"), (EXE_INCOMPLETE, "exe-incomplete"), (SEEDED, "seeded"))
_CLASSES = {class_.number: class_ for class_ in Class}


def violations(batch: EventBatch, first: int = 0) -> list[Violation]:
    """
    Every event of a batch from index `first` on, in the order of the ring; all text in it is printable.

    Numbers that have no name (a batch written by a later version) are shown as numbers.
    """
    columns = {name: column[first:].tolist() for name, column in batch.columns.items()}
    names = [printable(name) for name in batch.names]
    rows = zip(*columns.values(), strict=True)
    return [_violation(batch, names, dict(zip(columns, row, strict=True))) for row in rows]


def _violation(batch: EventBatch, names: list[str], row: dict[str, int]) -> Violation:
    rule = batch.rules[row["rule"]]
    class_ = _CLASSES.get(row["class"])
    return Violation(
        id=event_id(batch.node, batch.boot_id, batch.ring, row["sequence"]),
        node=batch.node,
        unix_ns=row["unix_ns"],
        generation=row["generation"],
        policy=rule.policy,
        rule=rule.rule,
        **{"class": class_.value if class_ else str(row["class"])},
        operations=_operations(class_, row["operations"]),
        effect=str(Effect(row["effect"])) if row["effect"] in list(Effect) else str(row["effect"]),
        reason=_reason(row["reason"]),
        verdict=row["verdict"],
        object=names[row["object"]],
        exe=names[row["exe"]],
        comm=names[row["comm"]],
        tgid=row["tgid"],
        tid=row["tid"],
        uid=row["uid"],
        gid=row["gid"],
        cgroup=names[row["cgroup"]],
        workload=names[row["workload"]],
        severity=rule.severity,
        message=rule.message,
        flags=[name for bit, name in _FLAGS if row["flags"] & bit],
    )


def _operations(class_: Class | None, bits: int) -> list[str]:
    known = OPERATIONS[class_] if class_ else ()
    named = [name for bit, name in enumerate(known) if bits >> bit & 1]
    rest = bits >> len(known) << len(known)
    return [*named, f"{rest:#x}"] if rest else named


def _reason(number: int) -> str:
    """`REASON_NAME_TOO_LONG` is `name-too-long`."""
    if number not in Reason.values():
        return str(number)
    return Reason.Name(number).removeprefix("REASON_").lower().replace("_", "-")  # type: ignore[arg-type]
