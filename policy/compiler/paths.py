"""
The names of a profile: which of its patterns a name can match together, and the automaton that tells.

An *atom* is a list of patterns that a rule or a subject asks about; it matches if one of them does. A *signature* is
the sorted tuple of the atoms that one name matches; what a name means is a row of numbers for its signature.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np

from policy.compiler.comb import Comb
from policy.compiler.limits import CompileError
from policy.compiler.minimal import minimise
from policy.compiler.patterns import Patterns
from policy.compiler.subsets import Explosion, Precedence, determinise
from policy.compiler.words import Words
from policy.model import glob
from policy.model.glob import Token

#: Patterns as written. `%` begins the name of a file system type, `@` the abstract name of a socket.
Atom = tuple[str, ...]
Signature = tuple[int, ...]
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
        patterns = Patterns([[tokens for text in atom for tokens in _parsed(text)] for atom in atoms])
        self._byte_classes = patterns.classes.of
        try:
            self._automaton = determinise(patterns, precedence)
        except Explosion as problem:
            raise _explosion(problem, atoms, owner) from problem

    def projections(self, atoms: Set[int]) -> list[Signature]:
        """What can be left of a signature if only these atoms are looked at; the empty one comes first."""
        found = (tuple(atom for atom in one if atom in atoms) for one in self._automaton.signatures)
        return list(dict.fromkeys(found))

    def place(self, nameless: Row, row: Callable[[Signature], Row], words: Words, comb: Comb) -> Placed:
        """
        Lay the automaton down.

        Args:
            nameless: The row of what has no name.
            row: Asked for signatures in an order that depends on the patterns alone.

        Raises:
            CompileError: There is not room for it.
        """
        rows = {nameless: NAMELESS}
        of = [rows.setdefault(row(one), len(rows) + 1) for one in self._automaton.signatures]
        labels = np.array(of, np.int64)[self._automaton.accepts]
        start = comb.add(minimise(self._automaton, labels))
        table = words.add(np.concatenate(([0] * len(nameless), *rows)))
        return Placed(start, 0, 0, 0, table, len(rows) + 1, self._byte_classes)


def _parsed(text: str) -> tuple[tuple[Token, ...], ...]:
    return glob.literal(text) if text.startswith("%") else glob.parse_socket(text)


def _explosion(problem: Explosion, atoms: Sequence[Atom], owner: Callable[[int], tuple[str, str]]) -> CompileError:
    shown = ", ".join(_short(atoms[atom][0]) for atom in problem.atoms)
    policy, rule = owner(problem.atoms[0]) if problem.atoms else ("", "")
    return CompileError(
        f"the patterns multiply each other past {problem.passed}; among those that do: {shown}",
        hint="put rules for whole directories (`DIR/**`) before those that begin with `/**/`, or write fewer `*`",
        limit=problem.limit,
        found=problem.limit,
        policy=policy,
        rule=rule,
    )


def _short(pattern: str) -> str:
    return f"`{pattern}`" if len(pattern) <= 60 else f"`{pattern[:60]}…`"
