"""Answers against the reference: what they show is so, and what they do not show is not there."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from policy.answers.diff import Difference, compare
from policy.answers.findings import NOTHING, UNREACHED
from policy.answers.outcomes import Outcomes, together
from policy.answers.rules import of_policy
from policy.answers.space import rules_of, space
from policy.model.names import NAMESPACES, NAMESPACES_WITH_HOOK
from policy.model.types import Action, Class, FailMode, Mode, Mount, Number, Peer, Policy, Request
from policy.reference import decide
from tests.property.generate import Generator

SEEDS = range(40)


def can_be(request: Request) -> bool:
    """Whether the kernel can ask it: unmounting has no source, what has no address no port, some kinds no hook."""
    match request.object:
        case Mount(source=source):
            return not (isinstance(source, bytes) and {"umount", "pivot"} & {*request.operations})
        case Peer(address=None, port=port):
            return port == 0
        case Number(value) if request.class_ is Class.NAMESPACE:
            return NAMESPACES[value] in NAMESPACES_WITH_HOOK
    return True


def changed(chance: random.Random, profile: Sequence[Policy]) -> list[Policy]:
    """A profile after somebody has edited each policy once, or not."""
    return [_edited(chance, policy) for policy in profile]


def _edited(chance: random.Random, policy: Policy) -> Policy:
    rules = list(policy.rules)
    match chance.randrange(6) if rules else 5:
        case 0:
            rules.pop(chance.randrange(len(rules)))
        case 1:
            chance.shuffle(rules)
        case 2:
            at = chance.randrange(len(rules))
            rules[at] = replace(rules[at], action=chance.choice([Action.ALLOW, Action.AUDIT]))
        case 3:
            policy = replace(policy, mode=chance.choice(list(Mode)), fail_mode=chance.choice(list(FailMode)))
    return replace(policy, rules=tuple(rules))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_outcome_is_what_the_reference_decides(seed: int) -> None:
    """A request taken from any box is decided as the box says."""
    asked = 0
    for profile in Generator(f"space {seed}").profiles():
        for class_ in Class:
            for room in space(class_, rules_of(together([profile]), class_)).rooms:
                outcomes = Outcomes(room, [profile])
                for operation in room.operations:
                    for outcome in outcomes.of(operation):
                        request = room.request(outcome.box, operation)
                        if request is not None:
                            asked += 1
                            assert (decide(profile, request),) == outcome.decisions

    assert asked > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_differences_are_all_there_are(seed: int) -> None:
    """Each example differs as said; and of random requests none differs in a way that is not listed."""
    chance, generator = random.Random(f"diff {seed}"), Generator(f"diff {seed}")
    for before in generator.profiles():
        after = changed(chance, before)
        found = [one for part in compare(before, after).compared for one in part.differences]
        for one in found:
            request = one.example.request
            assert (decide(before, request), decide(after, request)) == (one.before, one.after)
        _nothing_else(before, after, found, generator.requests(before, 100))


def _nothing_else(
    before: Sequence[Policy], after: Sequence[Policy], found: Sequence[Difference], requests: Sequence[Request]
) -> None:
    listed = {(one.class_, operation, one.before, one.after) for one in found for operation in one.operations}
    for request in _single(requests):
        old, new = decide(before, request), decide(after, request)
        assert old == new or (request.class_, request.operations[0], old, new) in listed


@pytest.mark.parametrize("seed", SEEDS)
def test_what_never_decides_never_does(seed: int) -> None:
    """No random request of which all could be told is decided by a rule of which lint says that it never decides."""
    generator = Generator(f"lint {seed}")
    for policy, *_ in generator.profiles():
        never = {one.rule for one in of_policy(policy, 0) if one.code in (UNREACHED, NOTHING)}
        for request in _single(generator.requests((policy,), 150)):
            decision = decide([policy], request)
            assert decision.error or decision.rule[1] not in never


def _single(requests: Sequence[Request]) -> Iterator[Request]:
    return (replace(one, operations=(name,)) for one in filter(can_be, requests) for name in one.operations)
