"""
Subjects as numbers: which subjects a domain and a credential class satisfy, in three values; and what of them remains
to be tested when a decision is made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from policy.compiler import limits
from policy.compiler.asks import rules_joined
from policy.compiler.limits import CompileError
from policy.compiler.paths import Atom, Signature
from policy.compiler.ruleset import NumberKind
from policy.compiler.truth import MAYBE, NO, YES
from policy.model.types import Policy, Rule, Subject

#: The subjects that must all match for one rule.
Who = tuple[Subject, ...]


def who_of(rule: Rule) -> Who:
    """Those of the rule and of all that it matches within."""
    if rule.within is None:
        return () if rule.subject is None else (rule.subject,)
    return tuple(dict.fromkeys(one.subject for one in rules_joined(rule) if one.subject is not None))


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Attributes:
        numbers: (USER or GROUP, id, class) for every id that is told apart.
        gid_classes: Classes of groups, the one of all others included.
        count: Of credential classes, the unknown one (0) included.
        truth: What each credential class makes of the user and group parts; int8, shape (subjects, count).
        given: Whether any subject names users or groups.
    """

    numbers: tuple[tuple[int, int, int], ...]
    gid_classes: int
    count: int
    truth: NDArray[np.int8]
    given: bool


class Executables:
    """
    Classes of executables, by what they make of one part of all subjects; 0: could not be told, 1: no pattern matches.

    Args:
        parts: (wanted, unwanted) patterns of each subject.
        atoms: Number of each list of patterns.
    """

    def __init__(self, parts: Sequence[tuple[Atom, Atom]], atoms: Mapping[Atom, int]) -> None:
        self._parts = [tuple(atoms[patterns] if patterns else -1 for patterns in part) for part in parts]
        self.atoms = frozenset(atom for part in self._parts for atom in part) - {-1}
        self._columns: dict[tuple[int, ...], int] = {}
        self._classes: dict[Signature, int] = {}
        self._rows = [[MAYBE if any(part) else YES for part in parts]]

    def classify(self, signature: Signature) -> int:
        """The class of an executable whose name matches these atoms."""
        projection = tuple(atom for atom in signature if atom in self.atoms)
        found = self._classes.get(projection)
        if found is None:
            found = self._classes[projection] = self._classify(frozenset(projection))
        return found

    def _classify(self, matched: frozenset[int]) -> int:
        column = tuple(
            YES if (wanted < 0 or wanted in matched) and unwanted not in matched else NO
            for wanted, unwanted in self._parts
        )
        found = self._columns.setdefault(column, len(self._rows))
        if found == len(self._rows):
            self._rows.append(list(column))
        return found

    def truth(self) -> NDArray[np.int8]:
        """int8, shape (subjects, classes)."""
        return np.array(self._rows, np.int8).reshape(len(self._rows), len(self._parts)).T


class Subjects:
    """
    The subjects of a profile.

    Attributes:
        atoms: Of executables, parents and ancestors.
        domains, domains_table, parents: As in `struct rf_profile`; the table as values, empty if there is none.
        kinds: Domains × credential classes.

    Raises:
        CompileError: A user or group is still a name, or there are too many lists of ancestors.
    """

    def __init__(self, policies: Sequence[Policy], atoms: Mapping[Atom, int]) -> None:
        every = [rule for policy in policies for rule in policy.rules]
        self._who = {who: at for at, who in enumerate(dict.fromkeys(map(who_of, every)))}
        subjects = tuple(dict.fromkeys(subject for who in self._who for subject in who))
        places = {subject: at for at, subject in enumerate(subjects)}
        self._chains = [[places[one] for one in who] for who in self._who]
        self.credentials = credentials(subjects)
        self._exe = Executables([(one.exe, one.not_exe) for one in subjects], atoms)
        self._parent = Executables([(one.parent, one.not_parent) for one in subjects], atoms)
        self._ancestors = _ancestors(policies)
        self._bits = {atoms[patterns]: 1 << bit for patterns, bit in self._ancestors.items()}
        self.atoms = self._exe.atoms | self._parent.atoms | frozenset(self._bits)
        self._told_apart: dict[tuple[int, ...], tuple[NDArray[np.int8], NDArray[np.int64]]] = {}
        self.parents = 1
        self.domains_table: tuple[int, ...] = ()

    def meet(self, signatures: Iterable[Signature]) -> None:
        """
        Make domains.

        Args:
            signatures: What an executable's name may match of `atoms`; the empty one comes first.

        Raises:
            CompileError: There are too many kinds of executables and parents.
        """
        for one in signatures:
            self._exe.classify(one)
            self._parent.classify(one)
        exe, parent = self._exe.truth(), self._parent.truth()
        if self._parent.atoms:
            self.parents = parent.shape[1]
            exe, self.domains_table = _joined(exe, parent)
        self.domains = exe.shape[1]
        _bounded(len(self._chains), (self.domains, "executables and parents"), (self.credentials.count, "accounts"))
        who = [self._joined_truth(chain, exe) for chain in self._chains]
        self.kinds = self.domains * self.credentials.count
        self._flat = np.array(who, np.int8).reshape(len(who), self.kinds)

    def columns(self, signature: Signature) -> tuple[int, int, int, int]:
        """Of a path label: class as executable, as parent, and the ancestors' bits in two words."""
        bits = sum(self._bits.get(atom, 0) for atom in signature)
        parent = self._parent.classify(signature) if self.parents > 1 else 0
        return self._exe.classify(signature), parent, bits & 0xFFFFFFFF, bits >> 32

    def index(self, rule: Rule) -> int:
        """Where a rule's subject is among `told_apart`; -1: it is anyone."""
        who = who_of(rule)
        return self._who[who] if who else -1

    def ancestors(self, rule: Rule) -> tuple[tuple[int, bool], ...]:
        """(bit, whether it must be set) of what a rule asks of ancestors."""
        found = [(self._ancestors[one.ancestor], True) for one in who_of(rule) if one.ancestor]
        found += [(self._ancestors[one.not_ancestor], False) for one in who_of(rule) if one.not_ancestor]
        return tuple(dict.fromkeys(found))

    def told_apart(self, concerned: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """
        What kinds of subjects make of some indices.

        Returns:
            Different truths, int8, shape (different ones, indices); and which of them each kind has: int64, shape
            (kinds,).
        """
        found = self._told_apart.get(concerned)
        if found is None:
            found = self._told_apart[concerned] = _different(self._flat[list(concerned)].T)
        return found

    def _joined_truth(self, chain: Sequence[int], exe: NDArray[np.int8]) -> NDArray[np.int8]:
        truth = np.full((self.domains, self.credentials.count), YES, np.int8)
        for at in chain:
            np.minimum(truth, np.minimum(exe[at][:, None], self.credentials.truth[at][None, :]), out=truth)
        return truth.reshape(-1)


def _different(rows: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Rows without repetition, in the order in which they are met, and which of them each row is."""
    numbers: dict[bytes, int] = {}
    of = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows], np.int64)
    return rows[np.unique(of, return_index=True)[1]], of


def _joined(exe: NDArray[np.int8], parent: NDArray[np.int8]) -> tuple[NDArray[np.int8], tuple[int, ...]]:
    """Domains of executables and parents: truth, int8, shape (subjects, domains); and the domain of each pair."""
    _bounded(len(exe), (exe.shape[1], "executables"), (parent.shape[1], "parents"))
    columns: dict[bytes, int] = {b"": 0}  # nothing else is the domain of what could not be told
    table: list[int] = []
    first: list[NDArray[np.int8]] = []
    for at in range(exe.shape[1]):
        for column in np.minimum(exe[:, at][:, None], parent).T:
            key = column.tobytes() if table else b""
            domain = columns.setdefault(key, len(columns))
            if domain == len(first):
                first.append(column)
            table.append(domain)
    return np.stack(first, axis=1), tuple(table)


def _bounded(subjects: int, *kinds: tuple[int, str]) -> None:
    """Refuse more combinations of kinds than can be compared for so many subjects."""
    found = prod(count for count, _ in kinds)
    limit = limits.KINDS // max(1, subjects)
    if found > limit:
        listed = " times ".join(f"{count:,} kinds of {name}" for count, name in kinds)
        raise CompileError(
            f"{listed} are {found:,} kinds of subjects; with {subjects:,} different subjects the limit is {limit:,}",
            hint="let rules share their subjects, or split the policy between scopes",
            limit=limit,
            found=found,
        )


def _ancestors(policies: Sequence[Policy]) -> dict[Atom, int]:
    """A bit for each different list of ancestors."""
    found: dict[Atom, int] = {}
    for policy in policies:
        for rule in policy.rules:
            for subject in who_of(rule):
                for patterns in filter(None, (subject.ancestor, subject.not_ancestor)):
                    if found.setdefault(patterns, len(found)) >= limits.ANCESTORS:
                        raise _too_many_ancestors(policy, rule)
    return found


def _too_many_ancestors(policy: Policy, rule: Rule) -> CompileError:
    return CompileError(
        f"rule `{rule.id}` needs one more list of ancestors; policies that apply together may have "
        f"{limits.ANCESTORS} different ones",
        hint="let rules share their lists of ancestors, or split the policy between scopes",
        limit=limits.ANCESTORS,
        found=limits.ANCESTORS + 1,
        policy=policy.name,
        rule=rule.id,
    )


def credentials(who: Sequence[Subject]) -> Credentials:
    """
    Classes of users and groups.

    Raises:
        CompileError: A name is left that the node should have resolved.
    """
    users, user_truth = _ids([(subject.user, subject.not_user) for subject in who])
    groups, group_truth = _ids([(subject.group, subject.not_group) for subject in who])
    unknown = [MAYBE if _names_accounts(subject) else YES for subject in who]
    _bounded(len(who), (user_truth.shape[1], "users"), (group_truth.shape[1], "groups"))
    pairs = user_truth.shape[1] * group_truth.shape[1]
    known = np.minimum(user_truth[:, :, None], group_truth[:, None, :]).reshape(len(who), pairs)
    truth = np.concatenate((np.array(unknown, np.int8).reshape(-1, 1), known), axis=1)
    numbers = [(NumberKind.USER, id_, class_) for id_, class_ in users]
    numbers += [(NumberKind.GROUP, id_, class_) for id_, class_ in groups]
    given = any(map(_names_accounts, who))
    return Credentials(tuple(numbers), group_truth.shape[1], truth.shape[1], truth, given)


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
