"""
What is acted on, as cells: for each class the forms that its objects take, and what selectors ask of each.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.answers.cells import (
    MAYBE,
    NO,
    UNKNOWN,
    YES,
    Aspect,
    NameTest,
    Test,
    Unknown,
    listed,
    named,
    numbered,
    untold,
)
from policy.answers.names import PROGRAMS, SOCKETS, Kind
from policy.model import syscalls
from policy.model.names import CAPABILITIES, FAMILIES, NAMESPACES, NAMESPACES_WITH_HOOK, SIGNAL_MAX, UNIX
from policy.model.types import (
    OPERATIONS,
    CapabilitySelector,
    Class,
    CredentialSelector,
    Device,
    DeviceKind,
    DeviceSelector,
    ExecSelector,
    File,
    FileSelector,
    FileType,
    Mount,
    MountSelector,
    Nameless,
    NamespaceSelector,
    NetworkSelector,
    Number,
    Object,
    Peer,
    Process,
    PtraceSelector,
    Rule,
    SignalSelector,
    SyscallSelector,
    UnixPeer,
)

_MAPPED = 0xFFFF << 32
_INET, _INET6 = FAMILIES["inet"], FAMILIES["inet6"]
#: Those whose peers never have an address of IPv4 or IPv6; SMC, RDS and others do.
_WITHOUT_ADDRESS = frozenset(
    {FAMILIES["netlink"], FAMILIES["packet"], *(FAMILIES[name] for name in ("vsock", "alg", "mctp"))}
)
_PORTS = (443, 80, 22, 53, 5432, 8080, 0)
_V4 = tuple(int(ipaddress.ip_address(text)) for text in ("192.0.2.1", "10.1.2.3", "127.0.0.1", "169.254.169.254"))
_V6 = tuple(int(ipaddress.ip_address(text)) for text in ("2001:db8::1", "fd00::1", "::1"))
_PROTOCOLS = (6, 17, 1, 58, 132, 0, 253)
_FAMILIES = (16, 17, 40, 38, 45)
_SYSCALLS = 512


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One form that the objects of a class take.

    Attributes:
        operations: Those that such objects meet.
        aspects: What rules tell apart of it, the one with most cells first.
        applies: Whether a selector can match such an object at all.
        object: The object, from what stands for each aspect's cell.
    """

    name: str
    operations: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    object: Callable[[Mapping[str, Any]], Object]
    applies: Callable[[Any], bool] = lambda _: True


def shapes(class_: Class, rules: Sequence[Rule], architecture: str) -> tuple[Shape, ...]:
    """The forms of a class's objects, for rules of that class (and those they lie within)."""
    operations = OPERATIONS[class_]
    selectors = [rule.selector for rule in rules]
    match class_:
        case Class.FILE:
            return (_file(),)
        case Class.EXEC:
            return (
                Shape(
                    "exec",
                    operations,
                    (named("name", _exec_test, PROGRAMS, nameless=True),),
                    lambda at: _name(at["name"]),
                ),
            )
        case Class.NETWORK:
            return _network(selectors)
        case Class.MOUNT:
            return _mounts(selectors)
        case Class.PTRACE:
            outside = listed("process", _outside, _is_outside, (True, False, UNKNOWN))
            return (Shape("process", operations, (outside,), lambda at: Process(_told(at["process"]))),)
        case Class.DEVICE:
            device = listed("device", _device_test, _is_device, _devices(selectors))
            return (Shape("device", operations, (device,), lambda at: at["device"]), _untold(operations, _device_test))
        case Class.SYSCALL | Class.CAPABILITY | Class.NAMESPACE | Class.SIGNAL | Class.CREDENTIAL:
            return _numbers(class_, operations, selectors, architecture)
    return (Shape("nothing", operations, (), lambda _: None),)


def _name(value: Any) -> "bytes | Nameless | None":
    return value.name if isinstance(value, Kind) else value if isinstance(value, Nameless) else None


def _told(value: Any) -> Any:
    return None if isinstance(value, Unknown) else value


def _untold(operations: tuple[str, ...], *tests: Callable[[Rule], Test | None]) -> Shape:
    """The object as a whole could not be told."""

    def restricts(rule: Rule) -> Test | None:
        return any(test(rule) is not None for test in tests) or None

    return Shape("unknown", operations, (untold("object", restricts),), lambda _: None)


def _file() -> Shape:
    kinds = listed("type", _file_types, _is_among, (*FileType, UNKNOWN))
    return Shape(
        "file",
        OPERATIONS[Class.FILE],
        (named("name", _file_test, nameless=True), kinds),
        lambda at: File(_name(at["name"]), _told(at["type"])),
    )


def _file_test(rule: Rule) -> Test | None:
    selector = rule.selector
    if not isinstance(selector, FileSelector) or not (selector.paths or selector.fileless):
        return None
    return NameTest(selector.paths, nameless=selector.fileless)


def _file_types(rule: Rule) -> Test | None:
    return rule.selector.types or None if isinstance(rule.selector, FileSelector) else None


def _exec_test(rule: Rule) -> Test | None:
    selector = rule.selector
    return NameTest(selector.paths, nameless=selector.fileless) if isinstance(selector, ExecSelector) else None


def _is_among(test: Any, value: Any) -> int:
    return MAYBE if value is UNKNOWN else YES if value in test else NO


# -- network ----------------------------------------------------------------------------------------------------------


def _network(selectors: Sequence[Any]) -> tuple[Shape, ...]:
    meeting = tuple(name for name in OPERATIONS[Class.NETWORK] if name != "create")
    port, protocol = numbered("port", _ports, 1 << 16, _PORTS), numbered("protocol", _protocols, 1 << 8, _PROTOCOLS)
    others = [*_FAMILIES, *(family for one in selectors for family in one.families)]
    others = [family for family in dict.fromkeys(others) if family not in (UNIX, _INET, _INET6)]
    every = (_INET, _INET6, UNIX, *others)
    v4 = numbered("address", _networks(4), 1 << 32, _V4, _host)
    v6 = numbered("address", _networks(6), 1 << 128, _V6, _host)
    unix = named("name", _unix, SOCKETS, nameless=True, abstract=True)
    addressed = [family for family in others if family not in _WITHOUT_ADDRESS]
    return (
        Shape("IPv4", meeting, (v4, port, protocol, _family((_INET, _INET6, *addressed))), _peer(_MAPPED), _no_unix),
        Shape("IPv6", meeting, (v6, port, protocol, _family((_INET6, *addressed))), _peer(0), _no_unix),
        Shape(
            "unix", meeting, (unix, numbered("protocol", _protocols, 1 << 8), _family((UNIX,))), _unix_peer, _no_address
        ),
        Shape("other", meeting, (_family(others), _only_port(), protocol), _no_peer, _no_name),
        Shape("socket", ("create",), (_family(every), protocol), _no_peer, _no_name),
        _untold(OPERATIONS[Class.NETWORK], _networks(4), _networks(6), _ports, _protocols, _families, _unix),
    )


def _only_port() -> Aspect:
    """What has no address has no port but 0."""
    return numbered("port", _ports, 1)


def _family(families: Sequence[int]) -> Aspect:
    return listed("family", _families, _is_among, families)


def _networks(version: int) -> Callable[[Rule], Test | None]:
    def test(rule: Rule) -> Test | None:
        if not isinstance(rule.selector, NetworkSelector) or not rule.selector.to:
            return None
        found = [ipaddress.ip_network(text) for text in rule.selector.to]
        return tuple((int(one[0]), int(one[-1])) for one in found if one.version == version)

    return test


def _ports(rule: Rule) -> Test | None:
    return rule.selector.ports or None if isinstance(rule.selector, NetworkSelector) else None


def _protocols(rule: Rule) -> Test | None:
    selector = rule.selector
    wanted = selector.protocols if isinstance(selector, NetworkSelector) else ()
    return tuple((number, number) for number in wanted) or None


def _families(rule: Rule) -> Test | None:
    return rule.selector.families or None if isinstance(rule.selector, NetworkSelector) else None


def _unix(rule: Rule) -> Test | None:
    selector = rule.selector
    return NameTest(selector.unix) if isinstance(selector, NetworkSelector) and selector.unix else None


def _host(first: int, last: int) -> int:
    """An address that looks like a host's."""
    return first + 1 if last > first + 1 else first


def _no_unix(selector: Any) -> bool:
    return not selector.unix


def _no_address(selector: Any) -> bool:
    return not (selector.to or selector.ports)


def _no_name(selector: Any) -> bool:
    return not (selector.to or selector.unix)


def _peer(offset: int) -> Callable[[Mapping[str, Any]], Object]:
    def peer(at: Mapping[str, Any]) -> Object:
        address = (at["address"] + offset).to_bytes(16, "big")
        return Peer(address, at["port"], at["protocol"], at["family"])

    return peer


def _unix_peer(at: Mapping[str, Any]) -> Object:
    return UnixPeer(_name(at["name"]), at["protocol"])


def _no_peer(at: Mapping[str, Any]) -> Object:
    return Peer(None, 0, at["protocol"], at["family"])


# -- mount ------------------------------------------------------------------------------------------------------------


def _mounts(selectors: Sequence[Any]) -> tuple[Shape, ...]:
    """Unmounting and pivoting have no source; only mounting asks for a type."""
    source, target = named("source", _source, nameless=True), named("target", _target, nameless=True)
    no_source = listed("source", _source, _no_name_fits, (Nameless(), UNKNOWN))
    kinds = [b"ext4", b"tmpfs", *(name.encode() for one in selectors for name in one.types)]
    fs = listed("fstype", _fs_types, _is_fs_type, (*dict.fromkeys(kinds), Nameless(), UNKNOWN))
    return (
        Shape("mount", ("mount", "move"), (target, source, fs), _mount),
        Shape("mount point", ("umount", "pivot"), (target, no_source, fs), _mount),
    )


def _mount(at: Mapping[str, Any]) -> Object:
    return Mount(_name(at["source"]), _name(at["target"]), _told(at["fstype"]))


def _source(rule: Rule) -> Test | None:
    selector = rule.selector
    return NameTest(selector.sources) if isinstance(selector, MountSelector) and selector.sources else None


def _target(rule: Rule) -> Test | None:
    selector = rule.selector
    return NameTest(selector.targets) if isinstance(selector, MountSelector) and selector.targets else None


def _fs_types(rule: Rule) -> Test | None:
    return rule.selector.types or None if isinstance(rule.selector, MountSelector) else None


def _is_fs_type(test: Any, value: Any) -> int:
    if value is UNKNOWN:
        return MAYBE
    return YES if value in [name.encode() for name in test] else NO


def _no_name_fits(test: Any, value: Any) -> int:  # noqa: ARG001 - nothing that is asked of a name holds
    return MAYBE if value is UNKNOWN else NO


# -- numbers ----------------------------------------------------------------------------------------------------------


def _outside(rule: Rule) -> Test | None:
    return (isinstance(rule.selector, PtraceSelector) and rule.selector.outside) or None


def _is_outside(test: Any, value: Any) -> int:  # noqa: ARG001 - the test is always True
    return MAYBE if value is UNKNOWN else YES if value else NO


def _devices(selectors: Sequence[Any]) -> list[Device]:
    """Null, a disk, and for each number that is named the device, another minor, and its like of the other kind."""
    found = [Device(DeviceKind.CHAR, 1, 3), Device(DeviceKind.BLOCK, 8, 0), Device(DeviceKind.CHAR, 10, 200)]
    named = {minor for one in selectors for _, minor in one.numbers}
    other = next(minor for minor in range(len(named) + 1) if minor not in named)
    for kind in DeviceKind:
        for major, minor in dict.fromkeys(pair for one in selectors for pair in one.numbers):
            found += [Device(kind, major, other if minor is None else minor), Device(kind, major, other)]
        majors = {major for one in selectors for major, _ in one.numbers}
        found.append(Device(kind, next(at for at in range(240, 242 + len(majors)) if at not in majors), 0))
    return found


def _device_test(rule: Rule) -> Test | None:
    selector = rule.selector
    if not isinstance(selector, DeviceSelector) or not (selector.kinds or selector.numbers):
        return None
    return selector.kinds, selector.numbers


def _is_device(test: Any, value: Device) -> int:
    kinds, numbers = test
    listed = not numbers or (value.major, value.minor) in numbers or (value.major, None) in numbers
    return YES if listed and (not kinds or value.kind in kinds) else NO


def _numbers(class_: Class, operations: tuple[str, ...], selectors: Sequence[Any], arch: str) -> tuple[Shape, ...]:
    def test(rule: Rule) -> Test | None:
        return numbers_of(rule.selector, arch)

    candidates: Sequence[int]
    match class_:
        case Class.CAPABILITY:
            candidates = list(CAPABILITIES.values())
        case Class.NAMESPACE:
            candidates = [at for at, kind in enumerate(NAMESPACES) if kind in NAMESPACES_WITH_HOOK]
        case Class.SIGNAL:
            candidates = range(1, SIGNAL_MAX + 1)
        case Class.SYSCALL:
            candidates = [*syscalls.numbers(arch).values(), *range(_SYSCALLS)]
        case _:
            named = {id_ for one in selectors for id_ in one.ids}
            other = next(id_ for id_ in (1000, *range(2000, 2002 + len(named))) if id_ not in named)
            candidates = [0, other, *sorted(named)]
    number = listed("number", test, _is_among, candidates)
    return (
        Shape("number", operations, (number,), lambda at: Number(at["number"])),
        _untold(operations, test),
    )


def numbers_of(selector: Any, architecture: str) -> frozenset[int] | None:
    """The numbers that a selector names; None: any."""
    match selector:
        case SyscallSelector(names=named):
            table = syscalls.numbers(architecture)
            return frozenset(table[name] for name in named if name in table)
        case CapabilitySelector(names=named):
            return frozenset(CAPABILITIES[name] for name in named)
        case NamespaceSelector(kinds=kinds):
            return frozenset(NAMESPACES.index(kind) for kind in kinds)
        case SignalSelector(signals=signals):
            return frozenset(signals) or None
        case CredentialSelector(ids=ids):
            return frozenset(ids) or None
    return None
