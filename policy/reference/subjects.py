"""
Whether a rule's subject is the one that acts. A part that is left out restricts nothing.
"""

from collections.abc import Iterable, Sequence

from policy.model.types import Actor, Subject
from policy.reference.glob import matches
from policy.reference.truth import Truth, every, negated


def subject_matches(subject: Subject | None, actor: Actor) -> Truth:
    """
    Every part that is given matches, and no negated one does.

    User and group are known together or not at all: the kernel reads both from the same credentials.
    """
    if subject is None:
        return True
    known = actor.user is not None and actor.group is not None
    user, group = (actor.user, actor.group) if known else (None, None)
    return every(
        [
            _executable(subject.exe, actor.exe) if subject.exe else True,
            _executable(subject.parent, actor.parent) if subject.parent else True,
            _ancestor(subject.ancestor, actor.ancestors) if subject.ancestor else True,
            _among(subject.user, user) if subject.user else True,
            _among(subject.group, group) if subject.group else True,
            negated(_executable(subject.not_exe, actor.exe)) if subject.not_exe else True,
            negated(_executable(subject.not_parent, actor.parent)) if subject.not_parent else True,
            negated(_ancestor(subject.not_ancestor, actor.ancestors)) if subject.not_ancestor else True,
            negated(_among(subject.not_user, user)) if subject.not_user else True,
            negated(_among(subject.not_group, group)) if subject.not_group else True,
        ]
    )


def _executable(patterns: Sequence[str], exe: bytes | None) -> Truth:
    return None if exe is None else any(matches(pattern, exe) for pattern in patterns)


def _ancestor(patterns: Sequence[str], ancestors: Iterable[bytes] | None) -> Truth:
    """Some ancestor matches some pattern."""
    if ancestors is None:
        return None
    return any(matches(pattern, ancestor) for ancestor in ancestors for pattern in patterns)


def _among(ids: Sequence[int | str], id_: int | None) -> Truth:
    return None if id_ is None else id_ in ids
