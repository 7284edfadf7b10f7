"""
What a policy is: frozen values, no behaviour beyond what follows from them.

Numbers of effects and operations are those of `bpf/include/abi.h`; a test compares them.
"""

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
    Class.FILE: ("read", "write", "create"),
    Class.EXEC: ("exec",),
    Class.NETWORK: ("connect",),
    Class.SYSCALL: ("call",),
}


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
    """

    exe: tuple[str, ...] = ()
    user: tuple[int | str, ...] = ()
    group: tuple[int | str, ...] = ()
    not_exe: tuple[str, ...] = ()
    not_user: tuple[int | str, ...] = ()
    not_group: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSelector:
    paths: tuple[str, ...]
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExecSelector:
    paths: tuple[str, ...]
    operations: tuple[str, ...] = ("exec",)


@dataclass(frozen=True, slots=True)
class NetworkSelector:
    """
    Attributes:
        to: CIDRs in canonical text; empty: any peer.
        ports: Inclusive (first, last) pairs; empty: any port.
        protocols: IP protocol numbers; empty: any.
    """

    to: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    protocols: tuple[int, ...] = ()
    operations: tuple[str, ...] = ("connect",)


@dataclass(frozen=True, slots=True)
class SyscallSelector:
    names: tuple[str, ...]
    operations: tuple[str, ...] = ("call",)


Selector = FileSelector | ExecSelector | NetworkSelector | SyscallSelector


@dataclass(frozen=True, slots=True)
class Control:
    """A requirement of a compliance framework that a rule helps to meet."""

    framework: str
    version: str
    id: str


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    selector: Selector
    action: Action
    subject: Subject | None = None
    severity: str = "medium"
    message: str = ""
    controls: tuple[Control, ...] = ()
    position: Position = field(default=Position(), compare=False)

    @property
    def class_(self) -> Class:
        return CLASS_OF[type(self.selector)]


CLASS_OF: dict[type, Class] = {
    FileSelector: Class.FILE,
    ExecSelector: Class.EXEC,
    NetworkSelector: Class.NETWORK,
    SyscallSelector: Class.SYSCALL,
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
    position: Position = field(default=Position(), compare=False)

    def default(self, class_: Class) -> Action:
        return dict(self.defaults).get(class_, Action.ALLOW)


@dataclass(frozen=True, slots=True)
class Actor:
    """
    The subject of a request. None: it could not be told.

    Attributes:
        exe: Path of the executable as recorded when it was executed.
    """

    exe: bytes | None
    user: int | None
    group: int | None


class Nameless:
    """The object is known to have no name: memfd, O_TMPFILE, unlinked. No pattern matches it."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One question to a profile.

    Attributes:
        operations: Those attempted at once; each is decided and the strictest counts.
        object: File, exec: the path's bytes. Network: a Peer. Syscall: its number. None: it could not be told.
    """

    class_: Class
    operations: tuple[str, ...]
    actor: Actor
    object: "bytes | Nameless | Peer | int | None"


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Attributes:
        address: 16 bytes, IPv4 as ::ffff:a.b.c.d; None: a family other than IPv4 and IPv6, which no `to` matches.
    """

    address: bytes | None
    port: int
    protocol: int


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What a profile makes of a request.

    Attributes:
        rule: (policy, rule) that decided; a class default is `default:CLASS`.
        error: True if the winning policy could not decide, and its fail mode spoke.
        also: Rules of other policies that would have denied, in the order of the profile.
    """

    effect: Effect
    rule: tuple[str, str]
    error: bool = False
    also: tuple[tuple[str, str], ...] = ()
