"""
Random requests that some rule of a profile is nearly about.
"""

import ipaddress
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from policy.model import names
from policy.model.types import (
    OPERATIONS,
    Actor,
    Class,
    Device,
    DeviceKind,
    ExecSelector,
    File,
    FileSelector,
    FileType,
    Mount,
    MountSelector,
    Nameless,
    NetworkSelector,
    Number,
    Object,
    Peer,
    Policy,
    Process,
    Request,
    Rule,
    UnixPeer,
)
from tests.property.generate.names import Names
from tests.property.generate.rules import FAMILIES, FILE_SYSTEMS, IDS, PROTOCOLS, SIGNALS, UNTIL

ADDRESSES = ["10.0.0.1", "10.1.2.3", "10.1.9.9", "192.0.2.1", "0.0.0.0", "255.255.255.255"]
ADDRESSES += ["2001:db8::1", "2001:db8::2", "::1", "fe80::1", "::", "::2", "::fffe:1:2"]
PORTS = [0, 79, 80, 255, 256, 443, 511, 512, 8000, 8080, 8081, 65535]
NUMBERS = {
    Class.SYSCALL: [101, 165, 321, 59, 462, 425, 0, 511, 512, 4000],
    Class.CAPABILITY: [0, 12, 21, 19, 40, 41, 63],
    Class.NAMESPACE: range(len(names.NAMESPACES)),
    Class.SIGNAL: [*SIGNALS, 2, 33],
    Class.CREDENTIAL: [*IDS, 7, 2**32 - 2],
}
DEVICES = [(1, 3), (1, 5), (8, 0), (8, 1), (4095, 1048575), (4095, 0), (0, 0), (3, 1)]
TIMES = sorted({time + more for time in UNTIL for more in (-1, 0, 1)})
T = TypeVar("T")
PATTERNS_OF_SUBJECTS = ("exe", "parent", "ancestor", "not_exe", "not_parent", "not_ancestor")


class Requests:
    """Requests to one profile."""

    def __init__(self, chance: random.Random, policies: Sequence[Policy]) -> None:
        self._chance = chance
        self._names = Names(chance)
        self._rules = [rule for policy in policies for rule in policy.rules]
        subjects = [rule.subject for rule in self._rules if rule.subject]
        self._executables = [text for one in subjects for part in PATTERNS_OF_SUBJECTS for text in getattr(one, part)]
        self._ports = [port for one in self._rules for port in _ports(one)] or PORTS
        self._patterns = {class_: _patterns(self._rules, class_) for class_ in Class}

    def request(self) -> Request:
        """Of a class that some rule has, nearly always, and with one of its operations."""
        rule = self._chance.choice(self._rules) if self._rules and self._chance.random() < 0.93 else None
        class_ = rule.class_ if rule else self._chance.choice(list(Class))
        known = OPERATIONS[class_]
        operations = set(self._chance.sample(known, self._chance.randint(1, min(len(known), 4))))
        if rule and self._chance.random() < 0.7:
            operations = {self._chance.choice(rule.selector.operations), *sorted(operations)[1:]}
        if self._chance.random() < 0.3:
            operations = set(known)
        ordered = self._chance.sample(sorted(operations), len(operations))
        return Request(
            class_, tuple(ordered), self._actor(rule), self._object(class_, rule), self._chance.choice(TIMES)
        )

    def _actor(self, rule: Rule | None) -> Actor:
        """Who a rule is about, often; what the kernel cannot tell, sometimes."""
        subject = rule.subject if rule and self._chance.random() < 0.8 else None
        parent = self._executable(subject.parent if subject else ())
        others = [self._executable(subject.ancestor if subject else ()) for _ in range(self._chance.choice([0, 1, 2]))]
        return Actor(
            exe=self._told(self._executable(subject.exe if subject else ()), 0.08),
            user=self._told(self._id(subject.user if subject else ()), 0.04),
            group=self._told(self._id(subject.group if subject else ()), 0.04),
            parent=self._told(parent, 0.08),
            ancestors=self._told(frozenset([parent, *others]), 0.1),
        )

    def _told(self, value: T, unknown: float) -> T | None:
        return None if self._chance.random() < unknown else value

    def _executable(self, wanted: Sequence[str]) -> bytes:
        if wanted and self._chance.random() < 0.7:
            return self._names.instance(self._chance.choice(list(wanted)))
        return self._names.near(self._executables) if self._chance.random() < 0.6 else b"/usr/bin/a"

    def _id(self, wanted: Sequence[int | str]) -> int:
        numbers = [one for one in wanted if isinstance(one, int)]
        return self._chance.choice(numbers if numbers and self._chance.random() < 0.7 else [*IDS, 7])

    def _object(self, class_: Class, rule: Rule | None) -> Object:
        """Made from the rule's patterns, or from those of other rules of the class."""
        own = _patterns([rule], class_) if rule and self._chance.random() < 0.7 else []
        patterns = own or self._patterns[class_]
        paths = [text for text in patterns if text.startswith("/")]
        makers: dict[Class, Callable[[], Object]] = {
            Class.FILE: lambda: File(self._name(paths), self._told(self._chance.choice(list(FileType)), 0.08)),
            Class.EXEC: lambda: self._name(paths),
            Class.NETWORK: lambda: self._peer(patterns),
            Class.DEVICE: lambda: Device(self._chance.choice(list(DeviceKind)), *self._chance.choice(DEVICES)),
            Class.MOUNT: lambda: Mount(self._name(paths), self._name(paths), self._file_system()),
            Class.PTRACE: lambda: Process(self._chance.choice([True, True, False, None])),
        }
        if class_ in NUMBERS:
            makers[class_] = lambda: Number(self._chance.choice(list(NUMBERS[class_])))
        if class_ not in makers or self._chance.random() < 0.06:
            return None
        return makers[class_]()

    def _name(self, patterns: Sequence[str]) -> bytes | Nameless | None:
        chance = self._chance.random()
        if chance < 0.14:
            return Nameless() if chance < 0.09 else None
        return self._names.near(patterns)

    def _file_system(self) -> bytes | Nameless | None:
        odd = [Nameless(), None, b"", b"tmpf", b"fuse", b"/a", b"tmpfs\xff", b"%proc"]
        return self._chance.choice([*(name.encode() for name in FILE_SYSTEMS * 2), *odd])

    def _peer(self, sockets: Sequence[str]) -> Peer | UnixPeer:
        protocol = self._chance.choice([6, 6, 17, *PROTOCOLS])
        if self._chance.random() < (0.6 if sockets else 0.15):
            chance = self._chance.random()
            name = Nameless() if chance < 0.1 else None if chance < 0.2 else self._names.near(sockets)
            return UnixPeer(name, self._chance.choice([0, 0, protocol]))
        return self._internet_peer(protocol)

    def _internet_peer(self, protocol: int) -> Peer:
        """Sockets of IPv6 reach IPv4 peers too; other families have no addresses."""
        address = ipaddress.ip_address(self._chance.choice(ADDRESSES))
        packed = bytes(10) + b"\xff\xff" + address.packed if address.version == 4 else address.packed
        families = [names.FAMILIES["inet6"]] + [names.FAMILIES["inet"]] * 2 * (address.version == 4)
        if self._chance.random() < 0.12:
            packed, families = None, FAMILIES
        return Peer(
            packed,
            self._chance.choice(self._chance.choice([PORTS, self._ports])),
            protocol,
            self._chance.choice(families),
        )


def _patterns(rules: Sequence[Rule], class_: Class) -> list[str]:
    """Patterns of the names of a class's objects."""
    found: list[str] = []
    for selector in (rule.selector for rule in rules if rule.class_ is class_):
        match selector:
            case FileSelector(paths=paths) | ExecSelector(paths=paths):
                found += paths
            case NetworkSelector(unix=unix):
                found += unix
            case MountSelector(sources=sources, targets=targets):
                found += (*sources, *targets)
    return found


def _ports(rule: Rule) -> list[int]:
    """Where the ranges of a rule begin and end, and what is beside."""
    spans = rule.selector.ports if isinstance(rule.selector, NetworkSelector) else ()
    return [port for first, last in spans for port in (first - 1, first, last, last + 1) if 0 <= port <= 65535]
