"""
What names mean to the rules of a profile: which of them need to be told apart, and the row of numbers of each.
"""

from collections.abc import Iterable, Mapping, Sequence

from policy.compiler.asks import Ask, ends, operations
from policy.compiler.objects import Objects
from policy.compiler.parts import NONE, Values
from policy.compiler.paths import Atom, Row, Signature
from policy.compiler.subjects import Subjects, who_of
from policy.compiler.subsets import Place, Precedence
from policy.model.types import Class, Policy, Rule, Subject

#: Columns of a path label: which ask of which part of which class.
_COLUMNS = (
    (Class.FILE, 0, "paths"),
    (Class.EXEC, 0, "paths"),
    (Class.NETWORK, 0, "unix"),
    (Class.MOUNT, 0, "sources"),
    (Class.MOUNT, 1, "targets"),
    (Class.MOUNT, 2, "filesystems"),
)

#: (place of the policy, rule, what it asks of objects) of every rule of a class, in order.
RulesOfClass = Sequence[tuple[int, Rule, tuple[Ask, ...]]]


def atoms_of(rules: Mapping[Class, RulesOfClass]) -> dict[Atom, int]:
    """A number for each different list of patterns."""
    found: dict[Atom, None] = {}
    for of_class in rules.values():
        for _, rule, asks in of_class:
            for ask in asks:
                found[ask.patterns] = None
            for one in who_of(rule):
                found.update(dict.fromkeys(_executables(one)))
    found.pop((), None)
    return {patterns: at for at, patterns in enumerate(found)}


def owner_of(atom: Atom, rules: Mapping[Class, RulesOfClass], policies: Sequence[Policy]) -> tuple[str, str]:
    """The policy and the rule that use a list of patterns first."""
    for of_class in rules.values():
        for place, rule, asks in of_class:
            if any(ask.patterns == atom for ask in asks) or any(atom in _executables(one) for one in who_of(rule)):
                return policies[place].name, rule.id
    return "", ""


def _executables(subject: Subject) -> tuple[Atom, ...]:
    of_exe, of_parent = (subject.exe, subject.not_exe), (subject.parent, subject.not_parent)
    return (*of_exe, *of_parent, subject.ancestor, subject.not_ancestor)


def precedence_of(rules: Mapping[Class, RulesOfClass], atoms: Mapping[Atom, int], subjects: Subjects) -> Precedence:
    """A list of patterns that is matched for ever hides what comes after its rule, if the rule asks nothing else."""
    needs: list[dict[Place, int] | None] = [{} for _ in atoms]
    hides: list[dict[Place, int]] = [{} for _ in atoms]
    for atom in subjects.atoms:
        needs[atom] = None
    for class_, of_class in rules.items():
        for index, (place, rule, asks) in enumerate(of_class):
            alone = len(asks) == 1 and not who_of(rule) and ends(rule) is None
            for ask in asks:
                if ask.patterns:
                    atom = atoms[ask.patterns]
                    needed, hidden = needs[atom], hides[atom] if alone else {}
                    for operation in operations(rule):
                        key = (place, f"{class_}.{ask.part}", operation)
                        hidden.setdefault(key, index)
                        if needed is not None:
                            needed.setdefault(key, index)
    return Precedence(needs, hides)


class Names:
    """
    Rows of path labels.

    Attributes:
        unix_base: Class of a peer that is a unix socket whose name could not be told.
    """

    def __init__(self, objects: Mapping[Class, Objects], atoms: Mapping[Atom, int], subjects: Subjects) -> None:
        self._subjects = subjects
        self._columns: list[tuple[Values, dict[int, int]] | None] = []
        self.unix_base = 0
        for class_, part, what in _COLUMNS:
            of_class = objects[class_]
            if not of_class.active:
                self._columns.append(None)
                continue
            values, base = of_class.values(part, *(["unix"] if what == "unix" else []))
            if what == "unix":
                self.unix_base = base
            wanted = of_class.parts[part].asks.items()
            self._columns.append((values, {atoms[ask.values]: number for ask, number in wanted if ask.what == what}))

    def nameless(self) -> Row:
        """Of what has no name."""
        return (*[NONE] * len(_COLUMNS), *self._subjects.columns(()))

    def row(self, signature: Signature) -> Row:
        """Of a name that matches these atoms."""
        found = [NONE if column is None else _number(*column, signature) for column in self._columns]
        return (*found, *self._subjects.columns(signature))


def _number(values: Values, asks: Mapping[int, int], signature: Iterable[int]) -> int:
    return values.number(tuple(sorted(asks[atom] for atom in signature if atom in asks)))
