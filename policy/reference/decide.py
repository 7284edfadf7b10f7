"""
What a profile makes of a request, read off the contract sentence by sentence. No tables, no caching, no hurry.

Three values: True, False, and None where something about the request could not be told.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from policy.model import syscalls
from policy.model.types import (
    OPERATIONS,
    Action,
    Decision,
    Effect,
    ExecSelector,
    FailMode,
    FileSelector,
    Mode,
    Nameless,
    NetworkSelector,
    Peer,
    Policy,
    Request,
    Rule,
    Subject,
    SyscallSelector,
)
from policy.reference.glob import matches

Truth = bool | None


def decide(profile: Sequence[Policy], request: Request, architecture: str = "x86_64") -> Decision:
    """
    The profile's decision: of the strictest policy, of the strictest operation; the first of equals.

    Args:
        profile: At least one policy, in any order; their names are different.
        architecture: Whose system call numbers the request means.
    """
    order = request_operations(request)
    decisions = [_of_operation(profile, request, operation, architecture) for operation in order]
    return max(decisions, key=strictness)


def request_operations(request: Request) -> list[str]:
    """The request's operations in the order of its class."""
    return [operation for operation in OPERATIONS[request.class_] if operation in request.operations]


def strictness(decision: Decision) -> tuple[int, ...]:
    """
    kill > deny > would-deny > audit > allow; of equals, one that could not decide.

    Not to be able to decide is always a violation, so even if it fails open it comes before what makes none.
    """
    return (max(decision.effect, Effect.AUDIT), 1) if decision.error else (decision.effect, 0)


def _of_operation(profile: Sequence[Policy], request: Request, operation: str, architecture: str) -> Decision:
    ordered = sorted(profile, key=lambda policy: policy.name)
    decisions = [_of_policy(policy, request, operation, architecture) for policy in ordered]
    winner = max(decisions, key=strictness)
    also = tuple(one.rule for one in decisions if one is not winner and one.effect is Effect.WOULD_DENY)
    return Decision(winner.effect, winner.rule, winner.error, also)


def _of_policy(policy: Policy, request: Request, operation: str, architecture: str) -> Decision:
    """The first rule that matches decides. Rules before it that may match must ask for the same, or nobody can tell."""
    maybe: list[Rule] = []
    action, name = policy.default(request.class_), f"default:{request.class_}"
    for rule in policy.rules:
        truth = rule_matches(rule, request, operation, architecture)
        if truth is None:
            maybe.append(rule)
        if truth:
            action, name = rule.action, rule.id
            break
    if any(rule.action != action for rule in maybe):
        effect = Effect.ALLOW if policy.fail_mode is FailMode.OPEN else _effect(policy, Action.DENY)
        return Decision(effect, (policy.name, maybe[0].id), error=True)
    return Decision(_effect(policy, action), (policy.name, name))


def _effect(policy: Policy, action: Action) -> Effect:
    if policy.mode is Mode.PERMISSIVE and action in (Action.DENY, Action.KILL):
        return Effect.WOULD_DENY
    return {"allow": Effect.ALLOW, "audit": Effect.AUDIT, "deny": Effect.DENY, "kill": Effect.KILL}[action]


def rule_matches(rule: Rule, request: Request, operation: str, architecture: str) -> Truth:
    if rule.class_ is not request.class_ or operation not in rule.selector.operations:
        return False
    return _all([_subject_matches(rule.subject, request), _object_matches(rule, request, architecture)])


def _all(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    return False if False in found else None if None in found else True


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _subject_matches(subject: Subject | None, request: Request) -> Truth:
    """User and group are known together or not at all: the kernel reads both from the same credentials."""
    if subject is None:
        return True
    actor = request.actor
    known = actor.user is not None and actor.group is not None
    user, group = (actor.user, actor.group) if known else (None, None)
    return _all(
        [
            _executable(subject.exe, actor.exe) if subject.exe else True,
            _not(_executable(subject.not_exe, actor.exe)) if subject.not_exe else True,
            _among(subject.user, user) if subject.user else True,
            _not(_among(subject.not_user, user)) if subject.not_user else True,
            _among(subject.group, group) if subject.group else True,
            _not(_among(subject.not_group, group)) if subject.not_group else True,
        ]
    )


def _executable(patterns: Sequence[str], exe: bytes | None) -> Truth:
    return None if exe is None else any(matches(pattern, exe) for pattern in patterns)


def _among(ids: Sequence[int | str], id_: int | None) -> Truth:
    return None if id_ is None else id_ in ids


def _object_matches(rule: Rule, request: Request, architecture: str) -> Truth:
    found = request.object
    match rule.selector:
        case FileSelector(paths=paths) | ExecSelector(paths=paths):
            if isinstance(found, Nameless):
                return False
            return any(matches(path, found) for path in paths) if isinstance(found, bytes) else None
        case NetworkSelector() as selector:
            return _peer_matches(selector, found if isinstance(found, Peer) else None)
        case SyscallSelector(names=names):
            numbers = syscalls.numbers(architecture)
            return found in [numbers.get(name) for name in names] if isinstance(found, int) else None


def _peer_matches(selector: NetworkSelector, peer: Peer | None) -> Truth:
    """A part that is left out matches any peer, also one that could not be told."""
    return _all(
        [
            (None if peer is None else _address(selector.to, peer.address)) if selector.to else True,
            (None if peer is None else any(a <= peer.port <= b for a, b in selector.ports)) if selector.ports else True,
            (None if peer is None else peer.protocol in selector.protocols) if selector.protocols else True,
        ]
    )


def _address(networks: Sequence[str], address: bytes | None) -> bool:
    """IPv4-mapped addresses are IPv4 and match no IPv6 network; what has no address matches none."""
    if address is None:
        return False
    found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv6Address(address)
    found = found.ipv4_mapped or found  # type: ignore[union-attr]
    return any(found in ipaddress.ip_network(text) for text in networks)
