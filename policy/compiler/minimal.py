"""
Merge states that nothing tells apart.

Every state gets a 64-bit number made of its label and of its successors' numbers, in rounds (core) and from the leaves
up (trie); equal numbers are candidates, and whether they really are equal is then checked, so that the result is exact.
The number of a state is linear in its successors', so that it does not matter which successor is kept as the default.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.compiler.subsets import Automaton

_U64 = np.uint64


@dataclass(frozen=True, slots=True)
class Minimal:
    """
    The minimal automaton, in the shape of `Automaton`.

    Attributes:
        labels: Of each state; int64.
    """

    start: int
    labels: NDArray[np.int64]
    defaults: NDArray[np.int64]
    first: NDArray[np.int64]
    edge_classes: NDArray[np.int64]
    edge_targets: NDArray[np.int64]


def minimise(automaton: Automaton, labels: NDArray[np.int64]) -> Minimal:
    """
    The automaton with equal states merged.

    Args:
        labels: What each state says of a name that ends there; states with different labels stay apart.
    """
    block = _blocks(automaton, labels)
    if not _is_stable(automaton, labels, block):  # pragma: no cover - two numbers of 64 bits were equal by chance
        block = np.arange(len(labels))
    return _quotient(automaton, labels, block)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser."""
    values = (values ^ (values >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> _U64(27))) * _U64(0x94D049BB133111EB)
    return values ^ (values >> _U64(31))


def _blocks(automaton: Automaton, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The block of each state; blocks are numbered in the order of their first states."""
    factors = _mix(np.arange(1, automaton.classes + 2, dtype=np.uint64)) | _U64(1)
    total = factors[1 : automaton.classes + 1].sum(dtype=np.uint64)
    own = _mix(labels.astype(np.uint64) + _U64(0x9E3779B97F4A7C15))
    numbers = own.copy()

    def refine(begin: int, end: int) -> NDArray[np.uint64]:
        low, high = automaton.first[begin], automaton.first[end]
        default = numbers[automaton.defaults[begin:end]]
        counts = np.diff(automaton.first[begin : end + 1])
        change = factors[automaton.edge_classes[low:high]] * (
            numbers[automaton.edge_targets[low:high]] - np.repeat(default, counts)
        )
        sums = np.concatenate(([_U64(0)], np.cumsum(change, dtype=np.uint64)))
        starts = automaton.first[begin : end + 1] - low
        return _mix(own[begin:end] + total * default + sums[starts[1:]] - sums[starts[:-1]])

    core = automaton.levels[0]
    count, distinct = 0, len(np.unique(numbers[:core]))
    while distinct != count:
        numbers[:core] = refine(0, core)
        count, distinct = distinct, len(np.unique(numbers[:core]))
    known, identities = _settle(numbers[:core], lambda: refine(0, core))
    for begin, end in reversed(list(zip(automaton.levels[:-1], automaton.levels[1:], strict=True))):
        found = refine(begin, end)
        at = np.searchsorted(known, found).clip(max=len(known) - 1)
        numbers[begin:end] = np.where(known[at] == found, identities[at], found)
    _, firsts, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(firsts), np.int64)
    rank[np.argsort(firsts, kind="stable")] = np.arange(len(firsts))
    return rank[inverse]


def _settle(
    numbers: NDArray[np.uint64], refine: Callable[[], NDArray[np.uint64]]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """
    Give core states of one block one number for good, so that a trie state that equals one can be found.

    Returns:
        What refining gives for each block, sorted, and the block's number beside it.
    """
    _, blocks = np.unique(numbers, return_inverse=True)
    numbers[:] = _mix(blocks.astype(np.uint64) + _U64(0xD1B54A32D192ED03))
    refined, firsts = np.unique(refine(), return_index=True)
    return refined, numbers[firsts]


def _representatives(block: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first state of each block."""
    return np.unique(block, return_index=True)[1]


def _is_stable(automaton: Automaton, labels: NDArray[np.int64], block: NDArray[np.int64]) -> bool:
    """Whether all states of a block have its label and go to the same blocks."""
    leader = _representatives(block)[block]
    others = np.flatnonzero(leader != np.arange(len(block)))
    if not np.array_equal(labels[others], labels[leader[others]]):
        return False
    for begin in range(0, len(others), 1 << 14):
        chunk = others[begin : begin + (1 << 14)]
        if not np.array_equal(_rows(automaton, chunk, block), _rows(automaton, leader[chunk], block)):
            return False
    return True


def _edges_of(automaton: Automaton, states: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the states' edges, and the position among `states` that each belongs to."""
    counts = automaton.first[states + 1] - automaton.first[states]
    owner = np.repeat(np.arange(len(states)), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return automaton.first[states][owner] + offset, owner


def _rows(automaton: Automaton, states: NDArray[np.int64], block: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where every class leads, dense; shape (states, classes)."""
    rows = np.repeat(block[automaton.defaults[states]][:, None], automaton.classes, axis=1)
    edges, owner = _edges_of(automaton, states)
    rows[owner, automaton.edge_classes[edges] - 1] = block[automaton.edge_targets[edges]]
    return rows


def _quotient(automaton: Automaton, labels: NDArray[np.int64], block: NDArray[np.int64]) -> Minimal:
    """One state a block; edges that lead where the default does are dropped."""
    leaders = _representatives(block)
    edges, owner = _edges_of(automaton, leaders)
    targets, defaults = block[automaton.edge_targets[edges]], block[automaton.defaults[leaders]]
    kept = targets != defaults[owner]
    first = np.zeros(len(leaders) + 1, np.int64)
    np.cumsum(np.bincount(owner[kept], minlength=len(leaders)), out=first[1:])
    return Minimal(
        start=int(block[automaton.start]),
        labels=labels[leaders],
        defaults=defaults,
        first=first,
        edge_classes=automaton.edge_classes[edges][kept],
        edge_targets=targets[kept],
    )
