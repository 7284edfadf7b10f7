"""
Decide from a ruleset as the kernel does: the same look-ups over the same bytes.
"""

from policy.compiler.comb import OWNED
from policy.compiler.profile import NAMELESS, UNKNOWN
from policy.compiler.ruleset import PATH_COLUMNS, ProfileTable, Ruleset
from policy.compiler.verdicts import rank
from policy.model.types import OPERATIONS, Class, Decision, Effect, File, Nameless, Number, Peer, Request


def decide(ruleset: Ruleset, profile: int, request: Request) -> Decision:
    """What the profile's tables say of a request; of several operations the strictest decision, the first of equals."""
    table = ruleset.profiles[profile]
    class_ = request.class_
    kind_of = table.classes[class_.number]
    if not kind_of.labels:
        return Decision(Effect.ALLOW, (table.policies[0], f"default:{class_}"))
    label = _label(ruleset, profile, request)
    kind = _domain(ruleset, table, request) * table.credentials + _credential(ruleset, profile, request)
    row = int(ruleset.words[kind_of.cells + kind * kind_of.labels + label])
    known = OPERATIONS[class_]
    columns = sorted(known.index(operation) for operation in request.operations)
    decisions = [_decision(ruleset, int(ruleset.words[row + column])) for column in columns]
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


def _decision(ruleset: Ruleset, offset: int) -> Decision:
    head = int(ruleset.words[offset])
    also = ruleset.words[offset + 2 : offset + 2 + (head >> 8 & 0xFF)]
    return Decision(
        Effect(head & 0xF),
        _name(ruleset, int(ruleset.words[offset + 1])),
        bool(head >> 4 & 0xF),
        tuple(_name(ruleset, int(number)) for number in also),
    )


def _name(ruleset: Ruleset, number: int) -> tuple[str, str]:
    return ruleset.rules[number].policy, ruleset.rules[number].rule


def _domain(ruleset: Ruleset, table: ProfileTable, request: Request) -> int:
    if request.actor.exe is None:
        return UNKNOWN
    return int(ruleset.words[table.path_labels + PATH_COLUMNS * path_label(ruleset, table, request.actor.exe) + 6])


def _credential(ruleset: Ruleset, profile: int, request: Request) -> int:
    table, actor = ruleset.profiles[profile], request.actor
    if not table.has_credentials:
        return 1
    if actor.user is None or actor.group is None:
        return UNKNOWN
    classes = {entry[1:3]: entry[3] for entry in ruleset.numbers if entry[0] == profile}
    return 1 + classes.get((0, actor.user), 0) * table.gid_classes + classes.get((1, actor.group), 0)


def _label(ruleset: Ruleset, profile: int, request: Request) -> int:
    table = ruleset.profiles[profile]
    match request.object:
        case None | File(None):
            return UNKNOWN
        case Nameless() | File(Nameless()):
            return NAMELESS
        case File(bytes(name)) | bytes(name):
            column = 0 if request.class_ is Class.FILE else 1
            return int(ruleset.words[table.path_labels + PATH_COLUMNS * path_label(ruleset, table, name) + column])
        case Peer() as peer:
            return _peer_label(ruleset, profile, peer)
        case Number(number):
            return int(ruleset.words[table.syscalls + number]) if number < 512 else NAMELESS
    return UNKNOWN


def _peer_label(ruleset: Ruleset, profile: int, peer: Peer) -> int:
    table, words = ruleset.profiles[profile], ruleset.words
    kind_of = table.classes[Class.NETWORK.number]
    address = table.address_default if peer.address is None else _address_class(ruleset, profile, peer.address)
    port = int(words[int(words[table.ports + (peer.port >> 8)]) + (peer.port & 0xFF)]) if table.ports else 0
    protocol = int(words[table.protocols + peer.protocol]) if table.protocols else 0
    return int(words[kind_of.table + (address * kind_of.sizes[0] + port) * kind_of.sizes[1] + protocol])


def _address_class(ruleset: Ruleset, profile: int, address: bytes) -> int:
    """Longest-prefix match."""
    number = int.from_bytes(address, "big")
    best, found = -1, 0
    for owner, length, prefix, class_ in ruleset.addresses:
        shift = 128 - length
        if owner == profile and length > best and number >> shift == int.from_bytes(prefix, "big") >> shift:
            best, found = length, class_
    return found
