"""
Subjects as numbers: which subjects a domain and a credential class satisfy, in three values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import CompileError
from policy.model.types import Policy, Subject

NO, MAYBE, YES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Attributes:
        classes: (0 user or 1 group, id, class) for every id that is told apart.
        gid_classes: Classes of groups, the one of all others included.
        count: Of credential classes, the unknown one (0) included.
        truth: What each credential class makes of the user and group parts; int8, shape (subjects, count).
        given: Whether any subject names users or groups.
    """

    classes: tuple[tuple[int, int, int], ...]
    gid_classes: int
    count: int
    truth: NDArray[np.int8]
    given: bool


def subjects(policies: Sequence[Policy]) -> tuple[Subject, ...]:
    """The different subjects of a profile's rules, in the order met."""
    return tuple(dict.fromkeys(rule.subject for policy in policies for rule in policy.rules if rule.subject))


def credentials(who: Sequence[Subject]) -> Credentials:
    """
    Classes of users and groups.

    Raises:
        CompileError: A name is left that the node should have resolved.
    """
    users, user_truth = _ids([(subject.user, subject.not_user) for subject in who])
    groups, group_truth = _ids([(subject.group, subject.not_group) for subject in who])
    unknown = [MAYBE if _names_accounts(subject) else YES for subject in who]
    pairs = user_truth.shape[1] * group_truth.shape[1]
    known = np.minimum(user_truth[:, :, None], group_truth[:, None, :]).reshape(len(who), pairs)
    truth = np.concatenate((np.array(unknown, np.int8).reshape(-1, 1), known), axis=1)
    classes = (*((0, id_, class_) for id_, class_ in users), *((1, id_, class_) for id_, class_ in groups))
    given = any(map(_names_accounts, who))
    return Credentials(classes, group_truth.shape[1], truth.shape[1], truth, given)


def _names_accounts(subject: Subject) -> bool:
    return bool(subject.user or subject.not_user or subject.group or subject.not_group)


def _ids(
    parts: Sequence[tuple[Sequence[int | str], Sequence[int | str]]],
) -> tuple[list[tuple[int, int]], NDArray[np.int8]]:
    """Classes of ids, 0 for those that nobody names; and (subjects, classes): whether wanted and not unwanted."""
    named = sorted({_number(id_) for wanted, unwanted in parts for id_ in (*wanted, *unwanted)})
    columns: dict[tuple[int, ...], int] = {}
    columns[tuple(YES if not wanted else NO for wanted, _ in parts)] = 0
    classes = []
    sets = [(frozenset(wanted), frozenset(unwanted)) for wanted, unwanted in parts]
    for id_ in named:
        column = tuple(
            YES if (not wanted or id_ in wanted) and id_ not in unwanted else NO for wanted, unwanted in sets
        )
        class_ = columns.setdefault(column, len(columns))
        if class_:
            classes.append((id_, class_))
    return classes, np.array(list(columns), np.int8).reshape(len(columns), len(parts)).T


def _number(id_: int | str) -> int:
    if isinstance(id_, int):
        return id_
    raise CompileError(
        f"the user or group `{id_}` is a name", hint="names are resolved to numbers on the node, before compiling"
    )


def executables(
    who: Sequence[Subject], atoms: Mapping[tuple[str, ...], int], signatures: Sequence[Sequence[int]]
) -> tuple[list[int], NDArray[np.int8]]:
    """
    Domains.

    Args:
        atoms: The atom of each list of patterns.
        signatures: Sets of atoms that a path may match; the first is the empty one.

    Returns:
        The domain of each signature (1 for the empty one), and what each domain makes of the executable parts: int8,
        shape (subjects, domains). Domain 0 is the unknown executable.
    """
    unknown = tuple(MAYBE if subject.exe or subject.not_exe else YES for subject in who)
    columns: dict[tuple[int | str, ...], int] = {("unknown", *unknown): 0}
    domains = []
    for signature in signatures:
        matched = frozenset(signature)
        column = tuple(_executable(subject, atoms, matched) for subject in who)
        domains.append(columns.setdefault(column, len(columns)))
    rows = [unknown, *list(columns)[1:]]
    return domains, np.array(rows, np.int8).reshape(len(rows), len(who)).T


def _executable(subject: Subject, atoms: Mapping[tuple[str, ...], int], matched: frozenset[int]) -> int:
    wanted = not subject.exe or atoms[subject.exe] in matched
    unwanted = bool(subject.not_exe) and atoms[subject.not_exe] in matched
    return YES if wanted and not unwanted else NO
