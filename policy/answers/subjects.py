"""
Who acts, as cells: executable, user and group, parent, ancestors, and the time that waivers end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from policy.answers.cells import MAYBE, NO, UNKNOWN, YES, Aspect, Dimension, NameTest, Test, bits, listed, named
from policy.answers.names import PROGRAMS, Kind
from policy.model.types import Actor, Rule, Subject

#: User and group that stand for those that no rule names.
_STRANGERS = (1000, 1001, 1002, 65533)


@dataclass(frozen=True, slots=True)
class _Account:
    """Which users and groups a rule asks for; both are read from the same credentials, so both are known or neither."""

    user: tuple[int | str, ...]
    group: tuple[int | str, ...]
    not_user: tuple[int | str, ...]
    not_group: tuple[int | str, ...]


def levels(rule: Rule) -> Iterable[Rule]:
    """A rule and those it lies within."""
    while True:
        yield rule
        if rule.within is None:
            return
        rule = rule.within


def aspects(rules: Sequence[Rule], now: int) -> list[Aspect]:
    """What can be told apart of those who act, by rules; `now` (Unix seconds) is the earliest time that counts."""
    lowest = [level for rule in rules for level in levels(rule)]
    who = [level.subject for level in lowest if level.subject]
    lists = list(dict.fromkeys(one for subject in who for one in (subject.ancestor, subject.not_ancestor) if one))
    found = [
        named("exe", _exe, PROGRAMS),
        listed("account", _account, _is_account, lambda: _accounts(who)),
        named("parent", _parent, PROGRAMS, extra=lists),
    ]
    found += [_ancestor(at, patterns) for at, patterns in enumerate(lists)]
    ends = sorted({level.until for level in lowest if level.until is not None})
    times = [now, *(time for end in ends for time in (end - 1, end) if time > now)]
    found.append(listed("time", _until, _is_before, times))
    return found


def _ancestor(at: int, patterns: tuple[str, ...]) -> Aspect:
    made = listed(f"ancestor {at}", _Ancestor(patterns).test, _is_wanted, (False, True, UNKNOWN))
    return replace(made, patterns=patterns)


def _exe(rule: Rule) -> Test | None:
    who = rule.subject
    return NameTest(who.exe, who.not_exe) if who and (who.exe or who.not_exe) else None


def _parent(rule: Rule) -> Test | None:
    who = rule.subject
    return NameTest(who.parent, who.not_parent) if who and (who.parent or who.not_parent) else None


@dataclass(frozen=True, slots=True)
class _Ancestor:
    patterns: tuple[str, ...]

    def test(self, rule: Rule) -> Test | None:
        who = rule.subject or Subject()
        wanted = [True] * (who.ancestor == self.patterns) + [False] * (who.not_ancestor == self.patterns)
        return frozenset(wanted) or None


def _is_wanted(test: Any, value: Any) -> int:
    return MAYBE if value is UNKNOWN else YES if test == {value} else NO


def _until(rule: Rule) -> Test | None:
    return rule.until


def _is_before(test: Any, value: Any) -> int:
    return YES if value < test else NO


def _account(rule: Rule) -> Test | None:
    who = rule.subject
    if who is None or not (who.user or who.group or who.not_user or who.not_group):
        return None
    return _Account(who.user, who.group, who.not_user, who.not_group)


def _accounts(who: Sequence[Subject]) -> Iterable[Any]:
    users = [id_ for subject in who for id_ in (*subject.user, *subject.not_user)]
    groups = [id_ for subject in who for id_ in (*subject.group, *subject.not_group)]
    yield from product(_ids(users), _ids(groups))
    yield UNKNOWN


def _ids(named: Sequence[int | str]) -> list[int | str]:
    """One that nobody names, and those that are named."""
    stranger = next(
        id_ for id_ in (*_STRANGERS, max([0, *(one for one in named if isinstance(one, int))]) + 1) if id_ not in named
    )
    return [stranger, *dict.fromkeys(named)]


def _is_account(test: Any, value: Any) -> int:
    if value is UNKNOWN:
        return MAYBE
    user, group = value
    fits = (not test.user or user in test.user) and (not test.group or group in test.group)
    return YES if fits and user not in test.not_user and group not in test.not_group else NO


@dataclass(frozen=True, slots=True)
class Lineage:
    """
    What parent and ancestors can be together: the parent is an ancestor, and either all ancestors are known or none.

    Attributes:
        parent: The parent's cells.
        lists: Numbers of the lists of ancestor patterns, as the parent's kinds of names have them.
        places: Where parent and ancestors are among the dimensions of a box.
    """

    parent: Dimension
    lists: tuple[int, ...]
    places: tuple[int, ...]

    def actor(self, box: Sequence[int]) -> tuple[bytes | None, frozenset[bytes] | None] | None:
        """A parent and ancestors of a box; None: there are none."""
        masks = [box[place] for place in self.places[1:]]
        known = self._known(box[self.places[0]], masks)
        if known or any(mask & 4 == 0 for mask in masks):
            return known
        value = next(iter(self._of(box[self.places[0]])))
        return (value.name if isinstance(value, Kind) else None), None

    def _known(self, parents: int, masks: Sequence[int]) -> tuple[bytes | None, frozenset[bytes]] | None:
        """Cell 0 of an ancestor list: none matches; 1: one does; 2: it could not be told."""
        if any(mask & 3 == 0 for mask in masks):
            return None
        banned = {number for number, mask in zip(self.lists, masks, strict=True) if mask & 1 and not mask & 2}
        needed = {number for number, mask in zip(self.lists, masks, strict=True) if mask & 2 and not mask & 1}
        for value in self._of(parents):
            if value is not UNKNOWN and needed <= value.matched and not value.matched & banned:
                return value.name, frozenset({value.name})
        allowed = [kind for kind in self.parent.values if isinstance(kind, Kind) and not kind.matched & banned]
        found: set[bytes] = set()
        for number in needed:
            name = next((kind.name for kind in allowed if number in kind.matched), None)
            if name is None:
                return None
            found.add(name)
        for value in self._of(parents):
            if value is UNKNOWN:
                return None, frozenset(found)
            if not value.matched & banned:
                return value.name, frozenset({*found, value.name})
        return None

    def _of(self, mask: int) -> Iterable[Any]:
        return (self.parent.values[cell] for cell in bits(mask))


def actor(exe: Any, account: Any, line: tuple[bytes | None, frozenset[bytes] | None]) -> Actor:
    """The actor of a request from what stands for the cells."""
    user, group = (None, None) if account is UNKNOWN else account
    return Actor(exe.name if isinstance(exe, Kind) else None, user, group, *line)
