"""
The patterns of a profile as one nondeterministic automaton in two parts, before it is made deterministic.

Tokens that are literal from the root on form a trie: reading a name one is in at most one node of it. What follows a
first wildcard forms the *core*, where one can be in many nodes at once. Equal beginnings are shared in both.

Bytes that no pattern tells apart form a class; classes are numbered from 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from policy.compiler.limits import STATES, CompileError
from policy.model.glob import OneOf, Token, Wild

SLASH = ord("/")
_CONTINUATION = range(0x80, 0xC0)
_LEADS = (range(0xC2, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF5))

#: The byte sets that a multi-byte character is made of.
_UTF8 = (frozenset(_CONTINUATION), *map(frozenset, _LEADS))

_ANY_DEPTH = (Wild.DIRECTORIES, Wild.BELOW, Wild.ANYTHING)


@dataclass(frozen=True, slots=True)
class ByteClasses:
    """
    Attributes:
        of: Class of each byte, 256 of them.
        count: Classes; they are 1 … count.
    """

    of: bytes
    count: int

    def classes(self, members: Iterable[int]) -> frozenset[int]:
        """The classes of bytes that are whole classes together."""
        return frozenset(self.of[byte] for byte in members)


def byte_classes(patterns: Iterable[Sequence[Token]]) -> ByteClasses:
    """The coarsest classes of bytes that keep apart what the patterns keep apart."""
    literal = {SLASH}
    sets: set[frozenset[int]] = set()
    for tokens in patterns:
        for token in set(tokens):
            if isinstance(token, int):
                literal.add(token)
            elif isinstance(token, OneOf):
                sets.add(token.members)
                sets.update(_UTF8 if token.negated else ())
            elif token is Wild.ONE:
                sets.update(_UTF8)
    ordered = sorted(map(sorted, sets))
    members = [set(one) for one in ordered]
    numbers: dict[tuple[object, ...], int] = {}
    of = bytearray(256)
    for byte in range(256):
        signature = (byte if byte in literal else -1, *(byte in one for one in members))
        of[byte] = numbers.setdefault(signature, len(numbers) + 1)
    return ByteClasses(bytes(of), len(numbers))


def floats(tokens: Sequence[Token]) -> bool:
    """Whether a pattern begins with `/**` and goes on: it can match at any depth."""
    return len(tokens) > 2 and tokens[0] == SLASH and tokens[1] in _ANY_DEPTH


def _literal(tokens: Sequence[Token]) -> bytes:
    """What comes before the first wildcard."""
    try:
        return bytes(tokens)  # type: ignore[arg-type]
    except TypeError:
        return bytes(takewhile(lambda token: isinstance(token, int), tokens))  # type: ignore[arg-type]


@dataclass(slots=True)
class Node:
    """
    A node of the core.

    Attributes:
        edges: Nodes entered by a class; a class that is not in it enters those of `default`. Not closed.
        loops: Stays here whatever is read, so what is accepted stays accepted.
        empty: Nodes that are entered together with this one.
        accepts: Atoms matched here.
    """

    edges: dict[int, list[int]] = field(default_factory=dict)
    default: list[int] = field(default_factory=list)
    loops: bool = False
    empty: list[int] = field(default_factory=list)
    accepts: list[int] = field(default_factory=list)
    children: dict[Token, int] = field(default_factory=dict)

    def add(self, edges: dict[int, list[int]], default: list[int]) -> None:
        """Join further edges: a class enters what both say of it."""
        for class_ in self.edges.keys() | edges.keys():
            self.edges[class_] = self.edges.get(class_, self.default) + edges.get(class_, default)
        self.default = self.default + default


class Patterns:
    """
    The automaton of a list of atoms; an atom matches if one of its patterns does.

    Attributes:
        classes: Of bytes.
        edges: Trie: node << 8 | class → child; node 0 is the root, and a child's number is greater than its parent's.
        parents, letters, depths: Trie: of each node; the letter is the class that leads to it.
        companions: Trie: node → the core node that is entered together with it, where there is one.
        accepts: Trie: node → atoms matched there.
        core: Nodes of the core.
    """

    def __init__(self, atoms: Sequence[Sequence[Sequence[Token]]], classes: ByteClasses | None = None) -> None:
        """`classes`: those of these patterns and others; without, of these alone."""
        self.classes = classes or byte_classes(tokens for patterns in atoms for tokens in patterns)
        self.edges: dict[int, int] = {}
        self.parents, self.letters, self.depths = [0], [0], [0]
        self.companions: dict[int, int] = {}
        self.accepts: dict[int, list[int]] = {}
        self.core: list[Node] = []
        self._slash = self.classes.of[SLASH]
        self._shared: dict[bytes, int] = {}  # nodes of directories, since many files share theirs
        for atom, patterns in enumerate(atoms):
            for tokens in patterns:
                self._insert(tokens, atom)

    def _insert(self, tokens: Sequence[Token], atom: int) -> None:
        """Literal tokens go down the trie; from the first wildcard on, into the core."""
        text = _literal(tokens).translate(self.classes.of)
        cut = text.rfind(self._slash) + 1
        directory = self._shared.get(text[:cut])
        if directory is None:
            directory = self._shared[text[:cut]] = self._walk(0, text[:cut])
        node = self._walk(directory, text[cut:])
        if len(text) == len(tokens):
            self.accepts.setdefault(node, []).append(atom)
        else:
            self._insert_core(self._companion(node), tokens[len(text) :], atom)

    def _walk(self, node: int, text: bytes) -> int:
        """The trie's node for `text` below another; what is missing is made."""
        edges = self.edges
        for at, class_ in enumerate(text):
            following = edges.get(node << 8 | class_)
            if following is None:
                return self._grow(node, text[at:])
            node = following
        return node

    def _grow(self, node: int, text: bytes) -> int:
        """New nodes below one, each below the one before."""
        begin, end = len(self.parents), len(self.parents) + len(text)
        if end > STATES:
            raise CompileError(
                f"the paths need more than {STATES:,} states",
                hint="join paths of one directory into `DIR/**`, or split the policy between scopes",
                limit=STATES,
                found=end,
            )
        above = (node, *range(begin, end - 1))
        keys = (one << 8 | class_ for one, class_ in zip(above, text, strict=True))
        self.edges.update(zip(keys, range(begin, end), strict=True))
        self.parents += above
        self.letters += text
        self.depths += range(self.depths[node] + 1, self.depths[node] + 1 + len(text))
        return end - 1

    def _companion(self, node: int) -> int:
        if node not in self.companions:
            self.companions[node] = self._node()
        return self.companions[node]

    def _node(self) -> int:
        self.core.append(Node())
        return len(self.core) - 1

    def _insert_core(self, node: int, tokens: Sequence[Token], atom: int) -> None:
        for token in tokens:
            following = self.core[node].children.get(token)
            if following is None:
                following = self._core_child(node, token)
                self.core[node].children[token] = following
            node = following
        self.core[node].accepts.append(atom)

    def _core_child(self, node: int, token: Token) -> int:
        """
        A new node after `token`, with the edges that lead to it and those it has by itself.

        Whatever an edge leads to has a greater number, if it is not the node itself.
        """
        inside = [self._node() for _ in range(_inside(token))]
        child = self._node()
        here, there = self.core[node], self.core[child]
        match token:
            case Wild.STAR:
                here.empty.append(child)
                there.add({self._slash: []}, [child])
            case Wild.COMPONENT:
                here.add({self._slash: []}, [child])
                there.add({self._slash: []}, [child])
            case Wild.ANYTHING:
                here.empty.append(child)
                there.add({}, [child])
                there.loops = True
            case Wild.BELOW:
                here.add({}, [child])
                there.add({}, [child])
                there.loops = True
            case Wild.DIRECTORIES:
                self._directories(node, inside[0], child)
            case Wild.ONE:
                here.add(*self._character(frozenset(), inside, child))
            case OneOf(members, True):
                here.add(*self._character(self.classes.classes(members), inside, child))
            case OneOf(members, False):
                here.add({class_: [child] for class_ in self.classes.classes(members)}, [])
            case int(byte):
                here.add({self.classes.of[byte]: [child]}, [])
        return child

    def _directories(self, node: int, inside: int, child: int) -> None:
        """`(.*/)?`: the child is entered at once, and after every slash from here on."""
        self.core[node].empty.append(child)
        for at in (node, inside):
            self.core[at].add({self._slash: [inside, child]}, [inside])
        self.core[inside].loops = True

    def _character(
        self, without: frozenset[int], inside: Sequence[int], child: int
    ) -> tuple[dict[int, list[int]], list[int]]:
        """Edges of one character that is none of the ASCII classes `without`, or one byte, and no slash."""
        edges: dict[int, list[int]] = {self._slash: [], **{class_: [] for class_ in without}}
        following = child
        for lead, waiting in zip(_LEADS, reversed(inside), strict=True):
            self.core[waiting].add({class_: [following] for class_ in self.classes.classes(_CONTINUATION)}, [])
            edges.update((class_, [child, waiting]) for class_ in self.classes.classes(lead))
            following = waiting
        return edges, [child]


def _inside(token: Token) -> int:
    """How many nodes one is in while it is being read."""
    if token is Wild.ONE or (isinstance(token, OneOf) and token.negated):
        return len(_LEADS)
    return int(token is Wild.DIRECTORIES)
