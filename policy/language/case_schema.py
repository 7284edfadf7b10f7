"""
The shape of tests of policies, as pydantic models: who acts, what they attempt, what is expected.
"""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from policy.language.diagnostic import quote
from policy.language.fields import (
    Account,
    Capability,
    ErrnoName,
    Family,
    FileSystem,
    Id,
    KindName,
    Name,
    Namespace,
    Protocol,
    Said,
    Signal,
    Syscall,
    Time,
    listed,
    optional,
    some,
)
from policy.language.refusals import Strict, refusal
from policy.language.vocabulary import API_VERSION
from policy.model.types import OPERATIONS, Class, FileType

Version = Literal[API_VERSION]  # type: ignore[valid-type]
CASES_MAX = 10_000
NAME_MAX = 4095
EXPECTED = ("allow", "audit", "deny", "kill", "would-deny", "undecided")


def _real_name(text: str) -> str:
    """A name as the kernel makes them, not a pattern."""
    if not text.startswith("/"):
        raise refusal("name", f"{quote(text)} does not begin with `/`", "names are whole, from the root")
    if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > NAME_MAX:
        raise refusal("name", f"no name has a NUL or more than {NAME_MAX:,} bytes")
    if text != "/" and any(part in ("", ".", "..") for part in text[1:].split("/")):
        hint = "no empty components, no `.`, no `..`, and no symlinks either"
        raise refusal("name", f"{quote(text)} is not the real name of anything", hint)
    return text


def _socket_name(text: str) -> str:
    return text if text.startswith("@") else _real_name(text)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as problem:
        raise refusal("address", f"{quote(text)} is not an address", "a request has one peer") from problem


def _device(text: object) -> object:
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,7})", text) if isinstance(text, str) else None
    if found is None:
        raise refusal("device", f"{quote(text)} is not the number of a device", 'write `"1:3"`')
    return int(found[1]), int(found[2])


RealName = Annotated[str, AfterValidator(_real_name)]
SocketName = Annotated[str, AfterValidator(_socket_name)]
Address = Annotated[str, AfterValidator(_address)]
FileTypeName = Literal[(*(str(one) for one in FileType), "unknown")]  # type: ignore[valid-type]
DeviceNumber = Annotated[tuple[int, int], BeforeValidator(_device, json_schema_input_type=str)]


def _attempted(class_: Class) -> Any:
    return list[Literal[OPERATIONS[class_]]]  # type: ignore[valid-type]


def _wanted() -> Any:
    return some(16, "What is attempted at once: each is decided, and the strictest counts.")


class _Object(Strict):
    """
    What is acted on: its parts, or that nobody can tell.

    A model names in `one_of` the fields of which exactly one says what it is.
    """

    unknown: Literal[True] = optional("It could not be told.")

    @model_validator(mode="after")
    def _told(self) -> "_Object":
        known = [name for name in _ONE_OF.get(type(self).__name__, ()) if getattr(self, name) is not None]
        wanted = " or ".join(f"`{name}`" for name in (*_ONE_OF.get(type(self).__name__, ()), "unknown"))
        if _ONE_OF.get(type(self).__name__) and len(known) + bool(self.unknown) != 1:
            raise refusal(
                "request", f"exactly one of {wanted} says what is acted on", "`unknown: true`: nobody can tell"
            )
        return self


#: The fields of a model of which exactly one says what is acted on.
_ONE_OF = {
    "FileRequest": ("path", "fileless"),
    "ExecRequest": ("path", "fileless"),
    "SyscallRequest": ("name",),
    "CapabilityRequest": ("name",),
    "DeviceRequest": ("number",),
    "NamespaceRequest": ("kind",),
    "PtraceRequest": ("target",),
    "SignalRequest": ("signal",),
    "CredentialRequest": ("id",),
}


class FileRequest(_Object):
    """A file, by its real name."""

    path: RealName = optional("Its name.")
    fileless: Literal[True] = optional("It has none.")
    type: FileTypeName = Field(default="regular", description="What kind of file it is.")  # type: ignore[valid-type]
    operations: _attempted(Class.FILE) = _wanted()  # type: ignore[valid-type]


class ExecRequest(_Object):
    """A program, by its real name."""

    path: RealName = optional("Its name.")
    fileless: Literal[True] = optional("It has none.")


class NetworkRequest(_Object):
    """A peer or an own address, or the name of a unix socket; only a family for a socket that has neither."""

    operations: _attempted(Class.NETWORK) = _wanted()  # type: ignore[valid-type]
    address: Address = optional("The peer's address (connect, send, accept), or the own one (bind, listen).")
    unix: SocketName = optional("The socket's path, or `@` and an abstract name.")
    port: int = Field(default=0, ge=0, le=65535, description="The peer's (connect, send) or the own one.")
    protocol: Protocol = Field(default=0, description="The protocol's name or number.")
    family: Family = optional("The socket's address family; left out: the address's.")

    @model_validator(mode="after")
    def _one(self) -> "NetworkRequest":
        told = [name for name in ("address", "unix", "unknown") if getattr(self, name) is not None]
        if len(told) > 1 or not (told or self.family is not None):
            raise refusal("request", "one of `address`, `unix`, `unknown`, or else a `family`, says which socket it is")
        return self


class SyscallRequest(_Object):
    """A system call."""

    name: Syscall = optional("Its name.")


class CapabilityRequest(_Object):
    """A capability."""

    name: Capability = optional("Its name.")


class DeviceRequest(_Object):
    """A device."""

    operations: _attempted(Class.DEVICE) = _wanted()  # type: ignore[valid-type]
    kind: KindName = Field(default="char", description="What kind of device.")  # type: ignore[valid-type]
    number: DeviceNumber = optional("`major:minor`.")


class MountRequest(_Object):
    """A change of the tree of mounts."""

    operations: _attempted(Class.MOUNT) = _wanted()  # type: ignore[valid-type]
    source: RealName = optional("What is mounted; left out: nothing that has a name.")
    target: RealName = optional("Where; left out: nowhere that has a name.")
    type: FileSystem = optional("The type of file system; left out: none is asked for.")


class NamespaceRequest(_Object):
    """A namespace that is made."""

    kind: Namespace = optional("Its kind.")


class PtraceRequest(_Object):
    """Another process."""

    operations: _attempted(Class.PTRACE) = _wanted()  # type: ignore[valid-type]
    target: Literal["outside", "inside"] = optional("Whether it is in the scope.")


class SignalRequest(_Object):
    """A signal to a process outside the scope."""

    signal: Signal = optional("Its name without `SIG`, or its number.")


class BpfRequest(Strict):
    """A use of bpf(2)."""

    operations: _attempted(Class.BPF) = _wanted()  # type: ignore[valid-type]


class ModuleRequest(Strict):
    """A kernel module."""

    operations: _attempted(Class.MODULE) = _wanted()  # type: ignore[valid-type]


class CredentialRequest(_Object):
    """Becoming another user or group."""

    operations: _attempted(Class.CREDENTIAL) = _wanted()  # type: ignore[valid-type]
    id: Id = optional("The user's or group's number.")


class KeyringRequest(Strict):
    """A key."""

    operations: _attempted(Class.KEYRING) = _wanted()  # type: ignore[valid-type]


class IoUringRequest(Strict):
    """A ring of io_uring."""

    operations: _attempted(Class.IO_URING) = _wanted()  # type: ignore[valid-type]


class What(Strict):
    """What is attempted: exactly one of these."""

    file: FileRequest = optional("Something is done to a file.")
    exec: ExecRequest = optional("A program is run.")
    network: NetworkRequest = optional("Something is done with a socket.")
    syscall: SyscallRequest = optional("The kernel is called.")
    capability: CapabilityRequest = optional("A capability is used.")
    device: DeviceRequest = optional("A device is opened or made.")
    mount: MountRequest = optional("The tree of mounts is changed.")
    namespace: NamespaceRequest = optional("A namespace is made.")
    ptrace: PtraceRequest = optional("Another process is looked into, or controlled.")
    signal: SignalRequest = optional("A signal is sent out of the scope.")
    bpf: BpfRequest = optional("bpf(2) is used.")
    module: ModuleRequest = optional("A kernel module is loaded or asked for.")
    credential: CredentialRequest = optional("Another user or group is become.")
    keyring: KeyringRequest = optional("A key is used.")
    ioUring: IoUringRequest = optional("io_uring is used.")

    @model_validator(mode="after")
    def _one(self) -> "What":
        found = [f"`{name}`" for name in Class if name in self.model_fields_set]
        if len(found) != 1:
            hint = "one of " + ", ".join(f"`{name}`" for name in Class)
            raise refusal("request", f"a request is of one class, found {' and '.join(found) or 'none'}", hint)
        return self

    def class_(self) -> Class:
        return next(class_ for class_ in Class if class_ in self.model_fields_set)


class Who(Strict):
    """Who acts. What is left out could not be told: a decision that depends on it is none."""

    exe: RealName = optional("The executable's name.")
    user: Account = optional("The effective user.")
    group: Account = optional("The effective group.")
    parent: RealName = optional("The executable of the process that made this one.")
    ancestors: Annotated[list[RealName], Field(max_length=1000)] = optional("Those of all ancestors.")


class CaseEntry(Strict):
    """One request, and what has to become of it."""

    name: Said = Field(description="What the case shows.")
    subject: Who = Field(default=Who(), description="Who acts.")
    request: What = Field(description="What is attempted.")
    time: Time = optional("When; matters to waivers.")
    expect: Literal[EXPECTED] = Field(description="What has to become of it.")  # type: ignore[valid-type]
    rule: Annotated[str, Field(max_length=80)] = optional("The rule that has to decide: its id, or `default:CLASS`.")
    policy: Name = optional("The policy that has to decide.")
    errno: ErrnoName = optional("What the refusal has to answer.")  # type: ignore[valid-type]


class PolicyTestSpec(Strict):
    """Which policies apply together, and the cases."""

    policies: list[Name] = listed(256, "Names of those that apply; left out: those of the same file, else all.")
    cases: list[CaseEntry] = some(CASES_MAX, "Requests, each with what has to become of it.")


class PolicyTestMetadata(Strict):
    """Which test it is."""

    name: Name = Field(description="What reports call it.")


class PolicyTestDocument(Strict):
    """A test: requests, and what policies have to make of them."""

    apiVersion: Version = Field(description="The version of the language.")
    kind: Literal["PolicyTest"] = Field(description="What the document is.")
    metadata: PolicyTestMetadata = Field(description="Which test it is.")
    spec: PolicyTestSpec = Field(description="What the test says.")
