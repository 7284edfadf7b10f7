"""
What a policy is: frozen values, no behaviour beyond what follows from them.

Numbers of effects and operations are those of `bpf/include/abi.h`; a test compares them.
"""

import errno
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Action(StrEnum):
    """What a rule asks for."""

    ALLOW = "allow"
    AUDIT = "audit"
    DENY = "deny"
    KILL = "kill"


class Mode(StrEnum):
    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"


class FailMode(StrEnum):
    """What becomes of a request that cannot be decided."""

    CLOSED = "closed"
    OPEN = "open"


class Level(StrEnum):
    """The least that a node must do with a policy to accept it."""

    ENFORCED = "enforced"
    OBSERVED = "observed"


class Class(StrEnum):
    """What kind of thing a rule is about."""

    FILE = "file"
    EXEC = "exec"
    NETWORK = "network"
    SYSCALL = "syscall"
    CAPABILITY = "capability"
    DEVICE = "device"
    MOUNT = "mount"
    NAMESPACE = "namespace"
    PTRACE = "ptrace"
    SIGNAL = "signal"
    BPF = "bpf"
    MODULE = "module"
    CREDENTIAL = "credential"
    KEYRING = "keyring"
    IO_URING = "ioUring"

    @property
    def number(self) -> int:
        """The class's number in the kernel (1-based)."""
        return list(Class).index(self) + 1


class Effect(IntEnum):
    """What a decision amounts to after its policy's mode; the greatest of a profile wins."""

    ALLOW = 0
    AUDIT = 1
    WOULD_DENY = 2
    DENY = 3
    KILL = 4

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


#: Operations of each class; the position is the bit in a request's mask and the column in a decision row.
OPERATIONS: dict[Class, tuple[str, ...]] = {
    Class.FILE: ("read", "write", "create", "delete", "rename", "link", "attr", "truncate", "mapExec"),
    Class.EXEC: ("exec",),
    Class.NETWORK: ("connect", "bind", "listen", "accept", "send", "create"),
    Class.SYSCALL: ("call",),
    Class.CAPABILITY: ("use",),
    Class.DEVICE: ("read", "write", "create"),
    Class.MOUNT: ("mount", "umount", "move", "pivot"),
    Class.NAMESPACE: ("create",),
    Class.PTRACE: ("attach", "read"),
    Class.SIGNAL: ("send",),
    Class.BPF: ("load", "map", "attach", "use"),
    Class.MODULE: ("load", "request"),
    Class.CREDENTIAL: ("setuid", "setgid"),
    Class.KEYRING: ("create", "view", "read", "write", "search", "link", "setattr"),
    Class.IO_URING: ("create", "poll", "credentials", "command"),
}

#: What a class default does not reach: only a rule that names it decides it.
WITHOUT_DEFAULT: frozenset[tuple[Class, str]] = frozenset({(Class.NETWORK, "create")})


class FileType(IntEnum):
    """What kind of file an object is; symlinks themselves are never opened, only made, removed and renamed."""

    REGULAR = 0
    DIRECTORY = 1
    DEVICE = 2
    SOCKET = 3
    FIFO = 4
    SYMLINK = 5

    def __str__(self) -> str:
        return self.name.lower()


class DeviceKind(IntEnum):
    CHAR = 0
    BLOCK = 1

    def __str__(self) -> str:
        return self.name.lower()


class Errno(StrEnum):
    """What a refused operation may answer; others would lie about what happened in a way programs act on."""

    EPERM = "EPERM"
    EACCES = "EACCES"
    ENOENT = "ENOENT"
    EROFS = "EROFS"
    ECONNREFUSED = "ECONNREFUSED"
    ENETUNREACH = "ENETUNREACH"
    EHOSTUNREACH = "EHOSTUNREACH"

    @property
    def number(self) -> int:
        return int(getattr(errno, self.name))


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in a policy file; line and column are 1-based."""

    file: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class CgroupScope:
    """Cgroups whose path, from the root of the cgroup tree, matches a glob; what is below them is in scope too."""

    pattern: str


@dataclass(frozen=True, slots=True)
class UnitScope:
    """The cgroup of a systemd unit, by its name."""

    unit: str


@dataclass(frozen=True, slots=True)
class HostScope:
    """Every process of the machine."""


Scope = CgroupScope | UnitScope | HostScope


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Who acts. A request matches if every part that is given matches; `not_*` parts must not match.

    Attributes:
        exe: Globs of the executable's path.
        user: Effective user ids; numbers inside the subject's user namespace, or names that the node resolves at push.
        group: Effective group ids, likewise.
        parent: Globs of the executable of the process that forked this one.
        ancestor: Globs; the executable of the parent, or of its parent and so on, matches one of them.
    """

    exe: tuple[str, ...] = ()
    user: tuple[int | str, ...] = ()
    group: tuple[int | str, ...] = ()
    parent: tuple[str, ...] = ()
    ancestor: tuple[str, ...] = ()
    not_exe: tuple[str, ...] = ()
    not_user: tuple[int | str, ...] = ()
    not_group: tuple[int | str, ...] = ()
    not_parent: tuple[str, ...] = ()
    not_ancestor: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSelector:
    """
    Attributes:
        paths: Globs; empty: any name, also none.
        types: Kinds of file; empty: any.
        fileless: Only what has no name: memfd, O_TMPFILE, deleted. `paths` is empty then.
    """

    paths: tuple[str, ...]
    operations: tuple[str, ...]
    types: tuple[FileType, ...] = ()
    fileless: bool = False


@dataclass(frozen=True, slots=True)
class ExecSelector:
    """
    Attributes:
        paths: Globs. Empty exactly if `fileless`.
        fileless: Programs without a name: memfd, O_TMPFILE, deleted.
    """

    paths: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("exec",)
    fileless: bool = False


@dataclass(frozen=True, slots=True)
class NetworkSelector:
    """
    Attributes:
        to: CIDRs in canonical text; empty: any. The peer for connect, send and accept, the own address for bind and
            listen.
        ports: Inclusive (first, last) pairs; empty: any port. The peer's for connect and send, the own one for bind,
            listen and accept.
        protocols: IP protocol numbers; empty: any.
        families: Address families of the socket (`policy.model.names.FAMILIES`); empty: any.
        unix: Globs of the names of unix sockets, empty: any. A path, or `@` and an abstract name.
    """

    to: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    protocols: tuple[int, ...] = ()
    operations: tuple[str, ...] = ("connect",)
    families: tuple[int, ...] = ()
    unix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyscallSelector:
    names: tuple[str, ...]
    operations: tuple[str, ...] = ("call",)


@dataclass(frozen=True, slots=True)
class CapabilitySelector:
    """
    Attributes:
        names: Without `CAP_`, lower case; `policy.model.names.CAPABILITIES` has their numbers.
    """

    names: tuple[str, ...]
    operations: tuple[str, ...] = ("use",)


@dataclass(frozen=True, slots=True)
class DeviceSelector:
    """
    Attributes:
        kinds: Empty: both.
        numbers: (major, minor); a minor of None is any. Empty: any device.
    """

    operations: tuple[str, ...]
    kinds: tuple[DeviceKind, ...] = ()
    numbers: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class MountSelector:
    """
    Attributes:
        sources: Globs of the path that is mounted, bound or moved; empty: any, also none.
        targets: Globs of where it is mounted, moved to or unmounted from; pivot: the new root. Empty: any.
        types: Names of file system types; empty: any, also none.
    """

    operations: tuple[str, ...]
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamespaceSelector:
    """
    Attributes:
        kinds: Of `policy.model.names.NAMESPACES`; only those that a hook can refuse.
    """

    kinds: tuple[str, ...]
    operations: tuple[str, ...] = ("create",)


@dataclass(frozen=True, slots=True)
class PtraceSelector:
    """
    Attributes:
        outside: Only processes outside the subject's scope; else any.
    """

    operations: tuple[str, ...]
    outside: bool = False


@dataclass(frozen=True, slots=True)
class SignalSelector:
    """
    Signals to processes outside the subject's scope; others are not asked about.

    Attributes:
        signals: Numbers; empty: any.
    """

    signals: tuple[int, ...] = ()
    operations: tuple[str, ...] = ("send",)


@dataclass(frozen=True, slots=True)
class BpfSelector:
    """`load` programs, make a `map`, `attach` either, or `use` what is there (every other command)."""

    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleSelector:
    """`load` a module, or make the kernel `request` one."""

    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CredentialSelector:
    """
    Attributes:
        ids: Users (setuid) or groups (setgid) changed to, inside the subject's user namespace; empty: any.
    """

    operations: tuple[str, ...]
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyringSelector:
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IoUringSelector:
    """`create` a ring, one with a kernel thread that `poll`s, use other `credentials`, pass a `command` on."""

    operations: tuple[str, ...]


Selector = (
    FileSelector
    | ExecSelector
    | NetworkSelector
    | SyscallSelector
    | CapabilitySelector
    | DeviceSelector
    | MountSelector
    | NamespaceSelector
    | PtraceSelector
    | SignalSelector
    | BpfSelector
    | ModuleSelector
    | CredentialSelector
    | KeyringSelector
    | IoUringSelector
)


@dataclass(frozen=True, slots=True)
class Control:
    """A requirement of a compliance framework that a rule helps to meet."""

    framework: str
    version: str
    id: str


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Attributes:
        errno: What a refusal answers.
        tags: Free words; those of MITRE ATT&CK are written `T1059.004`.
        within: Matches only what this rule matches too; made from waivers, never written.
        until: Unix seconds from which on it matches nothing; None: for ever. Made from waivers.
    """

    id: str
    selector: Selector
    action: Action
    subject: Subject | None = None
    severity: str = "medium"
    message: str = ""
    controls: tuple[Control, ...] = ()
    errno: Errno = Errno.EPERM
    tags: tuple[str, ...] = ()
    within: "Rule | None" = None
    until: int | None = None
    position: Position = field(default=Position(), compare=False)

    @property
    def class_(self) -> Class:
        return CLASS_OF[type(self.selector)]


CLASS_OF: dict[type, Class] = {
    FileSelector: Class.FILE,
    ExecSelector: Class.EXEC,
    NetworkSelector: Class.NETWORK,
    SyscallSelector: Class.SYSCALL,
    CapabilitySelector: Class.CAPABILITY,
    DeviceSelector: Class.DEVICE,
    MountSelector: Class.MOUNT,
    NamespaceSelector: Class.NAMESPACE,
    PtraceSelector: Class.PTRACE,
    SignalSelector: Class.SIGNAL,
    BpfSelector: Class.BPF,
    ModuleSelector: Class.MODULE,
    CredentialSelector: Class.CREDENTIAL,
    KeyringSelector: Class.KEYRING,
    IoUringSelector: Class.IO_URING,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A named list of rules with a scope and a mode.

    Attributes:
        defaults: Action for each class when no rule matches; a class left out is allowed.
    """

    name: str
    scope: tuple[Scope, ...]
    rules: tuple[Rule, ...]
    mode: Mode = Mode.ENFORCING
    fail_mode: FailMode = FailMode.CLOSED
    minimum_level: Level = Level.ENFORCED
    defaults: tuple[tuple[Class, Action], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    tags: tuple[str, ...] = ()
    position: Position = field(default=Position(), compare=False)

    def default(self, class_: Class) -> Action:
        return dict(self.defaults).get(class_, Action.ALLOW)


@dataclass(frozen=True, slots=True)
class Waiver:
    """
    An exception with an end: what `rule` of `policy` would decide is allowed for these subjects and objects.

    Attributes:
        rule: A rule's id, or `default:CLASS`.
        selector: Of the rule's class; None: whatever the rule is about.
        until: Unix seconds.
    """

    name: str
    policy: str
    rule: str
    reason: str
    owner: str
    until: int
    ticket: str = ""
    subject: Subject | None = None
    selector: Selector | None = None
    position: Position = field(default=Position(), compare=False)


@dataclass(frozen=True, slots=True)
class Actor:
    """
    The subject of a request. None: it could not be told.

    Attributes:
        exe: Path of the executable as recorded when it was executed.
        parent: That of the parent's executable at the fork.
        ancestors: Those of all ancestors, the parent's among them.
    """

    exe: bytes | None
    user: int | None
    group: int | None
    parent: bytes | None = None
    ancestors: frozenset[bytes] | None = None


class Nameless:
    """The object is known to have no name: memfd, O_TMPFILE, unlinked. No pattern matches it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nameless)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class File:
    """
    Attributes:
        type: None: it could not be told.
    """

    name: "bytes | Nameless | None"
    type: FileType | None = FileType.REGULAR


@dataclass(frozen=True, slots=True)
class Peer:
    """
    The other end, or the own one (see `NetworkSelector`).

    Attributes:
        address: 16 bytes, IPv4 as ::ffff:a.b.c.d; None: a family other than IPv4 and IPv6, which no `to` matches.
        family: Address family of the socket.
    """

    address: bytes | None
    port: int
    protocol: int
    family: int = 2


@dataclass(frozen=True, slots=True)
class UnixPeer:
    """
    Attributes:
        name: A path, or `@` and the bytes of an abstract name. No `to` and no `ports` match it.
        protocol: Of the socket; 0 as a rule.
    """

    name: "bytes | Nameless | None"
    protocol: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    kind: DeviceKind
    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class Mount:
    """
    Attributes:
        source, target: Real names. Nameless: there is none (umount and pivot have no source). None: could not be told.
        type: The file system type's name; Nameless: none is asked for.
    """

    source: "bytes | Nameless | None"
    target: "bytes | Nameless | None"
    type: "bytes | Nameless | None"


@dataclass(frozen=True, slots=True)
class Process:
    """
    Attributes:
        outside: It is not in the subject's scope. None: could not be told.
    """

    outside: bool | None


@dataclass(frozen=True, slots=True)
class Number:
    """Of a system call, capability, namespace kind (its place in `NAMESPACES`), signal, user or group."""

    value: int


#: None: the object could not be told. Classes whose selectors say nothing of objects ask with None.
Object = File | Peer | UnixPeer | Device | Mount | Process | Number | bytes | Nameless | None


@dataclass(frozen=True, slots=True)
class Request:
    """
    One question to a profile.

    Attributes:
        operations: Those attempted at once; each is decided and the strictest counts.
        object: By class: file a File; exec the program's path; network a Peer or UnixPeer; device a Device; mount a
            Mount; ptrace a Process; syscall, capability, namespace, signal, credential a Number; others None.
        time: Unix seconds; matters to waivers alone.
    """

    class_: Class
    operations: tuple[str, ...]
    actor: Actor
    object: Object
    time: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What a profile makes of a request.

    Attributes:
        rule: (policy, rule) that decided; a class default is `default:CLASS`.
        error: True if the winning policy could not decide, and its fail mode spoke.
        also: Rules of other policies that would have denied, in the order of the profile.
        errno: What a refusal answers.
    """

    effect: Effect
    rule: tuple[str, str]
    error: bool = False
    also: tuple[tuple[str, str], ...] = ()
    errno: Errno = Errno.EPERM
