"""
Events as columns: what ingest hands to the store, and what the store hands on once it is durable.

A block is one batch of one node. Columns are int64 numpy arrays of one length, in the order of the node's ring.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RuleReference:
    """What a batch's rule number means."""

    policy: str = ""
    rule: str = ""
    action: str = ""
    mode: str = ""
    severity: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """One int64 array a field of `ringfence.v1.Columns`, all of one length; names and rules are indexes."""

    sequence: Int64Array
    ring: Int64Array
    generation: Int64Array
    unix_ns: Int64Array
    cgroup_id: Int64Array
    cgroup: Int64Array
    workload: Int64Array
    tgid: Int64Array
    tid: Int64Array
    uid: Int64Array
    gid: Int64Array
    comm: Int64Array
    exe: Int64Array
    rule: Int64Array
    class_: Int64Array
    effect: Int64Array
    reason: Int64Array
    operations: Int64Array
    verdict: Int64Array
    object: Int64Array
    protocol: Int64Array
    flags: Int64Array

    def take(self, positions: Int64Array) -> Self:
        """The events at these positions, in this order."""
        return type(self)(**{field.name: getattr(self, field.name)[positions] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class EventBlock:
    """
    A checked batch: every index is in range, every number fits.

    Attributes:
        spool: Names the sender's spool that `number` counts in.
        after: Number of the batch that came before it on its connection, 0 for the first. Unless that one is stored
            this one must not be, or the sender would resume behind both.
        names: Raw bytes; the first is the empty name.
        rules: What `columns.rule` refers to.
    """

    node: str
    boot_id: str
    spool: str
    number: int
    after: int
    columns: Columns
    names: tuple[bytes, ...]
    rules: tuple[RuleReference, ...]

    def __len__(self) -> int:
        return len(self.columns.sequence)


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """
    The events of a block that were new, as the store numbered them.

    Attributes:
        positions: Which events of the block are new, ascending.
        first: The store's number of the first; they count up by one.
    """

    block: EventBlock
    positions: Int64Array
    first: int

    def __len__(self) -> int:
        return len(self.positions)
