"""
Requests in words: `write /etc/ssh/sshd_config by /usr/bin/vim`.

What is quoted was written by others: names are escaped here, so that no line of an answer acts on a terminal.
"""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from policy.language.diagnostic import escape
from policy.model import syscalls
from policy.model.names import CAPABILITIES, FAMILY_NAMES, NAMESPACES, SIGNALS
from policy.model.types import (
    Actor,
    Class,
    Device,
    File,
    FileType,
    Mount,
    Nameless,
    Number,
    Peer,
    Process,
    Request,
    UnixPeer,
)

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp", 136: "udplite"}
_MAPPED = bytes(10) + b"\xff\xff"
_SIGNAL_NAMES = {number: name for name, number in SIGNALS.items()}
_CAPABILITY_NAMES = {number: name for name, number in CAPABILITIES.items()}
#: What a class's operations are done to, where the object says nothing of it.
_THINGS = {Class.BPF: "BPF object", Class.MODULE: "kernel module", Class.KEYRING: "key", Class.IO_URING: "io_uring"}
_BPF = {"load": "BPF program", "map": "BPF map", "attach": "BPF program"}


def in_words(
    request: Request,
    anything: frozenset[str] = frozenset(),
    whoever: str = "anyone",
    accounts: Mapping[int, str] = MappingProxyType({}),
) -> str:
    """
    A request as one line.

    Args:
        anything: What does not matter and is left out: keys of dimensions (`exe`, `account`, `type` …).
        whoever: Who acts if nothing is said of who acts.
        accounts: Names of users and groups.
    """
    what = f"{', '.join(request.operations)} {object_words(request, anything)}".rstrip()
    return f"{what} by {who_words(request, anything, whoever, accounts)}"


def who_words(request: Request, anything: frozenset[str], whoever: str, accounts: Mapping[int, str]) -> str:
    """The subject of a request."""
    actor = request.actor
    asked = {"exe", "account", "parent"} - anything
    exe = name(actor.exe) if actor.exe is not None else "a program that could not be told"
    parts = [exe if "exe" in asked else "a process" if asked & {"account", "parent"} else whoever]
    if "account" in asked:
        parts.append(_account(actor, accounts))
    if "parent" in asked:
        parts.append(f"started by {name(actor.parent)}" if actor.parent is not None else "parent not told")
    others = sorted(actor.ancestors or ()) if "ancestors" not in anything else []
    if others and (others != [actor.parent] or "parent" not in asked):
        parts.append("below " + ", ".join(map(name, others)))
    if actor.ancestors is None and "ancestors" not in anything:
        parts.append("ancestors not told")
    if "time" not in anything and request.time:
        parts.append(f"on {datetime.fromtimestamp(request.time, UTC):%Y-%m-%d %H:%M:%S}Z")
    return ", ".join(parts)


def _account(actor: Actor, accounts: Mapping[int, str]) -> str:
    if actor.user is None or actor.group is None:
        return "user and group not told"
    user, group = (accounts.get(id_, id_) for id_ in (actor.user, actor.group))
    return f"user {escape(str(user))}, group {escape(str(group))}"


def object_words(request: Request, anything: frozenset[str] = frozenset()) -> str:
    """The object of a request."""
    match request.object:
        case File(named, kind):
            return name(named) if "type" in anything or kind is FileType.REGULAR else f"{name(named)} ({_type(kind)})"
        case Peer() as peer:
            return _peer(peer, anything)
        case UnixPeer(named):
            return "unix:" + name(named)
        case Device(kind, major, minor):
            return f"{kind} device {major}:{minor}"
        case Mount() as mount:
            return _mount(mount, anything)
        case Process(outside):
            return "a process " + {True: "outside", False: "inside", None: "inside or outside"}[outside] + " the scope"
        case Number(value):
            return _number(request.class_, value)
        case bytes() | Nameless() as named:
            return name(named)
        case int(value):
            return _number(request.class_, value)
    if request.class_ is Class.BPF and len(request.operations) == 1:
        return _BPF.get(request.operations[0], "BPF object")
    return _THINGS.get(request.class_, "something that could not be told")


def name(value: "bytes | Nameless | None") -> str:
    """A name, escaped."""
    if isinstance(value, bytes):
        return escape(value.decode("utf-8", "surrogateescape").replace("\\", "\\\\"))
    return "something without a name" if isinstance(value, Nameless) else "something whose name could not be told"


def _type(kind: FileType | None) -> str:
    return "type not told" if kind is None else str(kind)


def _peer(peer: Peer, anything: frozenset[str]) -> str:
    protocol = _PROTOCOLS.get(peer.protocol, f"protocol {peer.protocol}")
    family = FAMILY_NAMES.get(peer.family, f"family {peer.family}")
    if peer.address is None:
        return f"{family} socket" + ("" if "protocol" in anything else f" ({protocol})")
    address = str(ipaddress.IPv6Address(peer.address).ipv4_mapped or ipaddress.IPv6Address(peer.address))
    shown = f"[{address}]" if ":" in address else address
    told = shown if "port" in anything else f"{shown}:{peer.port}"
    told += "" if "protocol" in anything else f"/{protocol}"
    usual = "inet" if peer.address.startswith(_MAPPED) else "inet6"
    return told if "family" in anything or family == usual else f"{told} ({family} socket)"


def _mount(mount: Mount, anything: frozenset[str]) -> str:
    parts = [] if "source" in anything or isinstance(mount.source, Nameless) else [name(mount.source)]
    parts += ["on " + name(mount.target)] if "target" not in anything else []
    if "fstype" not in anything and not isinstance(mount.type, Nameless):
        parts.append(f"({'type not told' if mount.type is None else name(mount.type)})")
    return " ".join(parts) or "anything"


def _number(class_: Class, value: int) -> str:
    match class_:
        case Class.SYSCALL:
            return next((one for one, number in syscalls.numbers("x86_64").items() if number == value), str(value))
        case Class.CAPABILITY:
            return _CAPABILITY_NAMES.get(value, str(value))
        case Class.NAMESPACE:
            return (NAMESPACES[value] if value < len(NAMESPACES) else str(value)) + " namespace"
        case Class.SIGNAL:
            return _SIGNAL_NAMES.get(value, str(value)) + " to a process outside the scope"
    return str(value)
