"""
Patterns → deterministic automaton, by sets of core nodes beside the trie.

Each trie node is one state, since the name read so far determines the core set that goes with it; what leaves the trie
goes on in the core alone. States are built once, core sets are shared, and what an earlier rule hides for ever is
dropped on the way, so that patterns multiply only where rules really need them apart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import CORE_STATES, CORE_STEPS, STATES, CompileError
from policy.compiler.patterns import Node, Patterns

#: Where a rule stands: (policy, part of a class, operation).
Place = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Precedence:
    """
    What an atom that is matched for ever makes pointless.

    Attributes:
        needs: For each atom the earliest rule that uses it, by place; None: it is needed always.
        hides: For each atom, by place, the rule past which nothing is reached once the atom is matched.
        orders: Of rules, by part and index; see `policy.compiler.voices`.
    """

    needs: Sequence[Mapping[Place, int] | None]
    hides: Sequence[Mapping[Place, int]]
    orders: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def joined(self) -> "Precedence":
        """The same with places that all atoms treat alike joined into one: a rule's operations, as a rule."""
        said: dict[Place, list[tuple[int, int, int]]] = {}
        for atom, (needs, hides) in enumerate(zip(self.needs, self.hides, strict=True)):
            for place in (needs or {}).keys() | hides.keys():
                entry = (atom, (needs or {}).get(place, -1), hides.get(place, -1))
                said.setdefault(place, []).append(entry)
        first = {tuple(entries): place for place, entries in sorted(said.items(), reverse=True)}
        kept = frozenset(first.values())
        return Precedence(
            [None if needs is None else _only(needs, kept) for needs in self.needs],
            [_only(hides, kept) for hides in self.hides],
        )


def _only(rules: Mapping[Place, int], places: Set[Place]) -> dict[Place, int]:
    return {place: rule for place, rule in rules.items() if place in places}


@dataclass(frozen=True, slots=True)
class Automaton:
    """
    A deterministic automaton over byte classes, sparse.

    Attributes:
        start: State before the first byte.
        levels: Begin of each depth of the trie among the states, and the end of the last; core states come first.
        defaults: State for every class without an edge; int64, shape (states,).
        first: Begin of each state's edges, and the end of the last; int64, shape (states + 1,).
        edge_classes, edge_targets: By state, then class; int64, shape (edges,).
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
        self._steps = 0
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
            if number >= CORE_STATES:
                raise self._explosion(f"{CORE_STATES:,} states", CORE_STATES)
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
        self._steps += len(nodes) * (len(classes) + 1)
        if self._steps > CORE_STEPS:
            raise self._explosion(f"{CORE_STEPS:,} steps", CORE_STEPS)
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
        """Where a set leads, which is worked out if it was not yet."""
        while number >= len(self.defaults):
            self.complete(len(self.defaults))
        return self.table[number].get(class_, self.defaults[number])

    def _explosion(self, passed: str, limit: int) -> "Explosion":
        """The atoms that are found together most often among the last sets."""
        below = _atoms_below(self.nodes)
        counts = Counter(atom for members in self.sets[-500:] for node in members for atom in below[node][:8])
        often = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return Explosion([atom for atom, _ in often[:3]], passed, limit)


class Explosion(Exception):
    """Patterns multiply each other past a limit; `atoms` are those that stand out."""

    def __init__(self, atoms: list[int], passed: str, limit: int) -> None:
        super().__init__(passed)
        self.atoms = atoms
        self.passed = passed
        self.limit = limit


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
    needs: list[dict[Place, int] | None] = [_needs_of(node.accepts, precedence) for node in patterns.core]
    if not any(_hides(node, precedence) for node in patterns.core):
        return needs  # nobody asks
    for at in range(len(needs) - 1, -1, -1):  # edges lead to greater numbers
        node = patterns.core[at]
        following = {*node.default, *node.empty, *chain.from_iterable(node.edges.values())} - {at}
        needs[at] = _join_needs([needs[at], *(needs[one] for one in following)])
    return needs


def _hides(node: Node, precedence: Precedence) -> bool:
    return node.loops and any(precedence.hides[atom] for atom in node.accepts)


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


@dataclass(frozen=True, slots=True)
class _Trie:
    """
    The trie's nodes that are states, breadth first.

    Attributes:
        nodes: int64, shape (states,).
        sets: Number of the core set that goes with each; int64, shape (states,).
        levels: Begin of each depth among them, and the end.
    """

    nodes: NDArray[np.int64]
    sets: NDArray[np.int64]
    levels: tuple[int, ...]


def determinise(patterns: Patterns, precedence: Precedence) -> Automaton:
    """
    The deterministic automaton of patterns.

    Raises:
        Explosion: It would have more core states, or building them takes more steps, than `limits` allows.
        CompileError: Core and trie together would.
    """
    core = _Core(patterns, precedence)
    trie = _walk_trie(patterns, precedence, core)
    while len(core.defaults) < len(core.sets):
        core.complete(len(core.defaults))
    found = len(core.sets) + len(trie.nodes)
    if found > STATES:
        hint = "join paths of one directory into `DIR/**`, or split the policy between scopes"
        raise CompileError(f"the paths need more than {STATES:,} states", hint=hint, limit=STATES, found=found)
    return _assemble(patterns, core, trie)


def _walk_trie(patterns: Patterns, precedence: Precedence, core: _Core) -> _Trie:
    """
    The core set that goes with each node of the trie, which the name read so far determines.

    What lies below a node and is hidden there for ever is left out: the core alone goes on.
    """
    needs: list[dict[Place, int] | None] = []
    parents, letters, companions = patterns.parents, patterns.letters, patterns.companions
    order = np.argsort(np.array(patterns.depths), kind="stable")
    sets = [core.empty] * len(parents)
    for node in order.tolist():
        above = sets[parents[node]]
        joins = companions.get(node)
        if above < 0 or (above == core.empty and joins is None):
            sets[node] = above
            continue
        here = core.step(above, letters[node]) if node else above
        if joins is not None:
            here = core.intern(core.sets[here] | core.closure(joins))
        if node and core.hidden[here]:
            needs = needs or _trie_needs(patterns, precedence, core.needs)
            here = -1 if core.pointless(needs[node], core.hidden[here]) else here
        sets[node] = here
    found = np.array(sets, np.int64)
    nodes = order[found[order] >= 0]
    depths = np.array(patterns.depths)[nodes]
    levels = np.searchsorted(depths, np.arange(depths[-1] + 2))
    return _Trie(nodes, found[nodes], tuple(levels.tolist()))


def _trie_needs(
    patterns: Patterns, precedence: Precedence, core_needs: Sequence[dict[Place, int] | None]
) -> list[dict[Place, int] | None]:
    """What is still to be found at and below each trie node."""
    unset: dict[Place, int] = {}
    needs: list[dict[Place, int] | None] = [unset] * len(patterns.parents)
    for node in range(len(needs) - 1, -1, -1):
        if node in patterns.accepts:
            needs[node] = _join_needs([needs[node], _needs_of(patterns.accepts[node], precedence)])
        if node in patterns.companions:
            needs[node] = _join_needs([needs[node], core_needs[patterns.companions[node]]])
        parent = patterns.parents[node]
        needs[parent] = needs[node] if needs[parent] is unset else _join_needs([needs[parent], needs[node]])
    return needs


def _assemble(patterns: Patterns, core: _Core, trie: _Trie) -> Automaton:
    """Number core states first and then the trie's, and lay out edges by state and class."""
    base, size = len(core.sets), len(core.sets) + len(trie.nodes)
    state = np.full(len(patterns.parents), -1, np.int64)
    state[trie.nodes] = np.arange(base, size)
    keys, targets = _edges(patterns, core, trie, state)
    owners, defaults = keys >> 8, np.array(core.defaults, np.int64)
    first = np.searchsorted(owners, np.arange(size + 1))
    accepts, signatures = _accepts(patterns, core, trie)
    return Automaton(
        start=base,
        levels=tuple(base + at for at in trie.levels),
        defaults=np.concatenate((defaults, defaults[trie.sets])),
        first=first.astype(np.int64),
        edge_classes=keys & 0xFF,
        edge_targets=targets,
        accepts=accepts,
        signatures=signatures,
        classes=patterns.classes.count,
    )


def _edges(
    patterns: Patterns, core: _Core, trie: _Trie, state: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(state << 8 | class) and target of every edge, sorted; a trie node has its set's edges but for its children."""
    counts = np.array([len(table) for table in core.table], np.int64)
    letters = np.array([class_ for table in core.table for class_ in table], np.int64)
    targets = np.array([target for table in core.table for target in table.values()], np.int64)
    begins = np.cumsum(counts) - counts
    sets = np.concatenate((np.arange(len(counts)), trie.sets))
    repeats = counts[sets]
    owners = np.repeat(np.arange(len(sets)), repeats)
    source = (
        np.repeat(begins[sets], repeats) + np.arange(len(owners)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    )
    inherited = owners << 8 | letters[source]
    below = trie.nodes[1:]
    own = state[np.array(patterns.parents)[below]] << 8 | np.array(patterns.letters)[below]
    keys = np.concatenate((own, inherited))
    order = np.argsort(keys, kind="stable")  # a node's own edge comes before the inherited one of its class
    keys = keys[order]
    kept = np.append(True, keys[1:] != keys[:-1]) if len(keys) else np.zeros(0, np.bool_)
    return keys[kept], np.concatenate((state[below], targets[source]))[order][kept]


def _accepts(patterns: Patterns, core: _Core, trie: _Trie) -> tuple[NDArray[np.int64], tuple[tuple[int, ...], ...]]:
    """The signature of each state, and the signatures."""
    signatures: dict[tuple[int, ...], int] = {(): 0}
    matched = [core.accepts(at) for at in range(len(core.sets))]
    of = [signatures.setdefault(tuple(sorted(one)), len(signatures)) for one in matched]
    found = np.concatenate((np.array(of, np.int64), np.array(of, np.int64)[trie.sets]))
    for at, node in enumerate(trie.nodes.tolist()):
        if node in patterns.accepts:
            signature = tuple(sorted({*patterns.accepts[node], *matched[trie.sets[at]]}))
            found[len(of) + at] = signatures.setdefault(signature, len(signatures))
    return found, tuple(signatures)
