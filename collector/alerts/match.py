"""
Which of a block's new events are alerts, within each rule's rate and cooldown.

Conditions look at what events share (policy, rule, class, effect, reason), so each is asked once for every distinct
combination in a block, not for every event. Runs on the store's writer thread.
"""

import time
from collections.abc import Callable
from fnmatch import fnmatchcase

import numpy as np

from collector.alerts.rules import SEVERITIES, AlertRule, Rate
from collector.store.events import EventBlock, Int64Array
from collector.store.interning import distinct
from collector.store.protocol import Matches, NewAlert
from collector.store.spelling import CLASSES, EFFECTS

#: Remembered ends of cooldowns; beyond this many, those that are over are forgotten.
COOLDOWNS_LIMIT = 100_000
_UNKNOWN_SEVERITY = SEVERITIES.index("medium")


class Limiter:
    """A token bucket: full at the start, `rate.alerts` large."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.alerts)
        self._at = now

    def take(self, wanted: int, now: float) -> int:
        """How many of `wanted` may pass."""
        gained = max(0.0, now - self._at) * self._rate.alerts / self._rate.per_seconds
        self._tokens = min(self._rate.alerts, self._tokens + gained)
        self._at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return granted


class RuleMatcher:
    """
    A `Matcher` from alert rules.

    Args:
        clock: Seconds, never going back.
    """

    def __init__(self, rules: list[AlertRule], clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._limiters = {rule.name: Limiter(rule.rate, clock()) for rule in rules if rule.rate}
        self._cooldowns: dict[tuple[str, str, str, str], float] = {}
        self._suppressed: dict[str, int] = {}

    def match(self, block: EventBlock, positions: Int64Array) -> Matches:
        """Alerts for the events at `positions`, by position and then in the order of the rules."""
        if not self._rules:
            return Matches()
        columns = block.columns.take(positions)
        first, inverse = distinct((columns.rule, columns.class_, columns.effect, columns.reason))
        found: list[NewAlert] = []
        matched: dict[tuple[str, str], int] = {}
        suppressed: dict[tuple[str, str], int] = {}
        for rule in self._rules:
            for kind, sample in enumerate(first.tolist()):
                if not holds(rule, block, int(positions[sample])):
                    continue
                where = positions[np.flatnonzero(inverse == kind)]
                passed = self._within_limits(rule, block, where)
                found += self._alerts(rule, passed)
                self._suppressed[rule.name] = self._suppressed.get(rule.name, 0) + len(where) - len(passed)
                for receiver in rule.receivers:
                    key = (rule.name, receiver)
                    matched[key] = matched.get(key, 0) + len(where)
                    suppressed[key] = suppressed.get(key, 0) + len(where) - len(passed)
        found.sort(key=lambda alert: alert.position)
        return Matches(tuple(found), matched, suppressed)

    def _within_limits(self, rule: AlertRule, block: EventBlock, where: Int64Array) -> Int64Array:
        now = self._clock()
        if rule.cooldown_seconds:
            reference = block.rules[block.columns.rule[where[0]]]
            key = (rule.name, block.node, reference.policy, reference.rule)
            if self._cooldowns.get(key, now) > now:
                return where[:0]
            where = where[:1]
        if limiter := self._limiters.get(rule.name):
            where = where[: limiter.take(len(where), now)]
        if rule.cooldown_seconds and len(where):
            self._cool(key, now, now + rule.cooldown_seconds)
        return where

    def _cool(self, key: tuple[str, str, str, str], now: float, end: float) -> None:
        if len(self._cooldowns) >= COOLDOWNS_LIMIT:
            self._cooldowns = {key: end for key, end in self._cooldowns.items() if end > now}
        self._cooldowns[key] = end

    def _alerts(self, rule: AlertRule, where: Int64Array) -> list[NewAlert]:
        """One alert an event and receiver; the first tells how many were suppressed since the last."""
        if not len(where):
            return []
        withheld = self._suppressed.pop(rule.name, 0)
        return [
            NewAlert(position, rule.name, receiver, withheld if index == 0 else 0)
            for index, position in enumerate(where.tolist())
            for receiver in rule.receivers
        ]


def holds(rule: AlertRule, block: EventBlock, position: int) -> bool:
    """Whether all conditions of a rule hold for an event."""
    columns = block.columns
    reference = block.rules[columns.rule[position]]
    undecided = columns.reason[position] != 0
    return (
        _severity(reference.severity) >= SEVERITIES.index(rule.severity)
        and _any(rule.policies, reference.policy)
        and _any(rule.rules, reference.rule)
        and _any(rule.nodes, block.node)
        and (not rule.classes or _word(CLASSES, columns.class_[position]) in rule.classes)
        and ((undecided and rule.undecided) or _word(EFFECTS, columns.effect[position]) in rule.effects)
    )


def _severity(name: str) -> int:
    """A severity's rank; a name we do not know counts as medium, so that it is not missed."""
    return SEVERITIES.index(name) if name in SEVERITIES else _UNKNOWN_SEVERITY


def _any(globs: list[str], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _word(words: tuple[str, ...], number: np.int64) -> str:
    return words[number] if number < len(words) else ""
