"""
The names of a profile: which of its patterns a name can match together, and the automaton that tells.

An *atom* is a list of patterns that a rule or a subject asks about; it matches if one of them does. A *signature* is
the sorted tuple of the atoms that one name matches; what a name means is a row of numbers for its signature.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import chain

import numpy as np

from policy.compiler.comb import Comb
from policy.compiler.limits import PAIR_STEPS, PAIRS, CompileError
from policy.compiler.minimal import minimise
from policy.compiler.pairs import Runs, pair
from policy.compiler.patterns import Patterns, byte_classes, floats
from policy.compiler.subsets import Explosion, Precedence, determinise
from policy.compiler.voices import ANCHORED
from policy.compiler.words import Kind, Words
from policy.model import glob
from policy.model.glob import Token

#: Patterns as written. `%` begins the name of a file system type, `@` the abstract name of a socket.
Atom = tuple[str, ...]
Signature = tuple[int, ...]
Tokens = tuple[Token, ...]
#: Numbers of a path label, `ruleset.PATH_COLUMNS` of them.
Row = tuple[int, ...]

#: Path label of what has no name.
NAMELESS = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """Members of `struct rf_profile`."""

    start: int
    floating: int
    pairs: int
    alone: int
    path_labels: int
    path_label_count: int
    byte_classes: bytes


class Paths:
    """
    Args:
        atoms: Different ones; their places here are what signatures hold.
        precedence: Which atoms need not be told apart any more once others are matched.
        owner: Policy and rule that use an atom, for messages.

    Raises:
        CompileError: The patterns multiply each other past a limit.
    """

    def __init__(self, atoms: Sequence[Atom], precedence: Precedence, owner: Callable[[int], tuple[str, str]]) -> None:
        parsed = [[tokens for text in atom for tokens in _parsed(text)] for atom in atoms]
        classes = byte_classes(tokens for patterns in parsed for tokens in patterns)
        self._byte_classes = classes.of
        joined = precedence.joined()
        try:
            self._anchored = determinise(Patterns(_some(parsed, False), classes), joined)
            self._floating = determinise(Patterns(_some(parsed, True), classes), joined)
            self._pairs = pair(self._anchored, self._floating, precedence, joined)
        except Explosion as problem:
            raise _explosion(problem, atoms, owner) from problem

    def projections(self, atoms: Set[int]) -> list[Signature]:
        """What can be left of a signature if only these atoms are looked at; the empty one comes first."""
        signatures = chain(self._anchored.signatures, self._floating.signatures, self._pairs.written)
        found = (tuple(atom for atom in one if atom in atoms) for one in signatures)
        return list(dict.fromkeys(found))

    def place(self, nameless: Row, row: Callable[[Signature], Row], words: Words, comb: Comb) -> Placed:
        """
        Lay the automata down.

        Args:
            nameless: The row of what has no name.
            row: Asked for signatures in an order that depends on the patterns alone.

        Raises:
            CompileError: There is not room for it.
        """
        rows = _Rows(nameless, self._pairs.rows[0])
        of = [
            rows.anchored(row(one), runs) for one, runs in zip(self._anchored.signatures, self._pairs.rows, strict=True)
        ]
        start = comb.add(minimise(self._anchored, np.array(of, np.int64)[self._anchored.accepts]))
        floating = pairs = alone = 0
        if len(self._floating.signatures) > 1:
            floating = comb.add(minimise(self._floating, self._pairs.labels[self._floating.accepts]))
            signatures = [self._floating.signatures[at] for at in np.argsort(self._pairs.labels).tolist()]
            alone = words.add([0, *[rows.other(row(one)) for one in signatures]])
            written = [rows.other(row(one)) for one in self._pairs.written]
            runs_of = [words.add(_flat(label, runs, written)) for label, runs in rows.runs()]
            pairs = words.add([0, *runs_of], Kind.OFFSET)
        table = words.add(np.concatenate(([0] * len(nameless), *rows.listed)))
        return Placed(start, floating, pairs, alone, table, len(rows.listed) + 1, self._byte_classes)


class _Rows:
    """
    Path labels by what they say. Those of the anchored automaton come first; of equal ones the first is used again.

    Attributes:
        listed: The row of each label, from 1.
    """

    def __init__(self, nameless: Row, runs: Runs) -> None:
        self.listed: list[Row] = []
        self._anchored: dict[tuple[Row, Runs], int] = {}
        self._first: dict[Row, int] = {}
        self.anchored(nameless, runs)

    def anchored(self, row: Row, runs: Runs) -> int:
        """The label of a signature of the anchored automaton."""
        label = self._anchored.get((row, runs))
        if label is None:
            self.listed.append(row)
            label = self._anchored[row, runs] = len(self.listed)
            self._first.setdefault(row, label)
        return label

    def other(self, row: Row) -> int:
        """The label of what else a name can come to."""
        if row not in self._first:
            self.listed.append(row)
            self._first[row] = len(self.listed)
        return self._first[row]

    def runs(self) -> Iterable[tuple[int, Runs]]:
        """Label of every signature of the anchored automaton, and its runs."""
        return ((label, runs) for (_, runs), label in self._anchored.items())


def _flat(label: int, runs: Runs, written: Sequence[int]) -> list[int]:
    """The words of a row of pairs: how many runs, and then (end, path label or 0) of each."""
    flat = [0]
    for end, value in runs:
        said = label if value == ANCHORED else written[value - 1] if value > 0 else 0
        if flat[1:] and flat[-1] == said:
            flat[-2] = end
        else:
            flat += (end, said)
    return [len(flat) // 2, *flat[1:]]


def _some(parsed: Sequence[Sequence[Tokens]], floating: bool) -> list[list[Tokens]]:
    """Of each atom the patterns that float, or the others."""
    return [[tokens for tokens in patterns if floats(tokens) is floating] for patterns in parsed]


def _parsed(text: str) -> tuple[Tokens, ...]:
    return glob.literal(text) if text.startswith("%") else glob.parse_socket(text)


def _explosion(problem: Explosion, atoms: Sequence[Atom], owner: Callable[[int], tuple[str, str]]) -> CompileError:
    shown = ", ".join(_short(atoms[atom][0]) for atom in problem.atoms)
    policy, rule = owner(problem.atoms[0]) if problem.atoms else ("", "")
    return CompileError(
        f"the patterns multiply each other past {problem.passed}; among those that do: {shown}",
        hint=_PAIRED if problem.limit in (PAIRS, PAIR_STEPS) else _STARRED,
        limit=problem.limit,
        found=problem.limit,
        policy=policy,
        rule=rule,
    )


_STARRED = "write fewer `*` and `**` into one pattern, or a rule for the whole directory (`DIR/**`) before them"
_PAIRED = (
    "let rules that begin with `/**/` be about the same operations as those for directories and about any subject, or "
    "name the directories in them"
)


def _short(pattern: str) -> str:
    return f"`{pattern}`" if len(pattern) <= 60 else f"`{pattern[:60]}…`"
