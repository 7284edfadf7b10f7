"""
Patterns → deterministic automaton, by sets of core nodes beside the trie.

Each trie node is one state, since the name read so far determines the core set that goes with it; what leaves the trie
goes on in the core alone. States are built once, core sets are shared, and what an earlier rule hides for ever is
dropped on the way, so that patterns multiply only where rules really need them apart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import STATES, CompileError
from policy.compiler.patterns import Patterns

#: Where a rule stands: (policy, class, operation).
Place = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Precedence:
    """
    What an atom that is matched for ever makes pointless.

    Attributes:
        needs: For each atom the earliest rule that uses it, by place; None: it is needed always.
        hides: For each atom, by place, the rule past which nothing is reached once the atom is matched.
    """

    needs: Sequence[Mapping[Place, int] | None]
    hides: Sequence[Mapping[Place, int]]


@dataclass(frozen=True, slots=True)
class Automaton:
    """
    A deterministic automaton over byte classes, sparse.

    Attributes:
        start: State before the first byte.
        levels: Begin of each depth of the trie among the states, and the end of the last; core states come first.
        defaults: State for every class without an edge; int64, shape (states,).
        first: Begin of each state's edges, and the end of the last; int64, shape (states + 1,).
        edge_classes, edge_targets: int64, shape (edges,).
        accepts: Index into `signatures` for each state; int64, shape (states,).
        signatures: Sets of atoms, sorted; the first is the empty one.
        classes: Number of byte classes; they are 1 … classes.
    """

    start: int
    levels: tuple[int, ...]
    defaults: NDArray[np.int64]
    first: NDArray[np.int64]
    edge_classes: NDArray[np.int64]
    edge_targets: NDArray[np.int64]
    accepts: NDArray[np.int64]
    signatures: tuple[tuple[int, ...], ...]
    classes: int


class _Core:
    """Sets of core nodes and where each class leads from them."""

    def __init__(self, patterns: Patterns, precedence: Precedence) -> None:
        self.nodes = patterns.core
        self._precedence = precedence
        self._closed = _closures(patterns)
        self.needs = _reachable_needs(patterns, precedence)
        self._numbers: dict[frozenset[int], int] = {}
        self._raw: dict[frozenset[int], int] = {}
        self.sets: list[frozenset[int]] = []
        self.edges: list[list[tuple[int, int]]] = []
        self.table: list[dict[int, int]] = []
        self.defaults: list[int] = []
        self.hidden: list[dict[Place, int]] = []
        self.empty = self.intern(frozenset())

    def intern(self, members: frozenset[int]) -> int:
        """The number of a set of closed nodes, without those that can decide nothing any more."""
        number = self._raw.get(members)
        if number is None:
            number = self._raw[members] = self._intern(members)
        return number

    def _intern(self, members: frozenset[int]) -> int:
        hidden = self._hidden(members)
        kept = (
            frozenset(node for node in members if not self.pointless(self.needs[node], hidden)) if hidden else members
        )
        number = self._numbers.get(kept)
        if number is None:
            number = self._numbers[kept] = len(self.sets)
            if number >= STATES:
                raise self._explosion()
            self.sets.append(kept)
            self.hidden.append(hidden)
        return number

    def closure(self, node: int) -> frozenset[int]:
        return self._closed[node]

    def _hidden(self, members: frozenset[int]) -> dict[Place, int]:
        """The earliest rule by place that what is matched for ever hides everything behind."""
        hidden: dict[Place, int] = {}
        for node in members:
            if self.nodes[node].loops:
                for atom in self.nodes[node].accepts:
                    for place, rule in self._precedence.hides[atom].items():
                        hidden[place] = min(rule, hidden.get(place, rule))
        return hidden

    @staticmethod
    def pointless(needs: Mapping[Place, int] | None, hidden: Mapping[Place, int]) -> bool:
        return needs is not None and all(rule > hidden.get(place, rule) for place, rule in needs.items())

    def complete(self, number: int) -> None:
        """Work out where a set leads, in the order of the sets' numbers."""
        nodes = [self.nodes[member] for member in self.sets[number]]
        classes = sorted({class_ for node in nodes for class_ in node.edges})
        default = self.intern(self._join([node.default for node in nodes]))
        table = {}
        for class_ in classes:
            target = self.intern(self._join([node.edges.get(class_, node.default) for node in nodes]))
            if target != default:
                table[class_] = target
        self.defaults.append(default)
        self.table.append(table)

    def _join(self, groups: Sequence[Sequence[int]]) -> frozenset[int]:
        parts = {member for group in groups for member in group}
        if len(parts) == 1:
            return self._closed[parts.pop()]
        return frozenset().union(*(self._closed[member] for member in parts))

    def accepts(self, number: int) -> set[int]:
        return {atom for node in self.sets[number] for atom in self.nodes[node].accepts}

    def step(self, number: int, class_: int) -> int:
        return self.table[number].get(class_, self.defaults[number])

    def _explosion(self) -> "Explosion":
        """The atoms that are found together most often among the last sets."""
        below = _atoms_below(self.nodes)
        counts = Counter(atom for members in self.sets[-500:] for node in members for atom in below[node][:8])
        return Explosion([atom for atom, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]])


class Explosion(Exception):
    """Patterns multiply each other past the limit; `atoms` are those that stand out."""

    def __init__(self, atoms: list[int]) -> None:
        super().__init__(atoms)
        self.atoms = atoms


def _atoms_below(nodes: Sequence[object]) -> list[list[int]]:
    """A few atoms that each node can still lead to."""
    found: list[list[int]] = [list(node.accepts) for node in nodes]  # type: ignore[attr-defined]
    for at in range(len(nodes) - 1, -1, -1):
        for child in nodes[at].children.values():  # type: ignore[attr-defined]
            found[at] = (found[at] + found[child])[:8]
    return found


def _closures(patterns: Patterns) -> list[frozenset[int]]:
    """Each node with those entered together with it."""
    closed = []
    for at in range(len(patterns.core)):
        members, queue = {at}, [at]
        while queue:
            for following in patterns.core[queue.pop()].empty:
                if following not in members:
                    members.add(following)
                    queue.append(following)
        closed.append(frozenset(members))
    return closed


def _reachable_needs(patterns: Patterns, precedence: Precedence) -> list[dict[Place, int] | None]:
    """What each core node can still lead to, by place; nodes made for a token's inside count with the token's child."""
    core = patterns.core
    needs: list[dict[Place, int] | None] = [_needs_of(node.accepts, precedence) for node in core]
    changed = True
    while changed:  # children have higher numbers than their parents, so that two or three rounds are enough
        changed = False
        for at in range(len(core) - 1, -1, -1):
            following = set(core[at].default).union(core[at].empty, *core[at].edges.values()) - {at}
            joined = _join_needs([needs[at], *(needs[one] for one in following)])
            if joined != needs[at]:
                needs[at], changed = joined, True
    return needs


def _needs_of(atoms: Sequence[int], precedence: Precedence) -> dict[Place, int] | None:
    return _join_needs([precedence.needs[atom] for atom in atoms])


def _join_needs(parts: Sequence[Mapping[Place, int] | None]) -> dict[Place, int] | None:
    joined: dict[Place, int] = {}
    for part in parts:
        if part is None:
            return None
        for place, rule in part.items():
            joined[place] = min(rule, joined.get(place, rule))
    return joined


def determinise(patterns: Patterns, precedence: Precedence) -> Automaton:
    """
    The deterministic automaton of patterns.

    Raises:
        Explosion: It would have more than `limits.STATES` core states.
        CompileError: Core and trie together would.
    """
    core = _Core(patterns, precedence)
    order, levels, sets = _walk_trie(patterns, precedence, core)
    number = len(core.defaults)
    while number < len(core.sets):
        core.complete(number)
        number += 1
    if len(core.sets) + len(order) > STATES:
        found = len(core.sets) + len(order)
        hint = "join paths of one directory into `DIR/**`, or split the policy between scopes"
        raise CompileError(f"the paths need more than {STATES:,} states", hint=hint, limit=STATES, found=found)
    return _assemble(patterns, core, order, levels, sets)


def _walk_trie(patterns: Patterns, precedence: Precedence, core: _Core) -> tuple[list[int], list[int], dict[int, int]]:
    """
    Trie nodes breadth first, where each depth begins, and the core set that goes with each node.

    What lies below a node and is hidden there for ever is left out: the core alone goes on.
    """
    needs = _trie_needs(patterns, precedence, core.needs)
    companions, closure = patterns.companions, core.closure
    sets = {0: core.intern(closure(companions[0])) if companions[0] >= 0 else core.empty}
    order, levels, depth = [0], [0], [0]
    while depth:
        following = []
        for node in depth:
            here = sets[node]
            while here >= len(core.defaults):
                core.complete(len(core.defaults))
            table, default = core.table[here], core.defaults[here]
            for class_, child in patterns.children[node].items():
                target = table.get(class_, default)
                companion = companions[child]
                if companion >= 0:
                    target = core.intern(core.sets[target] | closure(companion))
                hidden = core.hidden[target]
                if hidden and core.pointless(needs[child], hidden):
                    continue
                sets[child] = target
                following.append(child)
        levels.append(len(order))
        order += following
        depth = following
    return order, levels, sets


def _trie_needs(
    patterns: Patterns, precedence: Precedence, core_needs: Sequence[dict[Place, int] | None]
) -> list[dict[Place, int] | None]:
    """What is still to be found at and below each trie node; companions are not counted, since they are in the core."""
    if not any(precedence.hides):
        return [None] * len(patterns.children)
    needs: list[dict[Place, int] | None] = [_needs_of(atoms, precedence) if atoms else {} for atoms in patterns.accepts]
    for node in range(len(needs) - 1, -1, -1):
        parts = [needs[node]] + [needs[child] for child in patterns.children[node].values()]
        if patterns.companions[node] >= 0:
            parts.append(core_needs[patterns.companions[node]])
        if len(parts) > 1:
            needs[node] = parts[1] if len(parts) == 2 and parts[0] == {} else _join_needs(parts)
    return needs


def _assemble(
    patterns: Patterns, core: _Core, order: Sequence[int], levels: Sequence[int], sets: Mapping[int, int]
) -> Automaton:
    """Number core states first and then the trie's, and lay out edges."""
    base = len(core.sets)
    state = {node: base + at for at, node in enumerate(order)}
    signatures: dict[tuple[int, ...], int] = {(): 0}
    accepts = [signatures.setdefault(tuple(sorted(core.accepts(at))), len(signatures)) for at in range(base)]
    core_accepts = [core.accepts(at) for at in range(base)]
    defaults = list(core.defaults)
    counts: list[int] = [len(table) for table in core.table]
    classes: list[int] = [class_ for table in core.table for class_ in table]
    targets: list[int] = [target for table in core.table for target in table.values()]
    for node in order:
        here = sets[node]
        edges = core.table[here]
        children = patterns.children[node]
        if children:
            edges = {**edges, **{class_: state[child] for class_, child in children.items() if child in state}}
        defaults.append(core.defaults[here])
        counts.append(len(edges))
        classes.extend(edges)
        targets.extend(edges.values())
        own = patterns.accepts[node]
        signature = tuple(sorted({*own, *core_accepts[here]})) if own else None
        accepts.append(accepts[here] if signature is None else signatures.setdefault(signature, len(signatures)))
    first = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=first[1:])
    return Automaton(
        start=state[0],
        levels=tuple(base + at for at in levels),
        defaults=np.array(defaults, np.int64),
        first=first,
        edge_classes=np.array(classes, np.int64),
        edge_targets=np.array(targets, np.int64),
        accepts=np.array(accepts, np.int64),
        signatures=tuple(signatures),
        classes=patterns.classes.count,
    )
