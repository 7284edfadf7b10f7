"""
One profile → its tables. What is shared by all profiles of a ruleset (automaton, words, rule numbers) is passed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from policy.compiler import asks, limits
from policy.compiler.comb import Comb
from policy.compiler.decisions import Decisions, Literal
from policy.compiler.labels import Labels
from policy.compiler.limits import CompileError
from policy.compiler.names import Names, RulesOfClass, atoms_of, owner_of, precedence_of
from policy.compiler.objects import Objects
from policy.compiler.paths import Paths, Placed
from policy.compiler.rules import Candidates
from policy.compiler.ruleset import CLASSES, ClassTable, ProfileTable
from policy.compiler.subjects import Subjects
from policy.compiler.values import Tables, tables_of
from policy.compiler.verdicts import Judge
from policy.compiler.voices import orders_of
from policy.compiler.words import Words
from policy.model.types import OPERATIONS, WITHOUT_DEFAULT, Action, Class, Policy, Rule


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    Attributes:
        addresses: (prefix length, 16 bytes, class).
        numbers: (`NumberKind`, id, class).
    """

    table: ProfileTable
    addresses: tuple[tuple[int, bytes, int], ...]
    numbers: tuple[tuple[int, int, int], ...]


def compile_profile(
    policies: Sequence[Policy], numbers: Mapping[tuple[str, str], int], words: Words, comb: Comb, architecture: str
) -> Compiled:
    """
    Args:
        policies: Sorted by name.
        numbers: Of each (policy, rule).

    Raises:
        CompileError: A limit is passed, or something is left that a node must resolve first.
    """
    rules = {class_: _rules(policies, class_, architecture) for class_ in Class}
    atoms = atoms_of(rules)
    subjects = Subjects(policies, atoms)
    listed = list(atoms)
    precedence = replace(precedence_of(rules, atoms, subjects), orders=orders_of(rules, policies))
    paths = Paths(listed, precedence, lambda atom: owner_of(listed[atom], rules, policies))
    subjects.meet(paths.projections(subjects.atoms))
    labeller = _Labeller(policies, numbers, words, subjects)
    objects = {class_: labeller.objects(class_, rules[class_]) for class_ in Class}
    tables = tables_of(objects, words)
    names = Names(objects, atoms, subjects)
    placed = paths.place(names.nameless(), names.row, words, comb)
    table = _table(policies, placed, subjects, tables, names.unix_base, objects, words)
    return Compiled(table, tables.addresses, (*subjects.credentials.numbers, *tables.numbers))


def _table(
    policies: Sequence[Policy],
    placed: Placed,
    subjects: Subjects,
    tables: Tables,
    unix_base: int,
    objects: Mapping[Class, Objects],
    words: Words,
) -> ProfileTable:
    """All members of the profile; it is as long as the struct has members."""
    classes = [ClassTable()] * CLASSES
    for class_, one in objects.items():
        classes[class_.number] = replace(one.table(words), asked=_asked(policies, class_))
    return ProfileTable(
        start=placed.start,
        floating=placed.floating,
        pairs=placed.pairs,
        alone=placed.alone,
        path_labels=placed.path_labels,
        path_label_count=placed.path_label_count,
        domains=subjects.domains,
        domains_table=words.add(subjects.domains_table) if subjects.domains_table else 0,
        parents=subjects.parents,
        credentials=subjects.credentials.count,
        gid_classes=subjects.credentials.gid_classes,
        has_credentials=int(subjects.credentials.given),
        ports=tables.ports,
        protocols=tables.protocols,
        families=tables.families,
        address_default=tables.address_default,
        unix_base=unix_base,
        syscalls=tables.syscalls,
        classes=tuple(classes),
        byte_classes=placed.byte_classes,
        policies=tuple(policy.name for policy in policies),
    )


def _asked(policies: Sequence[Policy], class_: Class) -> int:
    """Bits of the operations that some rule or default does anything about but allow."""
    asked = {name for policy in policies for name in OPERATIONS[class_] if _default(policy, class_, name)}
    for policy in policies:
        for rule in policy.rules:
            if rule.class_ is class_ and rule.action is not Action.ALLOW:
                asked.update(rule.selector.operations)
    return sum(1 << bit for bit, name in enumerate(OPERATIONS[class_]) if name in asked)


def _default(policy: Policy, class_: Class, operation: str) -> bool:
    return (class_, operation) not in WITHOUT_DEFAULT and policy.default(class_) is not Action.ALLOW


def _rules(policies: Sequence[Policy], class_: Class, architecture: str) -> RulesOfClass:
    return [
        (at, rule, asks.asks(rule, architecture))
        for at, policy in enumerate(policies)
        for rule in policy.rules
        if rule.class_ is class_
    ]


class _Labeller:
    """Makes the labels of classes."""

    def __init__(
        self, policies: Sequence[Policy], numbers: Mapping[tuple[str, str], int], words: Words, subjects: Subjects
    ) -> None:
        self._policies = policies
        self._numbers = numbers
        self._words = words
        self._subjects = subjects

    def objects(self, class_: Class, rules: RulesOfClass) -> Objects:
        asked = [one for _, _, one in rules]
        if not rules and all(policy.default(class_) is Action.ALLOW for policy in self._policies):
            return Objects(class_, asked, None)
        decisions = self._decisions(class_, [(place, rule) for place, rule, _ in rules])
        who = [self._subjects.index(rule) for _, rule, _ in rules]

        def labelling(unknown: Candidates, none: Candidates) -> Labels:
            return Labels(class_, decisions, self._subjects, who, unknown, none)

        return Objects(class_, asked, labelling)

    def _decisions(self, class_: Class, rules: Sequence[tuple[int, Rule]]) -> Decisions:
        defaults = [policy.default(class_) for policy in self._policies]
        judge = Judge(self._policies, class_, rules, self._numbers, defaults)
        without = Judge(self._policies, class_, rules, self._numbers, [Action.ALLOW] * len(defaults))
        judges = [without if (class_, one) in WITHOUT_DEFAULT else judge for one in OPERATIONS[class_]]
        operations = [asks.operations(rule) for _, rule in rules]
        literals = [self._literals(place, rule) for place, rule in rules]
        return Decisions(class_, self._policies, rules, judges, operations, literals, self._words)

    def _literals(self, place: int, rule: Rule) -> tuple[Literal, ...]:
        found = self._subjects.ancestors(rule)
        end = asks.ends(rule)
        if end is None:
            return found
        if end > limits.UNTIL_MAX:
            raise CompileError(
                f"rule `{rule.id}` ends after the year 2106",
                hint="let the waiver end earlier",
                limit=limits.UNTIL_MAX,
                found=end,
                policy=self._policies[place].name,
                rule=rule.id,
            )
        return (*found, (limits.ANCESTORS + max(0, end), True))
