"""
Decide from a ruleset as the kernel does: the same look-ups over the same bytes.
"""

from dataclasses import dataclass

from policy.compiler.comb import OWNED
from policy.compiler.decisions import AT_BEFORE, TEST
from policy.compiler.limits import SYSCALLS
from policy.compiler.ruleset import MAJOR_ANY, MINOR_BITS, PATH_COLUMNS, ClassTable, NumberKind, ProfileTable, Ruleset
from policy.compiler.verdicts import rank
from policy.model import names
from policy.model.types import (
    OPERATIONS,
    Actor,
    Class,
    Decision,
    Device,
    DeviceKind,
    Effect,
    Errno,
    File,
    Mount,
    Nameless,
    Number,
    Peer,
    Process,
    Request,
    UnixPeer,
)

UNKNOWN, NONE = 0, 1
_FILE, _EXEC, _UNIX, _SOURCE, _TARGET, _TYPE, _EXE, _PARENT, _LOW, _HIGH = range(PATH_COLUMNS)
_NUMBERS = {
    Class.CAPABILITY: NumberKind.CAPABILITY,
    Class.NAMESPACE: NumberKind.NAMESPACE,
    Class.SIGNAL: NumberKind.SIGNAL,
    Class.CREDENTIAL: NumberKind.CREDENTIAL,
}
_ERRNOS = {errno.number: errno for errno in Errno}


def decide(ruleset: Ruleset, profile: int, request: Request) -> Decision:
    """What the profile's tables say of a request; of several operations the strictest decision, the first of equals."""
    table = ruleset.profiles[profile]
    of_class = table.classes[request.class_.number]
    if not of_class.labels:
        return Decision(Effect.ALLOW, (table.policies[0], f"default:{request.class_}"))
    tables = _Tables(ruleset, profile, table)
    kind = tables.domain(request.actor) * table.credentials + tables.credential(request.actor)
    label = tables.label(of_class, tables.parts(request))
    row = tables.word(of_class.cells + kind * of_class.labels + label)
    known = OPERATIONS[request.class_]
    columns = sorted(known.index(operation) for operation in request.operations)
    ancestors = tables.ancestors(request.actor)
    decisions = [tables.decision(tables.word(row + column), ancestors, request.time) for column in columns]
    return max(decisions, key=lambda decision: rank(decision.effect, decision.error))


def path_label(ruleset: Ruleset, table: ProfileTable, name: bytes) -> int:
    """Walk the automata over a name: what it matches of the anchored patterns and of the floating ones, and both."""
    anchored = _walk(ruleset, table, table.start, name)
    if not table.floating:
        return anchored
    floating = _walk(ruleset, table, table.floating, name)
    if floating == 1:
        return anchored
    words = ruleset.words
    row = int(words[table.pairs + anchored])
    runs = words[row + 1 : row + 1 + 2 * int(words[row])].reshape(-1, 2)
    value = next(int(value) for end, value in runs if floating < end)
    return value or int(words[table.alone + floating])


def _walk(ruleset: Ruleset, table: ProfileTable, state: int, name: bytes) -> int:
    """The label of the state after a name."""
    for byte in name:
        following, check = ruleset.automaton[state + table.byte_classes[byte]]
        state = int(following if check == state | OWNED else ruleset.automaton[state][0])
    return int(ruleset.automaton[state][1])


@dataclass(frozen=True, slots=True)
class _Tables:
    """The look-ups of one profile."""

    ruleset: Ruleset
    profile: int
    table: ProfileTable

    def word(self, offset: int) -> int:
        return int(self.ruleset.words[offset])

    def column(self, column: int, name: bytes | Nameless | None) -> int:
        """A number of a name's path label."""
        if name is None:
            return UNKNOWN
        label = NONE if isinstance(name, Nameless) else path_label(self.ruleset, self.table, name)
        return self.word(self.table.path_labels + PATH_COLUMNS * label + column)

    def number(self, kind: NumberKind, id_: int, absent: int = NONE) -> int:
        key = (self.profile, kind, id_)
        return next((entry[3] for entry in self.ruleset.numbers if entry[:3] == key), absent)

    def domain(self, actor: Actor) -> int:
        exe = self.column(_EXE, actor.exe)
        if self.table.parents == 1:
            return exe
        return self.word(self.table.domains_table + exe * self.table.parents + self.column(_PARENT, actor.parent))

    def credential(self, actor: Actor) -> int:
        if not self.table.has_credentials:
            return 1
        if actor.user is None or actor.group is None:
            return UNKNOWN
        user, group = self.number(NumberKind.USER, actor.user, 0), self.number(NumberKind.GROUP, actor.group, 0)
        return 1 + user * self.table.gid_classes + group

    def ancestors(self, actor: Actor) -> int | None:
        """The selectors that some ancestor satisfies, as bits."""
        if actor.ancestors is None:
            return None
        mask = 0
        for name in actor.ancestors:
            mask |= self.column(_LOW, name) | self.column(_HIGH, name) << 32
        return mask

    def label(self, of_class: ClassTable, parts: tuple[int, ...]) -> int:
        if not of_class.table:
            return parts[0]
        at = parts[0]
        for size, part in zip(of_class.sizes, (*parts[1:], 0, 0, 0), strict=False):
            at = at * size + part
        return self.word(of_class.table + at)

    def parts(self, request: Request) -> tuple[int, ...]:
        """The class of each part of the object."""
        match request.object:
            case File(name, type_):
                typed = self.table.classes[Class.FILE.number].table
                return self.column(_FILE, name), (0 if type_ is None else type_ + 1) if typed else 0
            case bytes() | Nameless() if request.class_ is Class.EXEC:
                return (self.column(_EXEC, request.object),)
            case Peer() as peer:
                return self._peer(peer)
            case UnixPeer(name, protocol):
                at = self.table.unix_base + self.column(_UNIX, name)
                return at, NONE if self.table.ports else 0, self._protocol(protocol), self._family(names.UNIX)
            case Device() as device:
                return (self._device(device),)
            case Mount(source, target, type_):
                kind = b"%" + type_ if isinstance(type_, bytes) else type_
                return self.column(_SOURCE, source), self.column(_TARGET, target), self.column(_TYPE, kind)
            case Process(outside):
                return (UNKNOWN if outside is None else 1 + outside,)
            case Number(value):
                return (self._number(request.class_, value),)
        return (NONE,) if request.class_ in _WITHOUT_PARTS else (UNKNOWN,) * 4

    def _number(self, class_: Class, value: int) -> int:
        if class_ is Class.SYSCALL:
            return self.word(self.table.syscalls + value) if value < SYSCALLS else NONE
        return self.number(_NUMBERS[class_], value)

    def _peer(self, peer: Peer) -> tuple[int, ...]:
        """Longest-prefix match of the address, and tables for the rest."""
        address = self.table.address_default if peer.address is None else self._address(peer.address)
        ports = self.table.ports
        port = self.word(self.word(ports + (peer.port >> 8)) + (peer.port & 0xFF)) if ports else 0
        return address, port, self._protocol(peer.protocol), self._family(peer.family)

    def _address(self, address: bytes) -> int:
        number = int.from_bytes(address, "big")
        best, found = -1, UNKNOWN
        for owner, length, prefix, class_ in self.ruleset.addresses:
            shift = 128 - length
            if owner == self.profile and length > best and number >> shift == int.from_bytes(prefix, "big") >> shift:
                best, found = length, class_
        return found

    def _protocol(self, protocol: int) -> int:
        return _of_page(self.ruleset, self.table.protocols, protocol)

    def _family(self, family: int) -> int:
        return _of_page(self.ruleset, self.table.families, family)

    def _device(self, device: Device) -> int:
        """The exact number, else the major, else the kind."""
        of_block = device.kind is DeviceKind.BLOCK
        exact = NumberKind.BLOCK_DEVICE if of_block else NumberKind.CHAR_DEVICE
        major = NumberKind.BLOCK_MAJOR if of_block else NumberKind.CHAR_MAJOR
        any_ = self.number(major, MAJOR_ANY)
        return self.number(exact, device.major << MINOR_BITS | device.minor, self.number(major, device.major, any_))

    def decision(self, offset: int, ancestors: int | None, time: int) -> Decision:
        """Make the tests that lead to a decision."""
        head = self.word(offset)
        while head >> 24 == TEST:
            offset = self.word(offset + self._way(head, self.word(offset + 1), ancestors, time))
            head = self.word(offset)
        also = self.ruleset.words[offset + 2 : offset + 2 + (head >> 8 & 0xFF)]
        return Decision(
            Effect(head & 0xF),
            self._name(self.word(offset + 1)),
            bool(head >> 4 & 0xF),
            tuple(self._name(int(number)) for number in also),
            _ERRNOS[head >> 16 & 0xFF],
        )

    def _way(self, head: int, end: int, ancestors: int | None, time: int) -> int:
        """Which word of a test leads on."""
        if head & 0xFF == AT_BEFORE:
            return 3 if time < end else 2
        return 4 if ancestors is None else 3 if ancestors >> (head >> 8 & 0xFF) & 1 else 2

    def _name(self, number: int) -> tuple[str, str]:
        return self.ruleset.rules[number].policy, self.ruleset.rules[number].rule


_WITHOUT_PARTS = frozenset((Class.BPF, Class.MODULE, Class.KEYRING, Class.IO_URING))


def _of_page(ruleset: Ruleset, page: int, number: int) -> int:
    if not page:
        return 0
    return int(ruleset.words[page + number]) if number < 256 else NONE
