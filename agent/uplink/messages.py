"""From a stored batch to the message that carries it."""

from ringfence.v1.stream_pb2 import Batch, Columns, ConnectRequest, RuleReference

from agent.events.batch import EventBatch, unpack


def batch_message(payload: bytes, number: int, node: str) -> ConnectRequest:
    """
    Args:
        node: What this node is called now: a stream carries no other, even if the batch is from before it was renamed.

    Raises:
        BatchError: The payload is no batch.
    """
    batch = unpack(payload)
    rules = [
        RuleReference(
            policy=rule.policy,
            rule=rule.rule,
            action=rule.action.value,
            mode=rule.mode.value,
            severity=rule.severity,
            message=rule.message,
            **{"class": rule.class_.value},
        )
        for rule in batch.rules
    ]
    message = Batch(
        node=node,
        boot_id=batch.boot_id,
        number=number,
        columns=_columns(batch),
        names=batch.names,
        rules=rules,
    )
    return ConnectRequest(batch=message)


def _columns(batch: EventBatch) -> Columns:
    """Columns have the same names here and there."""
    columns = Columns(ring=[batch.ring] * len(batch))
    for name, column in batch.columns.items():
        getattr(columns, name).extend(column.tolist())
    return columns
