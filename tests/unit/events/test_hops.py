"""Sums: in = out + pending + dropped, at every hop."""

from hypothesis import given
from hypothesis import strategies as st

from agent.events.account import Hop, RingCounts, RingTotals, kernel_hop, ring_hop

counts = st.integers(0, 1 << 50)


@given(counts, counts, counts, counts)
def test_a_hop_balances_exactly_if_its_sum_does(out, pending, dropped, came):
    """One event more or less on either side shows."""
    hop = Hop("spool", came, out, pending, {"spool-full": dropped})

    assert (came == out + pending + dropped) == hop.balances == hop.message().balances
    assert getattr(hop.message(), "in") == came


def test_the_kernel_hop():
    """What had no room in a ring is dropped, by ring."""
    message = kernel_hop({"violation": RingTotals(10, 3), "observation": RingTotals(5, 0)}).message()

    assert (
        getattr(message, "in"),
        message.out,
        message.pending,
        dict(message.dropped),
    ) == (15, 12, 0, {"violation-ring-full": 3})
    assert message.balances


def test_the_ring_hop_while_events_come():
    """Totals read before and after enclose the truth; what is outside does not balance."""
    rings = {"violation": RingCounts(90, 7, {"malformed-class": 1}), "observation": RingCounts(2, 0)}
    before, after = {"violation": RingTotals(97, 1), "observation": RingTotals(2, 0)}, {"violation": RingTotals(105, 1)}
    hop = ring_hop(before, rings, after | {"observation": RingTotals(2, 0)})

    assert hop.balances
    assert getattr(hop.message(), "in") == 100
    assert not ring_hop(before, {"violation": RingCounts(91, 20)}, after).balances
    assert not ring_hop(before, {"violation": RingCounts(80)}, before).balances
