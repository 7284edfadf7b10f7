"""
One profile → its tables. What is shared by all profiles of a ruleset (automaton, words, rule numbers) is passed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.compiler import network, truth
from policy.compiler.comb import Comb
from policy.compiler.limits import SYSCALLS, WORDS, CompileError
from policy.compiler.paths import Atom, Paths, Signature
from policy.compiler.ruleset import CLASSES, ClassTable, ProfileTable
from policy.compiler.subsets import Precedence
from policy.compiler.truth import MAYBE, YES
from policy.compiler.verdicts import Judge, combine
from policy.compiler.words import Kind, Words
from policy.model import syscalls
from policy.model.types import (
    OPERATIONS,
    Action,
    Class,
    ExecSelector,
    FileSelector,
    NetworkSelector,
    Policy,
    Rule,
    Subject,
    SyscallSelector,
)

UNKNOWN, NAMELESS = 0, 1

#: Candidates of a label: (index of the rule, MAYBE or YES).
Candidates = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """
    Labels of one class while they are being made.

    Attributes:
        of: Label of each thing told apart (signature, mask, number), after merging.
        cells: Row offsets; uint32, shape (domains × credentials, labels). Empty: the class decides nothing.
    """

    of: list[int]
    cells: NDArray[np.uint32]


class ProfileCompiler:
    """Compiles one profile: a sequence of policies, sorted by name."""

    def __init__(
        self, policies: Sequence[Policy], numbers: Mapping[tuple[str, str], int], words: Words, architecture: str
    ) -> None:
        self._policies = policies
        self._words = words
        self._architecture = architecture
        self._judges = {class_: Judge(policies, class_, numbers) for class_ in Class}
        self._who = truth.subjects(policies)
        self._subject_index = {subject: at for at, subject in enumerate(self._who)}
        self._credentials = truth.credentials(self._who)
        self._atoms = _atoms(policies, self._who)
        self._truth: NDArray[np.int8] = np.zeros((0, 0), np.int8)
        self._domains = 0

    def compile(self, comb: Comb) -> tuple[ProfileTable, network.Peers | None, truth.Credentials]:
        """
        The profile's table, and what goes into the maps of addresses and credentials.

        Raises:
            CompileError: A limit is passed.
        """
        paths = Paths(list(self._atoms), self._precedence(), self._user_of)
        signatures = paths.projections(set(range(len(self._atoms))))
        domain_of, self._truth = self._domain_truth(signatures)
        self._domains = self._truth.shape[1]
        files = self._path_labels(Class.FILE, signatures)
        execs = self._path_labels(Class.EXEC, signatures)
        rows = {
            one: (file, exec_, 1, 1, 1, 1, domain, 0, 0, 0)
            for one, file, exec_, domain in zip(signatures, files.of, execs.of, domain_of, strict=True)
        }
        nameless = (NAMELESS, NAMELESS, 1, 1, 1, 1, domain_of[0], 0, 0, 0)
        placed = paths.place(nameless, rows.__getitem__, self._words, comb)
        peers, net, peer_tables = self._network()
        calls, call_table = self._syscalls()
        classes = self._cells({Class.FILE: files, Class.EXEC: execs, Class.NETWORK: net, Class.SYSCALL: calls})
        sizes = (peer_tables.pop("port_classes"), peer_tables.pop("protocol_classes"), 1)
        at = Class.NETWORK.number
        classes[at] = ClassTable(classes[at].cells, classes[at].labels, peer_tables.pop("peers"), sizes)
        return (
            ProfileTable(
                start=placed.start,
                floating=placed.floating,
                pairs=placed.pairs,
                alone=placed.alone,
                path_labels=placed.path_labels,
                path_label_count=placed.path_label_count,
                domains=self._domains,
                domains_table=0,
                parents=1,
                credentials=self._credentials.count,
                gid_classes=self._credentials.gid_classes,
                has_credentials=int(self._credentials.given),
                families=0,
                unix_base=0,
                syscalls=call_table,
                classes=tuple(classes),
                byte_classes=placed.byte_classes,
                policies=tuple(policy.name for policy in self._policies),
                **peer_tables,
            ),
            peers,
            self._credentials,
        )

    def _precedence(self) -> Precedence:
        """An atom that is matched for ever hides what comes after its rule, if the rule asks nothing of the subject."""
        needs: list[dict[tuple[int, str, str], int] | None] = [{} for _ in self._atoms]
        hides: list[dict[tuple[int, str, str], int]] = [{} for _ in self._atoms]
        for class_ in (Class.FILE, Class.EXEC):
            for index, (place, rule) in enumerate(self._judges[class_].rules):
                atom = self._atoms[_paths(rule)]
                needed, hidden = needs[atom], hides[atom]
                for operation in rule.selector.operations:
                    key = (place, class_.value, operation)
                    if needed is not None:
                        needed.setdefault(key, index)
                    if rule.subject is None:
                        hidden.setdefault(key, index)
        for subject in self._who:
            for patterns in filter(None, (subject.exe, subject.not_exe)):
                needs[self._atoms[patterns]] = None
        return Precedence(needs, hides)

    def _user_of(self, atom: int) -> tuple[str, str]:
        paths = list(self._atoms)[atom]
        for policy in self._policies:
            for rule in policy.rules:
                exe = (rule.subject.exe, rule.subject.not_exe) if rule.subject else ()
                if paths in exe or (isinstance(rule.selector, FileSelector | ExecSelector) and _paths(rule) == paths):
                    return policy.name, rule.id
        return "", ""

    def _domain_truth(self, signatures: Sequence[Signature]) -> tuple[list[int], NDArray[np.int8]]:
        """Domain of each signature; and truth of each subject by domain and credentials, flattened."""
        domain_of, exe = truth.executables(self._who, self._atoms, signatures)
        joined = np.minimum(exe[:, :, None], self._credentials.truth[:, None, :])
        self._flat = joined.reshape(len(self._who), exe.shape[1] * self._credentials.count)
        return domain_of, exe

    def _path_labels(self, class_: Class, signatures: Sequence[Signature]) -> Labels:
        """Labels of a class whose objects have paths, by the atoms that a path matches."""
        rules = self._judges[class_].rules
        by_atom: dict[int, list[int]] = {}
        for index, (_, rule) in enumerate(rules):
            by_atom.setdefault(self._atoms[_paths(rule)], []).append(index)
        candidates: list[Candidates] = []
        for signature in signatures:
            found = sorted(index for atom in signature for index in by_atom.get(atom, ()))
            candidates.append(tuple((index, YES) for index in found))
        unknown = tuple((index, MAYBE) for index in range(len(rules)))
        return self._labels(class_, candidates, unknown)

    def _labels(self, class_: Class, candidates: Sequence[Candidates], unknown: Candidates) -> Labels:
        """Labels of things, given the rules that each may be meant by; equal columns of the table become one label."""
        if not self._judges[class_].rules and all(policy.default(class_) is Action.ALLOW for policy in self._policies):
            return Labels([NAMELESS] * len(candidates), np.zeros((0, 0), np.uint32))
        seen: dict[Candidates, int] = {}
        columns: list[NDArray[np.uint32]] = [self._column(class_, unknown), self._column(class_, ())]
        numbers = {columns[1].tobytes(): NAMELESS}
        seen[()] = NAMELESS
        size, of = columns[0].size, []
        for one in candidates:
            label = seen.get(one)
            if label is None:
                column = self._column(class_, one)
                label = numbers.setdefault(column.tobytes(), len(columns))
                if label == len(columns):
                    columns.append(column)
                if size * len(columns) > WORDS:
                    raise self._too_large(class_, size, len(columns))
                seen[one] = label
            of.append(label)
        return Labels(of, np.stack(columns, axis=1))

    def _too_large(self, class_: Class, subjects: int, labels: int) -> CompileError:
        return CompileError(
            f"class `{class_}`: {subjects:,} kinds of subjects times {labels:,} or more kinds of objects are more "
            f"than the {WORDS:,} words of a ruleset",
            hint="let rules share their subjects, or split the policy between scopes",
            limit=WORDS,
            found=subjects * labels,
            policy=self._policies[0].name if len(self._policies) == 1 else "",
        )

    def _column(self, class_: Class, candidates: Candidates) -> NDArray[np.uint32]:
        """The rows for every kind of subject, given which rules the object may match."""
        judge = self._judges[class_]
        concerned = sorted({self._subject_of(judge.rules[index][1]) for index, _ in candidates} - {-1})
        size = self._flat.shape[1]
        subjects = [self._subject_of(rule) for _, rule in judge.rules] if concerned else [-1] * len(judge.rules)
        if not concerned:
            return np.full(size, self._row(class_, candidates, subjects, ()), np.uint32)
        kinds, inverse = np.unique(self._flat[concerned], axis=1, return_inverse=True)
        rows = []
        for kind in kinds.T.tolist():
            who = [0] * len(self._who)
            for at, value in zip(concerned, kind, strict=True):
                who[at] = value
            rows.append(self._row(class_, candidates, subjects, who))
        return np.array(rows, np.uint32)[inverse.reshape(-1)]

    def _subject_of(self, rule: Rule) -> int:
        return self._subject_index[rule.subject] if rule.subject else -1

    def _row(self, class_: Class, candidates: Candidates, subjects: Sequence[int], who: Sequence[int]) -> int:
        judge = self._judges[class_]
        truths = combine(candidates, subjects, who)
        row = []
        for operation in OPERATIONS[class_]:
            mine = [one for one in truths if operation in judge.rules[one[0]][1].selector.operations]
            row.append(self._words.verdict(judge.decide(mine)))
        return self._words.add(row, Kind.OFFSET)

    def _network(self) -> tuple[network.Peers | None, Labels, dict[str, int]]:
        rules = [rule for _, rule in self._judges[Class.NETWORK].rules]
        selectors = [rule.selector for rule in rules if isinstance(rule.selector, NetworkSelector)]
        peers = network.peers(selectors)
        masks: dict[int, int] = {}
        joined = [
            masks.setdefault(address & port & protocol, len(masks))
            for address in peers.address_masks
            for port in peers.port_masks
            for protocol in peers.protocol_masks
        ]
        everyone = {at for at, one in enumerate(selectors) if not (one.to or one.ports or one.protocols)}
        unknown = tuple((at, YES if at in everyone else MAYBE) for at in range(len(rules)))
        candidates = [tuple((at, YES) for at in _bits(mask)) for mask in masks]
        labels = self._labels(Class.NETWORK, candidates, unknown)
        tables = {
            "ports": 0,
            "port_classes": 1,
            "protocols": 0,
            "protocol_classes": 1,
            "peers": 0,
            "address_default": 0,
        }
        if not labels.cells.size:
            return None, labels, tables
        tables["peers"] = self._words.add([labels.of[mask] for mask in joined])
        tables |= {"port_classes": len(peers.port_masks), "protocol_classes": len(peers.protocol_masks)}
        tables["address_default"] = peers.address_default
        if peers.ports is not None:
            tables["ports"] = self._pages(peers.ports)
        if peers.protocols is not None:
            tables["protocols"] = self._words.add(peers.protocols)
        return peers, labels, tables

    def _pages(self, ports: Sequence[int]) -> int:
        pages = [self._words.add(ports[high << 8 : (high + 1) << 8]) for high in range(256)]
        return self._words.add(pages, Kind.OFFSET)

    def _syscalls(self) -> tuple[Labels, int]:
        table: list[list[int]] = [[] for _ in range(SYSCALLS)]
        numbers = syscalls.numbers(self._architecture)
        rules = self._judges[Class.SYSCALL].rules
        for index, (_, rule) in enumerate(rules):
            if isinstance(rule.selector, SyscallSelector):
                for name in dict.fromkeys(rule.selector.names):
                    if name in numbers:
                        table[numbers[name]].append(index)
        candidates = [tuple((index, YES) for index in found) for found in table]
        labels = self._labels(Class.SYSCALL, candidates, tuple((index, MAYBE) for index in range(len(rules))))
        return labels, self._words.add(labels.of) if labels.cells.size else 0

    def _cells(self, labels: Mapping[Class, Labels]) -> list[ClassTable]:
        found = [ClassTable()] * CLASSES
        for class_, one in labels.items():
            if one.cells.size:
                cells = self._words.add(one.cells.reshape(-1), Kind.OFFSET)
                found[class_.number] = ClassTable(cells, one.cells.shape[1])
        return found


def _atoms(policies: Sequence[Policy], who: Sequence[Subject]) -> dict[Atom, int]:
    """A number for each different list of path patterns."""
    lists = [_paths(rule) for policy in policies for rule in policy.rules if rule.class_ in (Class.FILE, Class.EXEC)]
    lists += [patterns for subject in who for patterns in (subject.exe, subject.not_exe) if patterns]
    return {patterns: at for at, patterns in enumerate(dict.fromkeys(lists))}


def _paths(rule: Rule) -> tuple[str, ...]:
    return rule.selector.paths if isinstance(rule.selector, FileSelector | ExecSelector) else ()


def _bits(mask: int) -> list[int]:
    """Positions of the bits that are set, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
