"""
One request: which parts of which rule match it, and so what policies decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policy.answers.cells import MAYBE, NO, UNKNOWN, YES, NameTest, fits_name
from policy.answers.objects import Shape, shapes
from policy.answers.outcomes import decide as policy_says
from policy.answers.outcomes import strictest
from policy.answers.subjects import aspects, levels
from policy.compiler.verdicts import rank
from policy.model.types import (
    OPERATIONS,
    WITHOUT_DEFAULT,
    Actor,
    Class,
    Decision,
    Device,
    File,
    Mount,
    Nameless,
    Number,
    Object,
    Peer,
    Policy,
    Process,
    Request,
    Rule,
    UnixPeer,
)

_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Match:
    """
    What a rule makes of a request.

    Attributes:
        parts: Parts that keep it from matching for certain, each with NO or MAYBE; empty if it matches.
    """

    rule: Rule
    parts: tuple[tuple[str, int], ...]

    @property
    def truth(self) -> int:
        return min((truth for _, truth in self.parts), default=YES)


def match(rule: Rule, request: Request, operation: str, architecture: str = "x86_64") -> Match:
    """Part by part; a rule of another class must not be asked."""
    found: list[tuple[str, int]] = []
    for number, level in enumerate(levels(rule)):
        prefix = "waived rule's " * (number > 0)
        found += [(prefix + key, truth) for key, truth in _parts(level, request, operation, architecture)]
    return Match(rule, tuple((key, truth) for key, truth in found if truth != YES))


def decide(policies: Sequence[Policy], request: Request, architecture: str = "x86_64") -> Decision:
    """What a profile decides: of several operations the strictest decision, the first of equals."""
    ordered = sorted(policies, key=lambda policy: policy.name)
    decisions = [
        strictest(request.class_, [of_policy(one, request, operation, architecture)[0] for one in ordered])
        for operation in OPERATIONS[request.class_]
        if operation in request.operations
    ]
    return max(decisions, key=lambda one: rank(one.effect, one.error))


def of_policy(
    policy: Policy, request: Request, operation: str, architecture: str = "x86_64"
) -> tuple[Decision, list[Match]]:
    """What one policy decides of one operation, and what each of its rules of the class makes of it."""
    matches = [match(rule, request, operation, architecture) for rule in policy.rules if rule.class_ is request.class_]
    certain = next((at for at, one in enumerate(matches) if one.truth == YES), len(matches))
    perhaps = [one.rule for one in matches[:certain] if one.truth == MAYBE]
    rule = matches[certain].rule if certain < len(matches) else None
    no_default = (request.class_, operation) in WITHOUT_DEFAULT
    return policy_says(policy, request.class_, rule, perhaps, no_default=no_default), matches


def _parts(level: Rule, request: Request, operation: str, architecture: str) -> list[tuple[str, int]]:
    found = [("operation", YES if operation in level.selector.operations else NO)]
    name, values = _object_values(request.class_, request.object, operation)
    shape = _shape(request.class_, level, name, architecture)
    if not shape.applies(level.selector):
        found.append(("object", NO))
    else:
        for aspect in shape.aspects:
            if (test := aspect.test(level)) is not None:
                found.append((aspect.key, aspect.truth(test, values[aspect.key])))
    for aspect in aspects([level], 0):
        if (test := aspect.test(level)) is not None:
            key = "ancestor" if aspect.patterns else aspect.key
            found.append((key, aspect.truth(test, _subject_value(request, key, aspect.patterns))))
    return found


def _shape(class_: Class, level: Rule, name: str, architecture: str) -> Shape:
    return next(shape for shape in shapes(class_, [level], architecture) if not name or shape.name == name)


def _object_values(class_: Class, found: Object, operation: str) -> tuple[str, dict[str, Any]]:
    """The name of a shape (empty: the class's only one), and the value of each of its aspects."""
    match found:
        case File(name, kind):
            return "", {"name": _told(name), "type": _told(kind)}
        case Peer() as peer:
            return _peer(peer, operation)
        case UnixPeer(name, protocol):
            values = {"name": _told(name), "protocol": protocol, "family": 1}
            return ("socket" if operation == "create" else "unix"), values
        case Device():
            return "device", {"device": found}
        case Mount(source, target, kind):
            return "mount", {"source": _told(source), "target": _told(target), "fstype": _told(kind)}
        case Process(outside):
            return "", {"process": _told(outside)}
        case Number(value):
            return "number", {"number": value}
        case bytes() | Nameless():
            return "", {"name": found}
    unknown = {"name": UNKNOWN, "type": UNKNOWN, "source": UNKNOWN, "target": UNKNOWN, "fstype": UNKNOWN}
    shape = {Class.FILE: "", Class.EXEC: "", Class.MOUNT: "mount", Class.PTRACE: ""}.get(class_, "unknown")
    return shape if class_ not in _OBJECTLESS else "", unknown | {"process": UNKNOWN, "object": UNKNOWN}


_OBJECTLESS = (Class.BPF, Class.MODULE, Class.KEYRING, Class.IO_URING)


def _peer(peer: Peer, operation: str) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"port": peer.port, "protocol": peer.protocol, "family": peer.family}
    if operation == "create":
        return "socket", values
    if peer.address is None:
        return "other", values
    mapped = peer.address.startswith(_MAPPED)
    values["address"] = int.from_bytes(peer.address[12:] if mapped else peer.address, "big")
    return ("IPv4" if mapped else "IPv6"), values


def _told(value: Any) -> Any:
    return UNKNOWN if value is None else value


def _subject_value(request: Request, key: str, patterns: tuple[str, ...]) -> Any:
    actor: Actor = request.actor
    match key:
        case "exe":
            return _told(actor.exe)
        case "parent":
            return _told(actor.parent)
        case "account":
            known = actor.user is not None and actor.group is not None
            return (actor.user, actor.group) if known else UNKNOWN
        case "time":
            return request.time
    if actor.ancestors is None:
        return UNKNOWN
    return any(_matches(patterns, name) for name in actor.ancestors)


def _matches(patterns: tuple[str, ...], name: bytes) -> bool:
    return fits_name(NameTest(patterns), name) == YES
