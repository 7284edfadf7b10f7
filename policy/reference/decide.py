"""
What a profile makes of a request, read off the contract sentence by sentence. No tables, no caching, no hurry.
"""

from collections.abc import Sequence

from policy.model.types import (
    OPERATIONS,
    WITHOUT_DEFAULT,
    Action,
    Decision,
    Effect,
    Errno,
    FailMode,
    Mode,
    Policy,
    Request,
    Rule,
)
from policy.reference.objects import object_matches
from policy.reference.subjects import subject_matches
from policy.reference.truth import Truth, every

#: An enforcing policy's.
EFFECTS = {Action.ALLOW: Effect.ALLOW, Action.AUDIT: Effect.AUDIT, Action.DENY: Effect.DENY, Action.KILL: Effect.KILL}


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
    """The first by name of the strictest policies; other policies' would-denies are counted too."""
    ordered = sorted(profile, key=lambda policy: policy.name)
    decisions = [policy_decides(policy, request, operation, architecture) for policy in ordered]
    winner = max(decisions, key=strictness)
    also = tuple(one.rule for one in decisions if one is not winner and one.effect is Effect.WOULD_DENY)
    return Decision(winner.effect, winner.rule, winner.error, also, winner.errno)


def policy_decides(policy: Policy, request: Request, operation: str, architecture: str = "x86_64") -> Decision:
    """
    What one policy says of one operation, whatever others say.

    The first rule that matches decides, or else the default of the class. If a rule before may match, for something
    about the request could not be told, and asks for something else, then the policy cannot decide.
    """
    truths = [(rule, rule_matches(rule, request, operation, architecture)) for rule in policy.rules]
    certain = next((at for at, (_, truth) in enumerate(truths) if truth), len(truths))
    perhaps = [rule for rule, truth in truths[:certain] if truth is None]
    decisive = truths[certain][0] if certain < len(truths) else None
    action = decisive.action if decisive else _default(policy, request, operation)
    if any(rule.action is not action for rule in perhaps):
        return Decision(_effect_of_error(policy), (policy.name, perhaps[0].id), error=True)
    effect = _effect(policy, action)
    name = decisive.id if decisive else f"default:{request.class_}"
    errno = decisive.errno if decisive and effect is Effect.DENY else Errno.EPERM
    return Decision(effect, (policy.name, name), errno=errno)


def _default(policy: Policy, request: Request, operation: str) -> Action:
    """A class left out is allowed, and so is what defaults do not reach."""
    if (request.class_, operation) in WITHOUT_DEFAULT:
        return Action.ALLOW
    return dict(policy.defaults).get(request.class_, Action.ALLOW)


def _effect(policy: Policy, action: Action) -> Effect:
    """A permissive policy denies nothing."""
    if policy.mode is Mode.PERMISSIVE and action in (Action.DENY, Action.KILL):
        return Effect.WOULD_DENY
    return EFFECTS[action]


def _effect_of_error(policy: Policy) -> Effect:
    return Effect.ALLOW if policy.fail_mode is FailMode.OPEN else _effect(policy, Action.DENY)


def rule_matches(rule: Rule, request: Request, operation: str, architecture: str = "x86_64") -> Truth:
    """Whether a rule is about this operation of this request; None: that cannot be told."""
    if rule.class_ is not request.class_ or operation not in rule.selector.operations:
        return False
    if rule.until is not None and request.time >= rule.until:
        return False
    return every(
        [
            subject_matches(rule.subject, request.actor),
            object_matches(rule.selector, request.object, architecture),
            rule_matches(rule.within, request, operation, architecture) if rule.within else True,
        ]
    )
