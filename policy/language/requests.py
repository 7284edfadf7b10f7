"""
Requests between file and model: for each class one way in and one way out.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from policy.language.vocabulary import PROTOCOL_NAMES
from policy.model import names, syscalls
from policy.model.types import (
    OPERATIONS,
    Class,
    Device,
    DeviceKind,
    File,
    FileType,
    Mount,
    Nameless,
    Number,
    Object,
    Peer,
    Process,
    UnixPeer,
)

_INET, _INET6 = names.FAMILIES["inet"], names.FAMILIES["inet6"]
#: Stands for a system call that an architecture does not have.
_NO_CALL = 2**32 - 1
_MAPPED = bytes(10) + b"\xff\xff"


def operations_of(class_: Class, fields: Any) -> tuple[str, ...]:
    """The operations of a request, in the order of its class; those of a class that has one are always it."""
    named = getattr(fields, "operations", OPERATIONS[class_])
    return tuple(name for name in OPERATIONS[class_] if name in named)


def object_of(class_: Class, fields: Any, architecture: str) -> Object:
    """
    What a request is about.

    Args:
        fields: An instance of the class's model in `policy.language.case_schema`.
        architecture: Whose numbers system calls have.
    """
    if getattr(fields, "unknown", None):
        return None
    if class_ is Class.SYSCALL:
        return Number(syscalls.numbers(architecture).get(fields.name, _NO_CALL))
    return _READ.get(class_, lambda _: None)(fields)


def fields_of(
    class_: Class, operations: tuple[str, ...], found: Object, architecture: str = "x86_64"
) -> dict[str, Any]:
    """What stands in a file for a request: its class, and below it what `object_of` reads."""
    attempted = {"operations": list(operations)} if len(OPERATIONS[class_]) > 1 else {}
    about = _about(class_, found, architecture)
    return {str(class_): {**about, **attempted}}


def packed(address: str) -> bytes:
    """16 bytes, IPv4 as ::ffff:a.b.c.d."""
    found = ipaddress.ip_address(address)
    return _MAPPED + found.packed if found.version == 4 else found.packed


def name(text: str) -> bytes:
    """A name's bytes; what was no UTF-8 stands in text as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _text(found: "bytes | Nameless | None") -> dict[str, Any]:
    if found is None:
        return {"unknown": True}
    return {"fileless": True} if isinstance(found, Nameless) else {"path": found.decode("utf-8", "surrogateescape")}


def _named(fields: Any) -> bytes | Nameless:
    return Nameless() if fields.fileless else name(fields.path)


def _file(fields: Any) -> File:
    type_ = None if fields.type == "unknown" else FileType[fields.type.upper()]
    return File(_named(fields), type_)


def _network(fields: Any) -> Peer | UnixPeer:
    if fields.unix is not None:
        return UnixPeer(name(fields.unix), fields.protocol)
    if fields.address is None:
        return Peer(None, fields.port, fields.protocol, fields.family)
    family = fields.family or (_INET if ipaddress.ip_address(fields.address).version == 4 else _INET6)
    return Peer(packed(fields.address), fields.port, fields.protocol, family)


def _mount(fields: Any) -> Mount:
    parts = [Nameless() if one is None else name(one) for one in (fields.source, fields.target, fields.type)]
    return Mount(*parts)


_READ: Mapping[Class, Callable[[Any], Object]] = {
    Class.FILE: _file,
    Class.EXEC: _named,
    Class.NETWORK: _network,
    Class.CAPABILITY: lambda fields: Number(names.CAPABILITIES[fields.name]),
    Class.DEVICE: lambda fields: Device(DeviceKind[fields.kind.upper()], *fields.number),
    Class.MOUNT: _mount,
    Class.NAMESPACE: lambda fields: Number(names.NAMESPACES.index(fields.kind)),
    Class.PTRACE: lambda fields: Process(fields.target == "outside"),
    Class.SIGNAL: lambda fields: Number(fields.signal),
    Class.CREDENTIAL: lambda fields: Number(fields.id),
}


def _about(class_: Class, found: Object, architecture: str) -> dict[str, Any]:
    match found:
        case None:
            return {} if class_ in (Class.BPF, Class.MODULE, Class.KEYRING, Class.IO_URING) else {"unknown": True}
        case bytes() | Nameless():
            return _text(found)
        case File(known, type_):
            kind = {} if type_ is FileType.REGULAR else {"type": "unknown" if type_ is None else str(type_)}
            return {**_text(known), **kind}
        case Peer():
            return _peer(found)
        case UnixPeer(known):
            protocol = {"protocol": PROTOCOL_NAMES.get(found.protocol, found.protocol)} if found.protocol else {}
            if not isinstance(known, bytes):
                return {"unknown": True}
            return {"unix": known.decode("utf-8", "surrogateescape"), **protocol}
        case Device(kind_, major, minor):
            return {"kind": str(kind_), "number": f"{major}:{minor}"}
        case Mount(source, target, type_name):
            parts = {"source": source, "target": target, "type": type_name}
            return {key: one.decode("utf-8", "surrogateescape") for key, one in parts.items() if isinstance(one, bytes)}
        case Process(outside):
            return {"unknown": True} if outside is None else {"target": "outside" if outside else "inside"}
        case Number(value):
            return _number(class_, value, architecture)


def _peer(peer: Peer) -> dict[str, Any]:
    protocol = {"protocol": PROTOCOL_NAMES.get(peer.protocol, peer.protocol)} if peer.protocol else {}
    port = {"port": peer.port} if peer.port else {}
    if peer.address is None:
        return {"family": names.FAMILY_NAMES.get(peer.family, peer.family), **port, **protocol}
    address = ipaddress.IPv6Address(peer.address)
    plain = {"address": str(address.ipv4_mapped or address)}
    natural = _INET if address.ipv4_mapped else _INET6
    family = {} if peer.family == natural else {"family": names.FAMILY_NAMES.get(peer.family, peer.family)}
    return {**plain, **port, **protocol, **family}


def _number(class_: Class, value: int, architecture: str) -> dict[str, Any]:
    match class_:
        case Class.SYSCALL:
            known = {number: one for one, number in syscalls.numbers(architecture).items()}
            return {"name": known[value]} if value in known else {"unknown": True}
        case Class.CAPABILITY:
            return {"name": list(names.CAPABILITIES)[value]} if value < len(names.CAPABILITIES) else {"unknown": True}
        case Class.NAMESPACE:
            return {"kind": names.NAMESPACES[value]}
        case Class.SIGNAL:
            return {"signal": {number: one for one, number in names.SIGNALS.items()}.get(value, value)}
    return {"id": value}
