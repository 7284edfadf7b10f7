"""
Whether a rule's selector is about the object of a request, a class at a time.

A part that is left out restricts nothing. A part that restricts what could not be told is None, and so is every part
that restricts anything if the whole object could not be told.
"""

import ipaddress
from collections.abc import Sequence

from policy.model import names, syscalls
from policy.model.types import (
    CapabilitySelector,
    CredentialSelector,
    Device,
    DeviceSelector,
    ExecSelector,
    File,
    FileSelector,
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
    Selector,
    SignalSelector,
    SyscallSelector,
    UnixPeer,
)
from policy.reference.glob import matches
from policy.reference.truth import Truth, every

Name = bytes | Nameless | None


def object_matches(selector: Selector, found: Object, architecture: str) -> Truth:
    """Whether the selector, its operations apart, is about this object."""
    match selector:
        case FileSelector():
            return _file(selector, found if isinstance(found, File) else File(None, None))
        case ExecSelector():
            return _named(selector.paths, selector.fileless, found if isinstance(found, bytes | Nameless) else None)
        case NetworkSelector():
            return _network(selector, found if isinstance(found, Peer | UnixPeer) else None)
        case DeviceSelector():
            return _device(selector, found if isinstance(found, Device) else None)
        case MountSelector():
            return _mount(selector, found if isinstance(found, Mount) else Mount(None, None, None))
        case PtraceSelector(outside=outside):
            return found.outside if outside and isinstance(found, Process) else None if outside else True
    return _number(selector, found, architecture)


def _file(selector: FileSelector, file: File) -> Truth:
    kind = True if not selector.types else None if file.type is None else file.type in selector.types
    return every([_named(selector.paths, selector.fileless, file.name), kind])


def _named(paths: Sequence[str], fileless: bool, name: Name) -> Truth:
    """By pattern, or exactly what has no name, or anything."""
    if fileless:
        return None if name is None else isinstance(name, Nameless)
    return _name(paths, name) if paths else True


def _name(patterns: Sequence[str], name: Name) -> Truth:
    """No pattern matches what has no name."""
    if name is None:
        return None
    return isinstance(name, bytes) and any(matches(pattern, name) for pattern in patterns)


def _network(selector: NetworkSelector, peer: Peer | UnixPeer | None) -> Truth:
    return every(
        [
            _address(selector.to, peer) if selector.to else True,
            _port(selector.ports, peer) if selector.ports else True,
            _unix(selector.unix, peer) if selector.unix else True,
            _protocol(selector.protocols, peer) if selector.protocols else True,
            _family(selector.families, peer) if selector.families else True,
        ]
    )


def _address(networks: Sequence[str], peer: Peer | UnixPeer | None) -> Truth:
    """IPv4-mapped addresses are IPv4 and match no IPv6 network; what has no address matches none."""
    if peer is None:
        return None
    if isinstance(peer, UnixPeer) or peer.address is None:
        return False
    address = ipaddress.IPv6Address(peer.address)
    return any((address.ipv4_mapped or address) in ipaddress.ip_network(text) for text in networks)


def _port(spans: Sequence[tuple[int, int]], peer: Peer | UnixPeer | None) -> Truth:
    if peer is None:
        return None
    return isinstance(peer, Peer) and any(first <= peer.port <= last for first, last in spans)


def _unix(patterns: Sequence[str], peer: Peer | UnixPeer | None) -> Truth:
    if peer is None:
        return None
    return _name(patterns, peer.name) if isinstance(peer, UnixPeer) else False


def _protocol(protocols: Sequence[int], peer: Peer | UnixPeer | None) -> Truth:
    return None if peer is None else peer.protocol in protocols


def _family(families: Sequence[int], peer: Peer | UnixPeer | None) -> Truth:
    if peer is None:
        return None
    return (names.UNIX if isinstance(peer, UnixPeer) else peer.family) in families


def _device(selector: DeviceSelector, device: Device | None) -> Truth:
    """Every minor number is meant where none is given."""
    kind = True if not selector.kinds else None if device is None else device.kind in selector.kinds
    if not selector.numbers or device is None:
        return every([kind, None if selector.numbers else True])
    meant = [major == device.major and minor in (None, device.minor) for major, minor in selector.numbers]
    return every([kind, any(meant)])


def _mount(selector: MountSelector, mount: Mount) -> Truth:
    """A mount without a source, a target or a type matches no rule that asks for one."""
    return every(
        [
            _name(selector.sources, mount.source) if selector.sources else True,
            _name(selector.targets, mount.target) if selector.targets else True,
            _type(selector.types, mount.type) if selector.types else True,
        ]
    )


def _type(types: Sequence[str], found: Name) -> Truth:
    """Types of file systems are names, not patterns."""
    return None if found is None else found in [name.encode() for name in types]


def _number(selector: Selector, found: Object, architecture: str) -> Truth:
    wanted = _numbers(selector, architecture)
    if wanted is None:
        return True
    return found.value in wanted if isinstance(found, Number) else None


def _numbers(selector: Selector, architecture: str) -> Sequence[int] | None:
    """The numbers that a selector names; None: it names none, and means every object of its class."""
    match selector:
        case SyscallSelector(names=given):
            known = syscalls.numbers(architecture)
            return [known[name] for name in given if name in known]
        case CapabilitySelector(names=given):
            return [names.CAPABILITIES[name] for name in given]
        case NamespaceSelector(kinds=given):
            return [names.NAMESPACES.index(kind) for kind in given]
        case SignalSelector(signals=signals):
            return signals or None
        case CredentialSelector(ids=ids):
            return ids or None
    return None
