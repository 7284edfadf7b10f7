"""
What a rule can be about: a model for each class, and what in one makes no sense together.

Left-out fields restrict nothing. What could never match is refused, so that a rule that looks like protection is one.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal

from pydantic import Field, model_validator

from policy.language.fields import (
    LIST_MAX,
    SHORT_LIST_MAX,
    Capability,
    Cidr,
    DeviceNumber,
    Family,
    FileSystem,
    Glob,
    Id,
    KindName,
    Namespace,
    Ports,
    Protocol,
    Signal,
    SocketGlob,
    Syscall,
    TypeName,
    listed,
    optional,
    some,
)
from policy.language.refusals import Narrowing, Strict, refusal
from policy.model.names import UNIX
from policy.model.types import OPERATIONS, Class

CLASSES = tuple(str(class_) for class_ in Class)
#: Operations that never happen to files of a type: those are only made, named, removed, and have their mode changed.
_NEVER = MappingProxyType(
    {
        "read": {"socket", "symlink"},
        "write": {"socket", "symlink", "directory"},
        "link": {"directory"},
        "truncate": {"directory", "device", "socket", "fifo", "symlink"},
        "mapExec": {"directory", "socket", "fifo", "symlink"},
    }
)
#: Operations that are about a name, which what is fileless does not have.
_OF_NAMES = ("create", "delete", "rename")
#: What operations of `mount` have besides a target.
_MOUNT_PARTS = MappingProxyType({"mount": ("sources", "types"), "move": ("sources",), "umount": (), "pivot": ()})


def _operations(class_: Class) -> object:
    return list[Literal[OPERATIONS[class_]]]  # type: ignore[valid-type]


def _wanted(class_: Class) -> object:
    return some(16, f"What is attempted: one or more of {', '.join(f'`{name}`' for name in OPERATIONS[class_])}.")


def _only(class_: Class) -> object:
    """The operations of a class that has one: they may be left out."""
    return Field(default=list(OPERATIONS[class_]), min_length=1, max_length=16, description="The only one there is.")


def _refuse(what: str, names: Iterable[str], hint: str) -> None:
    """Refuse, if there are any, names that `what` says something of: they take the place of its `{}`."""
    if found := " and ".join(f"`{name}`" for name in names):
        raise refusal("no-sense", what.format(found), hint)


class FileRule(Narrowing):
    """Files, by name and type."""

    paths: list[Glob] = listed(LIST_MAX, "Names that match one of these; left out: any name, and none.")
    types: list[TypeName] = listed(16, "Of one of these types; left out: any.")  # type: ignore[valid-type]
    fileless: Literal[True] = optional("What has no name: memfd, O_TMPFILE, deleted. Instead of `paths`.")
    operations: _operations(Class.FILE) = _wanted(Class.FILE)  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _sense(self) -> "FileRule":
        if self.fileless and self.paths:
            raise refusal("no-sense", "`paths` and `fileless` exclude each other", "write a rule for each")
        if self.fileless:
            named = [name for name in _OF_NAMES if name in self.operations]
            _refuse("what is fileless has no name to {}", named, "leave these operations out")
        if self.types:
            never = [name for name in self.operations if set(self.types) <= _NEVER.get(name, set())]
            _refuse(f"{{}} never happens to a {' or '.join(self.types)}", never, "leave it out, or name other types")
        return self


class ExecRule(Narrowing):
    """Programs that are run, by name; scripts count as themselves, and as their interpreter too."""

    paths: list[Glob] = listed(LIST_MAX, "Programs whose name matches one of these.")
    fileless: Literal[True] = optional("Programs that have no name: memfd, deleted. Instead of `paths`.")
    operations: _operations(Class.EXEC) = _only(Class.EXEC)  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one(self) -> "ExecRule":
        if bool(self.paths) == bool(self.fileless):
            found = "both" if self.paths else "neither"
            hint = 'write `paths: ["/**"]` for every program that has a name' if not self.paths else "a rule for each"
            raise refusal("no-sense", f"a program is meant by `paths` or by `fileless`; found {found}", hint)
        return self


class NetworkRule(Narrowing):
    """Sockets, by address, port, protocol, family, or the name of a unix socket."""

    operations: _operations(Class.NETWORK) = _wanted(Class.NETWORK)  # type: ignore[valid-type]
    to: list[Cidr] = listed(LIST_MAX, "Peers (connect, send, accept) or own addresses (bind, listen); left out: any.")
    ports: list[Ports] = listed(
        SHORT_LIST_MAX, "The peer's ports (connect, send) or own ones (bind, listen, accept); left out: any."
    )
    protocols: list[Protocol] = listed(SHORT_LIST_MAX, "Protocols; left out: any.")
    families: list[Family] = listed(SHORT_LIST_MAX, "Address families of the socket; left out: any.")
    unix: list[SocketGlob] = listed(LIST_MAX, "Names of unix sockets; left out: any socket.")

    @model_validator(mode="after")
    def _sense(self) -> "NetworkRule":
        given = [name for name in ("to", "ports", "protocols") if getattr(self, name)]
        if self.unix:
            _refuse("unix sockets have no {}", given, "write a rule for each kind of socket")
        if self.families and ((self.unix and UNIX not in self.families) or (given and set(self.families) == {UNIX})):
            found = "`unix`" if self.unix else " and ".join(f"`{name}`" for name in given)
            raise refusal("no-sense", f"no socket of these `families` has {found}", "leave one of them out")
        if "create" in self.operations:
            parts = [name for name in ("to", "ports", "unix") if getattr(self, name)]
            _refuse("a socket that is being made has no {} yet", parts, "give `create` a rule of its own")
        return self


class SyscallRule(Narrowing):
    """System calls, by name: recorded or answered by a kill, never refused."""

    names: list[Syscall] = some(SHORT_LIST_MAX, "Calls by one of these names, of the node's own architecture.")


class CapabilityRule(Narrowing):
    """Capabilities that are asked for while something is done."""

    names: list[Capability] = some(SHORT_LIST_MAX, "One of these capabilities.")


class DeviceRule(Narrowing):
    """Devices, by kind and number, whatever their name."""

    operations: _operations(Class.DEVICE) = _wanted(Class.DEVICE)  # type: ignore[valid-type]
    kinds: list[KindName] = listed(16, "Character or block devices; left out: both.")  # type: ignore[valid-type]
    numbers: list[DeviceNumber] = listed(SHORT_LIST_MAX, "Major and minor numbers; left out: any.")


class MountRule(Narrowing):
    """Changes to the tree of mounts."""

    operations: _operations(Class.MOUNT) = _wanted(Class.MOUNT)  # type: ignore[valid-type]
    sources: list[Glob] = listed(LIST_MAX, "What is mounted, bound or moved; left out: anything, and nothing.")
    targets: list[Glob] = listed(LIST_MAX, "Where: the mount point, or the new root; left out: anywhere.")
    types: list[FileSystem] = listed(SHORT_LIST_MAX, "Types of file system; left out: any, and binding.")

    @model_validator(mode="after")
    def _sense(self) -> "MountRule":
        for name in ("sources", "types"):
            without = [one for one in self.operations if name not in _MOUNT_PARTS[one]]
            if getattr(self, name):
                _refuse(f"{{}} has no `{name}` to match", without, f"give it a rule of its own, without `{name}`")
        return self


class NamespaceRule(Narrowing):
    """Making a namespace."""

    kinds: list[Namespace] = some(16, "One of these kinds.")


class PtraceRule(Narrowing):
    """Looking into, or controlling, another process."""

    operations: _operations(Class.PTRACE) = _wanted(Class.PTRACE)  # type: ignore[valid-type]
    target: Literal["outside", "any"] = Field(
        default="any", description="`outside`: only processes outside the policy's scope."
    )


class SignalRule(Narrowing):
    """Signals to processes outside the scope; those inside are never asked about."""

    signals: list[Signal] = listed(SHORT_LIST_MAX, "One of these signals; left out: any.")
    operations: _operations(Class.SIGNAL) = _only(Class.SIGNAL)  # type: ignore[valid-type]


class BpfRule(Narrowing):
    """Use of bpf(2)."""

    operations: _operations(Class.BPF) = _wanted(Class.BPF)  # type: ignore[valid-type]


class ModuleRule(Narrowing):
    """Kernel modules."""

    operations: _operations(Class.MODULE) = _wanted(Class.MODULE)  # type: ignore[valid-type]


class CredentialRule(Narrowing):
    """Becoming another user or group."""

    operations: _operations(Class.CREDENTIAL) = _wanted(Class.CREDENTIAL)  # type: ignore[valid-type]
    ids: list[Id] = listed(SHORT_LIST_MAX, "Users (setuid) or groups (setgid) changed to; left out: any.")


class KeyringRule(Narrowing):
    """Keys and keyrings of the kernel."""

    operations: _operations(Class.KEYRING) = _wanted(Class.KEYRING)  # type: ignore[valid-type]


class IoUringRule(Narrowing):
    """Rings of io_uring; what is done through one is decided by the other classes."""

    operations: _operations(Class.IO_URING) = _wanted(Class.IO_URING)  # type: ignore[valid-type]


class OfOneClass(Strict):
    """What has one of the classes as a field."""

    file: FileRule = optional("Files, by name and type.")
    exec: ExecRule = optional("Running programs, by name.")
    network: NetworkRule = optional("Sockets, by address, port, protocol, family or name.")
    syscall: SyscallRule = optional("Calling the kernel, by name; never refused.")
    capability: CapabilityRule = optional("Using a capability.")
    device: DeviceRule = optional("Opening and making devices, by number.")
    mount: MountRule = optional("Changing the tree of mounts.")
    namespace: NamespaceRule = optional("Making a namespace.")
    ptrace: PtraceRule = optional("Looking into, or controlling, another process.")
    signal: SignalRule = optional("Sending a signal out of the scope.")
    bpf: BpfRule = optional("Using bpf(2).")
    module: ModuleRule = optional("Loading kernel modules.")
    credential: CredentialRule = optional("Becoming another user or group.")
    keyring: KeyringRule = optional("Using keys of the kernel.")
    ioUring: IoUringRule = optional("Using io_uring.")

    def classes(self) -> list[Class]:
        """Those that are there, in their order."""
        return [class_ for class_ in Class if class_ in self.model_fields_set]
