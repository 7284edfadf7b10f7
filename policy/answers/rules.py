"""
Lint of one policy: rules that never decide, contradict others, change nothing, match nothing or nearly everything.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from policy.answers.cells import YES, NameTest, fits_name
from policy.answers.examples import Example, example
from policy.answers.findings import (
    CONTRADICTION,
    EVERYTHING,
    MOOT,
    NOTHING,
    UNDECIDED,
    UNREACHED,
    UNREACHED_OPERATION,
    Finding,
    Severity,
    about,
)
from policy.answers.names import KNOWN, PROGRAMS, Undecided
from policy.answers.outcomes import operations_of
from policy.answers.reach import Reach, contains, hiders, overlaps, reach
from policy.answers.space import Space, classes_of, rules_of, space
from policy.model import syscalls
from policy.model.names import CAPABILITIES, SIGNAL_MAX
from policy.model.types import (
    OPERATIONS,
    Action,
    CapabilitySelector,
    Class,
    ExecSelector,
    FileSelector,
    NetworkSelector,
    Policy,
    Position,
    Rule,
    SignalSelector,
    SyscallSelector,
)
from policy.model.waivers import name_of

#: Of the objects that people know, how many a selector may match before it is called everything.
NEARLY = 0.9


def of_policy(policy: Policy, now: int) -> Iterator[Finding]:
    """Findings about the rules of a policy, class by class."""
    for class_ in classes_of([policy]):
        try:
            everything = space(class_, rules_of([policy], class_), now=now)
            yield from _of_class(policy, class_, everything)
        except Undecided as problem:
            message = f"not decided for class `{class_}`: {problem}"
            yield about(UNDECIDED, Severity.NOTE, policy, None, message)
    for rule in policy.rules:
        try:
            yield from _everything(policy, rule)
        except Undecided as problem:
            yield about(UNDECIDED, Severity.NOTE, policy, rule, f"not decided what it matches: {problem}")


def _of_class(policy: Policy, class_: Class, everything: Space) -> Iterator[Finding]:
    found = reach(policy, class_, everything)
    for at, rule in enumerate(everything.rules):
        if name_of(rule.id) is not None:
            continue
        if not found.matches[at]:
            yield about(NOTHING, Severity.WARNING, policy, rule, "no request can match this rule", hint=_why(rule))
        elif missing := found.matches[at] - found.decides[at]:
            yield _unreached(policy, everything, at, missing, found)
        elif at not in found.useful:
            yield _moot(policy, everything, at, found)
    yield from _contradictions(policy, everything, found)


def _why(rule: Rule) -> str:
    return "its parts exclude each other" if rule.subject or rule.selector else ""


def _unreached(policy: Policy, everything: Space, at: int, missing: set[str], found: Reach) -> Finding:
    rule = everything.rules[at]
    hiding = [everything.rules[one] for one in hiders(everything, at, missing)]
    names = _list([one.id for one in hiding])
    one = len(hiding) == 1
    what = f"rule{'s' * (not one)} {names} match{'es' * one} all that it matches"
    if missing == found.matches[at]:
        hint = _advice(rule, hiding)
        return about(
            UNREACHED, Severity.WARNING, policy, rule, f"never decides: {what}", hint=hint, related=_at(hiding)
        )
    operations = _list([one for one in OPERATIONS[rule.class_] if one in missing])
    message = f"never decides {operations}: there {what}"
    return about(UNREACHED_OPERATION, Severity.NOTE, policy, rule, message, related=_at(hiding))


def _advice(rule: Rule, hiding: Sequence[Rule]) -> str:
    if all(one.action is rule.action for one in hiding):
        return "remove it: they ask for the same" if len(hiding) > 1 else "remove it: both ask for the same"
    return f"put it before `{hiding[0].id}`, if it is the exception" if hiding else ""


def _moot(policy: Policy, everything: Space, at: int, found: Reach) -> Finding:
    rule = everything.rules[at]
    heirs = [everything.rules[one] for one in sorted(found.heirs[at]) if one >= 0]
    by_default = -1 in found.heirs[at]
    default = f"the default of class `{rule.class_}`"
    others = f"rule{'s' * (len(heirs) > 1)} {_list([one.id for one in heirs])}" if heirs else ""
    says = (
        f"{others} and {default} say" if others and by_default else f"{others or default} say{'s' * (len(heirs) < 2)}"
    )
    named = rule.action is not Action.ALLOW or rule.message or rule.controls
    severity = Severity.NOTE if named else Severity.WARNING
    message = f"changes nothing: without it {says} `{rule.action}` too"
    hint = "keep it if it is there for its own message and count" if named else ""
    return about(MOOT, severity, policy, rule, message, hint=hint, related=_at(heirs))


def _contradictions(policy: Policy, everything: Space, found: Reach) -> Iterator[Finding]:
    """
    One finding for each rule that decides against later ones, or two.

    That an earlier rule lets through what a later one refuses is a warning; the other way round, or where the earlier
    rule is for some and the later for all, order errs on the safe side or is plainly meant: a note.
    """
    groups: dict[tuple[int, Severity], list[tuple[int, Example]]] = defaultdict(list)
    for (first, second), clash in sorted(found.clashes.items(), key=lambda item: item[0]):
        shown = example(clash.room, clash.box, clash.operation)
        if shown and found.decides[second] and _is_contradiction(everything, first, second):
            meant = _refuses(everything.rules[first]) or _is_of_some(everything, first, second)
            severity = Severity.NOTE if meant else Severity.WARNING
            groups[first, severity].append((second, shown))
    for (first, severity), clashes in groups.items():
        one, others = everything.rules[first], [everything.rules[second] for second, _ in clashes]
        names = f"rule{'s' * (len(others) > 1)} {_list([other.id for other in others])}"
        come = f"which come{'s' * (len(others) == 1)} later"
        message = (
            f"contradicts {names}, {come}: both match `{clashes[0][1].text}`, and this one decides "
            f"(`{one.action}`, not `{others[0].action}`)"
        )
        yield about(CONTRADICTION, severity, policy, one, message, related=_at(others))


def _is_contradiction(everything: Space, first: int, second: int) -> bool:
    """Whether two rules overlap in part only, and the first is no exception from the second, nor a waiver."""
    one, other = everything.rules[first], everything.rules[second]
    if name_of(one.id) is not None or contains(everything, second, first) or contains(everything, first, second):
        return False
    return not _is_exception(one, other)


def _is_exception(one: Rule, other: Rule) -> bool:
    """
    Whether a rule is an exception from another: whatever of its list touches the other lies within it.

    What counts is names (or addresses) and who acts; that the exception also covers other types or ports is no clash.
    """
    for variant in _variants(one):
        pair = space(one.class_, [variant, other])
        if overlaps(pair, 0, 1) and not contains(pair, 1, 0, lambda at, key: at == 0 or _is_who(key)):
            return False
    return True


def _is_of_some(everything: Space, one: int, other: int) -> bool:
    """Whether a rule is for some of those only that the other is about: then it is meant to come first."""
    return contains(everything, other, one, lambda _, key: _is_who(key)) and not contains(
        everything, one, other, lambda _, key: _is_who(key)
    )


def _is_who(key: str) -> bool:
    return key in ("exe", "account", "parent") or key.startswith("ancestor")


def _variants(rule: Rule) -> Iterator[Rule]:
    """A rule for each entry of its list of names or addresses."""
    match rule.selector:
        case FileSelector(paths=names) | ExecSelector(paths=names) if len(names) > 1:
            yield from (replace(rule, selector=replace(rule.selector, paths=(one,))) for one in names)
        case NetworkSelector(to=names) if len(names) > 1:
            yield from (replace(rule, selector=replace(rule.selector, to=(one,))) for one in names)
        case NetworkSelector(unix=names) if len(names) > 1:
            yield from (replace(rule, selector=replace(rule.selector, unix=(one,))) for one in names)
        case _:
            yield rule


def _everything(policy: Policy, rule: Rule) -> Iterator[Finding]:
    if rule.subject or rule.within or name_of(rule.id) is not None:
        return
    share = _share(rule)
    if share is None or share < NEARLY:
        return
    before = [one for one in rules_of([policy], rule.class_) if one.id != rule.id and not _refuses(one)]
    meant = rule.action is Action.AUDIT or (_refuses(rule) and before)
    severity = Severity.NOTE if meant else Severity.WARNING
    what = "every" if share == 1 else f"nearly every ({share:.0%} of those that people know)"
    message = f"matches {what} object of class `{rule.class_}`, whoever acts"
    operations = operations_of(rule)
    whole = operations == set(OPERATIONS[rule.class_])
    hint = f"`defaults: {{{rule.class_}: {rule.action}}}` says the same, also of what has no name" if whole else ""
    yield about(EVERYTHING, severity, policy, rule, message, hint=hint)


def _refuses(rule: Rule) -> bool:
    return rule.action in (Action.DENY, Action.KILL)


def _share(rule: Rule) -> float | None:
    """How many of the objects that people know a selector lists; None: it lists none, and says so."""
    match rule.selector:
        case FileSelector(paths=paths, types=()) if paths:
            return _names(paths, KNOWN)
        case ExecSelector(paths=paths) if paths:
            return _names(paths, PROGRAMS)
        case NetworkSelector(to=to, ports=(), protocols=(), families=()) if to:
            return float({"0.0.0.0/0", "::/0"} <= set(to))
        case CapabilitySelector(names=names):
            return len(set(names)) / len(CAPABILITIES)
        case SyscallSelector(names=names):
            return len(set(names)) / len(syscalls.numbers("x86_64"))
        case SignalSelector(signals=signals) if signals:
            return len(set(signals)) / SIGNAL_MAX
    return None


def _names(patterns: tuple[str, ...], known: str) -> float:
    names = known.split()
    return sum(fits_name(NameTest(patterns), name.encode()) == YES for name in names) / len(names)


def _list(names: Sequence[str]) -> str:
    """Names in backticks, some of them if there are many."""
    shown = ", ".join(f"`{name}`" for name in names[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _at(rules: Sequence[Rule]) -> tuple[tuple[str, Position], ...]:
    return tuple((f"rule `{rule.id}`", rule.position) for rule in rules[:4])
