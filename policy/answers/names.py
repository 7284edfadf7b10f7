"""
Names as the patterns of some rules tell them apart: the compiler's automaton, explored only as far as a question needs.

A *kind* of names is all that match the same lists of patterns. Every kind that exists is found, with its shortest name;
where a name that people know is of the kind, that one stands for it.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from policy.compiler.limits import CompileError
from policy.compiler.patterns import SLASH, Patterns
from policy.model import glob

#: States looked at for one question; past it the answer is that it was not decided.
STATES_MAX = 60_000
#: Longest name that the kernel can produce, in bytes.
NAME_MAX = 4095

#: Names that people know, those that matter most first.
KNOWN = """
/etc/ssh/sshd_config /etc/passwd /etc/shadow /etc/hosts /etc/crontab /root/.ssh/authorized_keys
/home/user/notes.txt /tmp/file /var/log/syslog /var/lib/app/data /srv/www/index.html /usr/bin/curl /usr/bin/vim
/usr/bin/bash /usr/bin/dash /usr/bin/python3.11 /usr/sbin/sshd /usr/lib/libc.so.6 /proc/cpuinfo /sys/power/state
/dev/null /dev/sda /run/app.sock /opt/app/run /boot/vmlinuz /mnt/disk
"""
#: Programs that people know.
PROGRAMS = """
/usr/bin/vim /usr/bin/bash /usr/bin/curl /usr/bin/python3.11 /usr/bin/dash /usr/sbin/sshd /usr/sbin/nginx
/usr/lib/systemd/systemd /usr/bin/containerd-shim-runc-v2 /opt/app/run /tmp/program
"""
#: Unix sockets that people know.
SOCKETS = """
/run/app.sock /run/docker.sock /run/containerd/containerd.sock /run/dbus/system_bus_socket /tmp/app.sock
"""

_READABLE = b"abcdefghijklmnopqrstuvwxyz0123456789-_.ABCDEFGHIJKLMNOPQRSTUVWXYZ+=,:~@%#()[]{}!$&'\";<>?*^`|\\ "
_MERGED = re.compile(rb"/(?:bin|sbin|lib|lib32|lib64|libx32)/")
_DOT, _ABSTRACT = ord("."), ord("@")

# Where in a name one is: what may follow, and whether it may end here.
_START, _ROOT, _SLASH, _ONE_DOT, _TWO_DOTS, _INSIDE, _ANY = range(7)
_ENDS = frozenset({_ROOT, _INSIDE, _ANY})


class Undecided(Exception):
    """A question whose answer would cost more than it may; the message says what was too much."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    Names that no list of patterns tells apart.

    Attributes:
        matched: Indices of the lists that match.
        name: One of them.
    """

    matched: frozenset[int]
    name: bytes


@dataclass(frozen=True, slots=True)
class _State:
    """A node of the trie (-1: past it), the number of a set of core nodes, and where in a name one is."""

    node: int
    members: int
    place: int


class Names:
    """
    Args:
        lists: Different lists of patterns; a list matches if one of its patterns does.
        known: Names to show rather than shorter ones.
        abstract: Also names that begin with `@`: those of abstract sockets.

    Raises:
        Undecided: The patterns are too many for the compiler, too.
    """

    def __init__(self, lists: Sequence[tuple[str, ...]], known: str = KNOWN, *, abstract: bool = False) -> None:
        self.index = {patterns: at for at, patterns in enumerate(lists)}
        try:
            self._patterns = Patterns([[one for text in texts for one in _parsed(text)] for texts in lists])
        except CompileError as problem:
            raise Undecided(problem.message) from problem
        self._known = [name.encode() for name in known.split()]
        self._abstract = abstract
        self._sets: list[frozenset[int]] = []
        self._numbers: dict[frozenset[int], int] = {}
        self._steps: dict[tuple[int, int], int] = {}
        self._closed = [self._close(at) for at in range(len(self._patterns.core))]
        self._bytes, self._order = _representatives(self._patterns.classes.of)
        self._children: dict[int, list[int]] = {}
        for key in self._patterns.edges:
            self._children.setdefault(key >> 8, []).append(key & 0xFF)

    def matched(self, name: bytes) -> frozenset[int]:
        """Indices of the lists that match a name."""
        node, members = self._start()
        for byte in name:
            node, members = self._step(node, members, self._patterns.classes.of[byte])
        return self._accepted(node, members)

    def kinds(self, through: Iterable[int] | None = None, limit: int | None = None) -> tuple[Kind, ...]:
        """
        Every kind of names that exists, shortest first.

        Args:
            through: Only kinds that one of these lists matches.
            limit: States that may be looked at; by default `STATES_MAX`.

        Raises:
            Undecided: There are more states.
        """
        wanted = None if through is None else frozenset(through)
        found: dict[frozenset[int], bytes] = {}
        for matched, name in self._explore(wanted, limit or STATES_MAX):
            if wanted is None or wanted & matched:
                found.setdefault(matched, name)
        for matched, name in found.items():
            found[matched] = self._likely(matched, name)
        for name in reversed(self._known):
            matched = self.matched(name)
            if matched in found:
                found[matched] = name
        return tuple(Kind(matched, name) for matched, name in found.items())

    def _likely(self, matched: frozenset[int], name: bytes) -> bytes:
        """The name, or one of its kind that people rather meet: `a.key` for `.key`, `/usr/bin/a` for `/bin/a`."""
        others = [name.replace(b"/.", b"/a.")]
        others += [b"/usr" + one for one in (name, others[0]) if _MERGED.match(name)]
        return next((one for one in reversed(others) if self.matched(one) == matched), name)

    def _explore(self, wanted: frozenset[int] | None, limit: int) -> Iterator[tuple[frozenset[int], bytes]]:
        """What names match, breadth first; each state is looked at once."""
        alive = None if wanted is None else self._alive(wanted)
        start = _State(*self._start(), _START)
        before: dict[_State, tuple[_State, int] | None] = {start: None}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            if state.place in _ENDS:
                yield self._accepted(state.node, state.members), self._spell(before, state)
            for byte, following in self._following(state):
                if following in before or (alive and not self._leads(following, alive)):
                    continue
                before[following] = (state, byte)
                queue.append(following)
            if len(before) > limit:
                raise Undecided(f"the patterns tell more than {limit:,} beginnings of names apart")

    def _following(self, state: _State) -> Iterator[tuple[int, _State]]:
        """Each state after one more byte, and the most readable byte that leads there."""
        patterns = self._patterns
        if state.place == _START:
            firsts = (SLASH, _ABSTRACT) if self._abstract else (SLASH,)
            choices = [(byte, patterns.classes.of[byte]) for byte in firsts]
        else:
            choices = [(self._bytes[class_], class_) for class_ in self._distinct(state)]
        for byte, class_ in choices:
            place = _place(state.place, byte)
            if place is not None:
                yield byte, _State(*self._step(state.node, state.members, class_), place)

    def _distinct(self, state: _State) -> list[int]:
        """Classes that may lead to different states: all that are named here, and one of the others."""
        of = self._patterns.classes.of
        named = {of[SLASH], of[_DOT], *self._children.get(state.node, ())}
        for member in self._sets[state.members]:
            named.update(self._patterns.core[member].edges)
        other = next((class_ for class_ in self._order if class_ not in named), None)
        return [class_ for class_ in self._order if class_ in named or class_ == other]

    def _start(self) -> tuple[int, int]:
        companion = self._patterns.companions.get(0)
        return 0, self._intern(self._closed[companion] if companion is not None else frozenset())

    def _step(self, node: int, members: int, class_: int) -> tuple[int, int]:
        following = self._steps.get((members, class_))
        if following is None:
            following = self._steps[members, class_] = self._intern(self._joined(self._sets[members], class_))
        if node >= 0:
            node = self._patterns.edges.get(node << 8 | class_, -1)
            companion = self._patterns.companions.get(node) if node >= 0 else None
            if companion is not None:
                following = self._intern(self._sets[following] | self._closed[companion])
        return node, following

    def _joined(self, members: Iterable[int], class_: int) -> frozenset[int]:
        entered: set[int] = set()
        for member in members:
            here = self._patterns.core[member]
            for target in here.edges.get(class_, here.default):
                entered |= self._closed[target]
        return frozenset(entered)

    def _intern(self, members: frozenset[int]) -> int:
        number = self._numbers.get(members)
        if number is None:
            number = self._numbers[members] = len(self._sets)
            self._sets.append(members)
        return number

    def _close(self, at: int) -> frozenset[int]:
        """A core node with those entered together with it."""
        members, queue = {at}, [at]
        while queue:
            fresh = set(self._patterns.core[queue.pop()].empty) - members
            members |= fresh
            queue += fresh
        return frozenset(members)

    def _accepted(self, node: int, members: int) -> frozenset[int]:
        core = {atom for member in self._sets[members] for atom in self._patterns.core[member].accepts}
        return frozenset(core.union(self._patterns.accepts.get(node, ())))

    def _alive(self, wanted: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        """Trie nodes and core nodes from which a wanted list can still match."""
        patterns = self._patterns
        core = {at for at, node in enumerate(patterns.core) if wanted.intersection(node.accepts)}
        changed = True
        while changed:
            changed = False
            for at in range(len(patterns.core) - 1, -1, -1):
                here = patterns.core[at]
                if at not in core and not core.isdisjoint(chain(here.default, here.empty, *here.edges.values())):
                    core.add(at)
                    changed = True
        trie = {node for node, atoms in patterns.accepts.items() if wanted.intersection(atoms)}
        trie |= {node for node, companion in patterns.companions.items() if companion in core}
        for node in range(len(patterns.parents) - 1, 0, -1):
            if node in trie:
                trie.add(patterns.parents[node])
        return frozenset(trie), frozenset(core)

    def _leads(self, state: _State, alive: tuple[frozenset[int], frozenset[int]]) -> bool:
        return state.node in alive[0] or not alive[1].isdisjoint(self._sets[state.members])

    def _spell(self, before: dict[_State, tuple[_State, int] | None], state: _State) -> bytes:
        spelt = bytearray()
        while step := before[state]:
            state, byte = step
            spelt.append(byte)
        return bytes(reversed(spelt))


def _place(place: int, byte: int) -> int | None:
    """Where in a name one is after a byte; None: no name goes on like that."""
    if place == _START:
        return _ANY if byte == _ABSTRACT else _ROOT
    if place == _ANY:
        return _ANY
    if byte == SLASH:
        return _SLASH if place == _INSIDE else None
    if byte != _DOT:
        return _INSIDE
    return {_ROOT: _ONE_DOT, _SLASH: _ONE_DOT, _ONE_DOT: _TWO_DOTS}.get(place, _INSIDE)


def _representatives(of: bytes) -> tuple[dict[int, int], list[int]]:
    """The most readable byte of each class that has one a name may hold, and the classes, most readable first."""
    chosen: dict[int, int] = {}
    for byte in (*_READABLE, SLASH, *range(0x80, 0x100), *range(1, 0x80)):
        chosen.setdefault(of[byte], byte)
    return chosen, list(chosen)


def _parsed(text: str) -> tuple[tuple[glob.Token, ...], ...]:
    """The alternatives of a pattern; those of abstract sockets begin with `@`."""
    return glob.parse_socket(text) if text.startswith("@") else glob.parse(text)
