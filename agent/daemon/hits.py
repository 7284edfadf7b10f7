"""
Exact hits of every rule, over all generations it was part of.

The kernel counts by generation and rule. A policy keeps its counts while generations come and go around it, so they are
summed over the generations that are still in slots; before a slot is given away its counts are retired, and written
down together with the generation that takes the slot.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.daemon.store import Generation, Retired

Hits = dict[str, dict[str, int]]


class Counters(Protocol):
    """The part of the kernel that counts."""

    def generations(self) -> Iterable[int]: ...

    def counters(self, generation: int) -> NDArray[np.uint64]: ...


def key(name: str, pushed_unix_ns: int) -> str:
    """What counts belong to: a policy as pushed at one moment. Pushed again with other content it starts anew."""
    return f"{name}@{pushed_unix_ns}"


def total(retired: Retired, newest: int, known: Mapping[int, Generation], counters: Counters) -> Hits:
    """
    Hits of every policy and rule.

    Args:
        retired: Of the newest generation that was written down.
        newest: Its number; it and later ones are not in `retired`.
    """
    hits = {name: dict(rules) for name, rules in retired.hits.items()}
    for number in counters.generations():
        if number in known and (number >= newest or number in retired.open):
            _add(hits, known[number], counters.counters(number))
    return hits


def retire(
    retired: Retired, newest: int, victim: int, known: Mapping[int, Generation], counters: Counters, keep: set[str]
) -> Retired:
    """What to write down with a generation that takes the slot of `victim` (0: a free one); keeps `keep` keys only."""
    hits = {name: dict(rules) for name, rules in retired.hits.items()}
    counted = [number for number in counters.generations() if number >= newest or number in retired.open]
    if victim in counted and victim in known:
        _add(hits, known[victim], counters.counters(victim))
    kept = {name: rules for name, rules in hits.items() if name in keep}
    return Retired(kept, tuple(sorted(number for number in counted if number != victim)))


def _add(hits: Hits, generation: Generation, counts: NDArray[np.uint64]) -> None:
    keys = {policy.name: key(policy.name, policy.pushed_unix_ns) for policy in generation.policies}
    for reference, count in zip(generation.rules, counts.tolist(), strict=False):
        if count and reference.policy in keys:
            rules = hits.setdefault(keys[reference.policy], {})
            rules[reference.rule] = rules.get(reference.rule, 0) + count
