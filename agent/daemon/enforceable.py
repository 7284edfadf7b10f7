"""
Whether this node can do what a policy asks, told by name: of rules, of class defaults, of parts of rules.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from agent.daemon.ports import ClassReach, Problem, Reaches
from agent.daemon.reaches import NOBODY
from agent.kernel.coverage import Part, Reach
from policy.model.names import FAMILIES
from policy.model.types import (
    OPERATIONS,
    WITHOUT_DEFAULT,
    Action,
    Class,
    Errno,
    FileSelector,
    Level,
    Mode,
    NetworkSelector,
    Policy,
    Position,
    Rule,
)

_ORDER = (Reach.NONE, Reach.OBSERVED, Reach.ENFORCED)
_INET = frozenset({FAMILIES["inet"], FAMILIES["inet6"]})
_TCP_UDP = frozenset({socket.IPPROTO_TCP, socket.IPPROTO_UDP})
#: Classes whose default stays of use where only some of their operations are decided; of others it is refused.
_PARTLY = frozenset({Class.FILE, Class.EXEC, Class.NETWORK})
#: What a part of a rule asks of a program, and what to do without.
_PARTS = MappingProxyType(
    {
        Part.EXE: ("tell executables apart", "leave `subject.exe` out, or use a kernel with BPF LSM"),
        Part.PARENT: ("tell parents apart", "leave `subject.parent` out"),
        Part.ANCESTOR: ("tell ancestors apart", "leave `subject.ancestor` out"),
        Part.TYPES: ("tell types of file apart", "leave `types` out"),
        Part.UNIX: ("read names of unix sockets", "leave `unix` out, or use `families: [unix]`"),
        Part.FAMILIES: ("see sockets of other families than inet and inet6", "leave those `families` out"),
        Part.NETLINK: ("see netlink sockets", "leave `netlink` out of `families`"),
        Part.PROTOCOLS: ("see sockets of other protocols than tcp and udp", "leave those `protocols` out"),
        Part.ERRNO: ("answer anything but EPERM", "leave `errno` out"),
        Part.KILL: ("kill", "use `deny`"),
    }
)


def need(policy: Policy, class_: Class, action: Action) -> Reach:
    """What operations must reach for a rule to do what it asks; system calls are never refused, only recorded."""
    if action is Action.ALLOW:
        return Reach.NONE
    if action is Action.AUDIT or policy.mode is Mode.PERMISSIVE or class_ is Class.SYSCALL:
        return Reach.OBSERVED
    return Reach.ENFORCED


def level(policy: Policy, class_: Class, operations: Iterable[str], action: Action, reaches: Reaches) -> str:
    """What becomes of a rule here: "enforced" where it does all it asks for, "observed", or "none"."""
    worst = min((reaches[class_, name].reach for name in operations), key=_ORDER.index)
    if worst is Reach.NONE:
        return "none"
    blocks = need(policy, class_, action) is not Reach.OBSERVED
    kills = class_ is Class.SYSCALL and action is Action.KILL and policy.mode is Mode.ENFORCING
    return "enforced" if kills or (worst is Reach.ENFORCED and blocks) else "observed"


def reached(class_: Class) -> tuple[str, ...]:
    """The operations that a class default is about."""
    return tuple(name for name in OPERATIONS[class_] if (class_, name) not in WITHOUT_DEFAULT)


def problems(policy: Policy, reaches: Reaches) -> Iterator[Problem]:
    """All that this node has to say."""
    yield from operations(policy, reaches)
    yield from defaults(policy, reaches)
    yield from parts(policy, reaches)


def operations(policy: Policy, reaches: Reaches) -> Iterator[Problem]:
    """Errors for what rules ask and no program here does, each thing once; warnings where the policy accepts less."""
    told: set[tuple[Class, str]] = set()
    for rule in policy.rules:
        needed = need(policy, rule.class_, rule.action)
        names = [name for name in rule.selector.operations if (rule.class_, name) not in told]
        for here, short in _short(rule.class_, names, needed, reaches):
            told.update((rule.class_, name) for name in short)
            what = _named(rule.class_, short, here, reaches)
            yield _problem(policy, what, here, needed, f"rule `{rule.id}`", rule.id, rule.position)


def defaults(policy: Policy, reaches: Reaches) -> Iterator[Problem]:
    """
    Errors for class defaults that do not reach all of their class.

    Where a default is of use for the rest (`_PARTLY`), a warning that names what it does not reach.
    """
    for class_, action in policy.defaults:
        needed = need(policy, class_, action)
        names = reached(class_)
        groups = list(_short(class_, names, needed, reaches))
        if class_ in _PARTLY and sum(len(short) for _, short in groups) < len(names):
            yield from (_unreached(policy, class_, short, here) for here, short in groups)
        else:
            for here, short in groups:
                what = _named(class_, short, here, reaches)
                yield _problem(policy, what, here, needed, "its default", "", policy.position)


def _short(
    class_: Class, names: Iterable[str], needed: Reach, reaches: Reaches
) -> Iterator[tuple[ClassReach, Sequence[str]]]:
    """The operations that do not reach what is needed, those for the same reason together."""
    groups: list[tuple[ClassReach, list[str]]] = []
    for name in names:
        here = reaches[class_, name]
        if _ORDER.index(here.reach) >= _ORDER.index(needed):
            continue
        group = next((group for reach, group in groups if reach == here), None)
        if group is None:
            groups.append((here, [name]))
        else:
            group.append(name)
    yield from groups


def _named(class_: Class, names: Sequence[str], here: ClassReach, reaches: Reaches) -> str:
    """The class, if it is the same for all of it, else the operations."""
    if all(reaches[class_, name] == here for name in OPERATIONS[class_]):
        return f"class `{class_}`"
    return f"{_listed(names)} of class `{class_}`"


def _listed(names: Sequence[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _problem(
    policy: Policy, what: str, here: ClassReach, needed: Reach, who: str, rule: str, position: Position
) -> Problem:
    """What is short, as an error; as a warning if it is recorded at least and the policy says that this will do."""
    recorded = needed is Reach.ENFORCED and here.reach is Reach.OBSERVED
    if recorded and policy.minimum_level is Level.OBSERVED:
        message = f"policy `{policy.name}`: {what} is only recorded here, not blocked: {here.why}"
        return Problem(message, "observed-only", "warning", position, here.hint, policy.name, rule)
    also = "set `minimumLevel: observed` to record without blocking" if recorded else ""
    verb = "enforce" if needed is Reach.ENFORCED else "observe"
    why = f"no program of this version decides {what}" if here == NOBODY else here.why
    return Problem(
        message=f"cannot {verb} policy `{policy.name}`: {why}",
        code="cannot-enforce",
        position=position,
        hint=", or ".join(filter(None, (here.hint, also)))
        or "leave it out; `agentctl doctor` lists what is enforced here",
        policy=policy.name,
        rule=rule,
        found=here.found or here.reach.value,
        required=f"{here.required or needed.value} ({what}, {who})",
    )


def _unreached(policy: Policy, class_: Class, names: Sequence[str], here: ClassReach) -> Problem:
    message = (
        f"policy `{policy.name}`: the default of class `{class_}` does not reach {_listed(names)} here: {here.why}"
    )
    return Problem(message, "default-partly", "warning", policy.position, "", policy.name)


def parts(policy: Policy, reaches: Reaches) -> Iterator[Problem]:
    """Errors for rules with a part that the programs which decide them cannot tell, or do; one a rule."""
    for rule in policy.rules:
        asked = _asked(policy, rule)
        for name in rule.selector.operations:
            here = reaches[rule.class_, name]
            if found := [part for part in Part if part in asked and part in here.lacks]:
                yield _part(policy, rule, found[0], here)
                break


def _asked(policy: Policy, rule: Rule) -> set[Part]:
    """The parts of a rule that not every program can tell, or do; what it allows need not be seen."""
    who, about = rule.subject, rule.selector
    blocks = policy.mode is Mode.ENFORCING
    network = about if isinstance(about, NetworkSelector) else NetworkSelector()
    sees = rule.action is not Action.ALLOW
    asked = {
        Part.EXE: who and (who.exe or who.not_exe),
        Part.PARENT: who and (who.parent or who.not_parent),
        Part.ANCESTOR: who and (who.ancestor or who.not_ancestor),
        Part.TYPES: isinstance(about, FileSelector) and about.types,
        Part.UNIX: network.unix,
        Part.FAMILIES: sees and set(network.families) - _INET,
        Part.NETLINK: sees and FAMILIES["netlink"] in network.families,
        Part.PROTOCOLS: sees and set(network.protocols) - _TCP_UDP,
        Part.ERRNO: blocks and rule.action is Action.DENY and rule.errno is not Errno.EPERM,
        Part.KILL: blocks and rule.action is Action.KILL,
    }
    return {part for part, there in asked.items() if there}


def _part(policy: Policy, rule: Rule, part: Part, here: ClassReach) -> Problem:
    does, hint = _PARTS[part]
    return Problem(
        message=f"cannot enforce policy `{policy.name}`, rule `{rule.id}`: {here.lacks[part]}",
        code="cannot-enforce",
        hint=hint,
        position=rule.position,
        policy=policy.name,
        rule=rule.id,
        found=here.why,
        required=f"a program that can {does}",
    )
