"""
The sums that show that nothing is lost silently: at every hop `in = out + pending + dropped by reason`.

Kernel totals and the ring cannot be read at one moment while events come; a hop may therefore give a range for what
came in, and balances if its sum lies inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence.v1.agent_pb2 import HopAccount


@dataclass(frozen=True, slots=True)
class Hop:
    """
    One hop's events.

    Attributes:
        name: "kernel", "ring", "spool" or "stream".
        came: How many came in, counted by whoever gave them.
        came_later: The same counter read again after everything else; `came` where both are of one moment.
        out: How many went on to the next hop.
        pending: How many are still here.
        dropped: How many were discarded, by reason.
    """

    name: str
    came: int
    out: int
    pending: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    came_later: int = -1

    @property
    def total(self) -> int:
        return self.out + self.pending + sum(self.dropped.values())

    @property
    def balances(self) -> bool:
        return self.came <= self.total <= max(self.came, self.came_later)

    def message(self) -> HopAccount:
        came = self.total if self.balances else self.came
        dropped = {reason: count for reason, count in self.dropped.items() if count}
        account = HopAccount(hop=self.name, out=self.out, pending=self.pending, dropped=dropped, balances=self.balances)
        setattr(account, "in", came)
        return account


@dataclass(frozen=True, slots=True)
class RingTotals:
    """
    The kernel's own counters of one ring, since the ring was made (`RF_TOTAL_*`).

    Attributes:
        made: Events that should have gone to the ring.
        lost: Of these, the ring had no room for.
    """

    made: int = 0
    lost: int = 0

    @property
    def written(self) -> int:
        return self.made - self.lost


@dataclass(frozen=True, slots=True)
class RingCounts:
    """
    What the agent did with one ring's events since the ring was made.

    Attributes:
        spooled: Events that are or were durable in the spool.
        pending: Finished events in the ring.
        rejected: Records left out, by reason.
    """

    spooled: int = 0
    pending: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)


def kernel_hop(totals: Mapping[str, RingTotals]) -> Hop:
    """
    From hook to ring.

    Args:
        totals: By ring: "violation", "observation".
    """
    dropped = {f"{ring}-ring-full": total.lost for ring, total in totals.items()}
    return Hop("kernel", sum(t.made for t in totals.values()), sum(t.written for t in totals.values()), 0, dropped)


def ring_hop(before: Mapping[str, RingTotals], rings: Mapping[str, RingCounts], after: Mapping[str, RingTotals]) -> Hop:
    """From ring to spool: totals read before and after the rings' counts."""
    dropped: dict[str, int] = {}
    for counts in rings.values():
        for reason, count in counts.rejected.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return Hop(
        name="ring",
        came=sum(total.written for total in before.values()),
        out=sum(counts.spooled for counts in rings.values()),
        pending=sum(counts.pending for counts in rings.values()),
        dropped=dropped,
        came_later=sum(total.written for total in after.values()),
    )
