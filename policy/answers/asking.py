"""
Requests as people type them: `read /etc/shadow`, `connect 10.1.2.3:443/tcp`, `use sys_admin`.

The first word is one or more operations, after a class if it would not be clear: `network.create inet/tcp`. What
follows is the object.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policy.model import syscalls
from policy.model.names import CAPABILITIES, FAMILIES, NAMESPACES, SIGNAL_MAX, SIGNALS
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

_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132}
_MAPPED = bytes(10) + b"\xff\xff"
_PEER = re.compile(
    r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+)|(?P<bare>[0-9a-fA-F:]+))(?::(?P<port>\d+))?(?:/(?P<proto>\w+))?"
)
_DEVICE = re.compile(r"(char|block):(\d+):(\d+)")
#: What a word without an object means; a word that could be several is asked about.
_NO_OBJECT = (Class.BPF, Class.MODULE, Class.KEYRING, Class.IO_URING)


class AskingError(ValueError):
    """Words that are no request; `hint` says what would be."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Asked:
    class_: Class
    operations: tuple[str, ...]
    object: Object


def is_operation(word: str) -> bool:
    """Whether a word can begin a request."""
    class_, _, names = word.rpartition(".")
    known = OPERATIONS.values() if not class_ else [OPERATIONS.get(one, ()) for one in Class if one == class_]
    return bool(names) and any(set(names.split(",")) <= set(operations) for operations in known)


def asked(words: list[str]) -> Asked:
    """
    The request that words mean.

    Raises:
        AskingError: They mean none, or several.
    """
    if not words or not is_operation(words[0]):
        found = f"`{words[0]}` is no operation" if words else "there is no operation"
        raise AskingError(found, "for example: `read /etc/shadow`, `connect 10.1.2.3:443/tcp`, `bpf.load`")
    wanted, _, names = words[0].rpartition(".")
    operations = tuple(names.split(","))
    fitting = [class_ for class_ in Class if set(operations) <= set(OPERATIONS[class_]) and wanted in ("", class_)]
    readings = [(class_, read) for class_ in fitting if (read := _read(class_, words[1:])) is not None]
    if not readings:
        found = (
            f"`{' '.join(words[1:])}` is nothing to `{words[0]}`" if words[1:] else f"nothing to `{words[0]}` is given"
        )
        raise AskingError(found, _hint(fitting[0]))
    if len(readings) > 1:
        names = " or ".join(f"`{class_}.{names}`" for class_, _ in readings)
        raise AskingError(f"`{words[0]}` could be of class {', '.join(one for one, _ in readings)}", f"write {names}")
    class_, (thing,) = readings[0]
    ordered = tuple(name for name in OPERATIONS[class_] if name in operations)
    return Asked(class_, ordered, thing)


def _read(class_: Class, words: list[str]) -> tuple[Object] | None:
    """The object, in a tuple; None: the words are no object of the class."""
    if words == ["unknown"]:
        return (None,)
    if class_ in _NO_OBJECT:
        return None if words else (None,)
    if class_ is Class.MOUNT:
        return _mount(words)
    if class_ is Class.PTRACE:
        return (Process(words != ["inside"]),) if words in ([], ["inside"], ["outside"]) else None
    if class_ is Class.NAMESPACE and words == ["user", "namespace"]:
        words = ["user"]
    return _READ[class_](words) if len(words) == 1 or (class_ is Class.FILE and len(words) == 2) else None


def _file(words: list[str]) -> tuple[Object] | None:
    kind = words[1].strip("()").upper() if len(words) == 2 else "REGULAR"
    found = _named(words)
    return (File(found[0], FileType[kind]),) if found and kind in FileType.__members__ else None


def _named(words: list[str]) -> tuple[bytes | Nameless] | None:
    if words[0] == "fileless":
        return (Nameless(),)
    return (_bytes(words[0]),) if words[0].startswith("/") else None


def _bytes(text: str) -> bytes:
    """As typed; `\\xNN` is a byte, so that what an answer shows can be asked again."""
    raw = text.encode("utf-8", "surrogateescape")
    return re.sub(rb"\\(\\|x[0-9a-fA-F]{2})", lambda at: b"\\" if at[1] == b"\\" else bytes([int(at[1][1:], 16)]), raw)


def _network(words: list[str]) -> tuple[Object] | None:
    text = words[0]
    if text.startswith("unix:"):
        return (UnixPeer(_bytes(text[5:])),) if text[5:6] in ("/", "@") else None
    if found := _PEER.fullmatch(text):
        return _peer(found)
    family, _, protocol = text.partition("/")
    if family not in FAMILIES or protocol not in ("", *_PROTOCOLS):
        return None
    return (Peer(None, 0, _PROTOCOLS.get(protocol, 0), FAMILIES[family]),)


def _peer(found: "re.Match[str]") -> tuple[Object] | None:
    try:
        address = ipaddress.ip_address(found["v6"] or found["v4"] or found["bare"])
    except ValueError:
        return None
    port, protocol = int(found["port"] or 0), found["proto"] or "tcp"
    number = _PROTOCOLS.get(protocol, int(protocol) if protocol.isdecimal() else -1)
    if port > 0xFFFF or not 0 <= number <= 255:
        return None
    if address.version == 4:
        return (Peer(_MAPPED + address.packed, port, number, FAMILIES["inet"]),)
    return (Peer(address.packed, port, number, FAMILIES["inet6"]),)


def _mount(words: list[str]) -> tuple[Object] | None:
    """`[SOURCE] on TARGET [TYPE]`, or only the target."""
    source: bytes | Nameless = Nameless()
    if len(words) > 1 and words[1] == "on":
        source, words = _bytes(words[0]), words[2:]
    elif words[:1] == ["on"]:
        words = words[1:]
    if not 1 <= len(words) <= 2 or not words[0].startswith("/"):
        return None
    return (Mount(source, _bytes(words[0]), words[1].strip("()").encode() if len(words) == 2 else Nameless()),)


def _device(words: list[str]) -> tuple[Object] | None:
    found = _DEVICE.fullmatch(words[0])
    return (Device(DeviceKind[found[1].upper()], int(found[2]), int(found[3])),) if found else None


def _number(known: Mapping[str, int], most: int) -> Callable[[list[str]], tuple[Object] | None]:
    def read(words: list[str]) -> tuple[Object] | None:
        word = words[0]
        number = int(word) if word.isdecimal() else known.get(word)
        return (Number(number),) if number is not None and number <= most else None

    return read


_READ: dict[Class, Callable[[list[str]], tuple[Object] | None]] = {
    Class.FILE: _file,
    Class.EXEC: _named,
    Class.NETWORK: _network,
    Class.SYSCALL: _number(syscalls.numbers("x86_64"), 511),
    Class.CAPABILITY: _number(CAPABILITIES, 63),
    Class.DEVICE: _device,
    Class.NAMESPACE: _number({kind: at for at, kind in enumerate(NAMESPACES)}, len(NAMESPACES)),
    Class.SIGNAL: _number(SIGNALS, SIGNAL_MAX),
    Class.CREDENTIAL: _number({"root": 0}, 2**32 - 1),
}

_EXAMPLES = {
    Class.FILE: "a file is a path from `/`, `fileless` or `unknown`; its type may follow: `/run/a socket`",
    Class.EXEC: "a program is a path from `/`, `fileless` or `unknown`",
    Class.NETWORK: "a peer is `10.1.2.3:443/tcp`, `[::1]:53/udp`, `unix:/run/a.sock`, `unix:@name` or `netlink`",
    Class.DEVICE: "a device is `char:1:3` or `block:8:0`",
    Class.MOUNT: "a mount is `/dev/sda1 on /mnt ext4`, or only the target",
    Class.PTRACE: "a process is `inside` or `outside` the scope",
    Class.CREDENTIAL: "a user or group is a number",
}


def _hint(class_: Class) -> str:
    return _EXAMPLES.get(class_, "it is a name as policies have it, or a number")
