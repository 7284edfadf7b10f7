"""
What the programs in the kernel decide: one table, from program to class and operation.

The check of a push, `doctor` and the reference of the language read it. A new hook adds its line here, and what it
decides is accepted; a test compares the table with the manifest of programs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from policy.model.types import OPERATIONS, Class

Mode = Literal["lsm", "cgroup"]
#: One thing that can be attempted.
Question = tuple[Class, str]

#: Every one there is, in the order of the model.
QUESTIONS: tuple[Question, ...] = tuple((class_, name) for class_ in Class for name in OPERATIONS[class_])


class Reach(StrEnum):
    """What this machine can do for a class or an operation."""

    ENFORCED = "enforced"
    OBSERVED = "observed"
    NONE = "none"


class Part(StrEnum):
    """A part of a rule that not every program can tell, or do."""

    EXE = "subject.exe"
    PARENT = "subject.parent"
    ANCESTOR = "subject.ancestor"
    TYPES = "file.types"
    UNIX = "network.unix"
    FAMILIES = "network.families other than inet and inet6"
    NETLINK = "network.families: netlink"
    PROTOCOLS = "network.protocols other than tcp and udp"
    ERRNO = "errno"
    KILL = "action: kill"


@dataclass(frozen=True, slots=True)
class Line:
    """
    What one program decides.

    Attributes:
        modes: Those it is attached in.
        lacks: Parts of rules that it cannot tell or do.
        reach: OBSERVED: it cannot refuse.
    """

    program: str
    modes: tuple[Mode, ...]
    class_: Class
    operations: tuple[str, ...]
    lacks: frozenset[Part] = frozenset()
    reach: Reach = Reach.ENFORCED


_LSM: tuple[Mode, ...] = ("lsm",)
_CGROUP: tuple[Mode, ...] = ("cgroup",)
#: Whose child a task is, and whose descendant, is not recorded yet.
_LSM_LACKS = frozenset({Part.PARENT, Part.ANCESTOR})
#: Hooks of cgroups know no task: no executable, no signal, and one answer, EPERM.
_BLIND = frozenset({Part.EXE, Part.PARENT, Part.ANCESTOR, Part.ERRNO, Part.KILL})
#: They see TCP and UDP over IPv4 and IPv6, and no other socket.
_TCP_UDP = frozenset({Part.UNIX, Part.FAMILIES, Part.PROTOCOLS})
#: Netlink sockets are decided when they are made, and at no other time.
_NO_NETLINK = frozenset({Part.NETLINK})


def _lsm(program: str, class_: Class, *operations: str, lacks: frozenset[Part] = frozenset()) -> Line:
    return Line(program, _LSM, class_, operations, _LSM_LACKS | lacks)


def _cgroup(program: str, operation: str) -> Line:
    return Line(program, _CGROUP, Class.NETWORK, (operation,), _BLIND | _TCP_UDP)


DECIDES: tuple[Line, ...] = (
    _lsm("lsm_file_open", Class.FILE, "read", "write", "truncate"),
    _lsm("lsm_path_truncate", Class.FILE, "write", "truncate"),
    _lsm("lsm_file_truncate", Class.FILE, "write", "truncate"),
    _lsm("lsm_path_chmod", Class.FILE, "attr"),
    _lsm("lsm_path_chown", Class.FILE, "attr"),
    _lsm("lsm_mmap_file", Class.FILE, "mapExec"),
    _lsm("lsm_file_mprotect", Class.FILE, "mapExec"),
    _lsm("lsm_path_mknod", Class.FILE, "create"),
    _lsm("lsm_path_mkdir", Class.FILE, "create"),
    _lsm("lsm_path_symlink", Class.FILE, "create"),
    _lsm("lsm_path_unlink", Class.FILE, "delete"),
    _lsm("lsm_path_rmdir", Class.FILE, "delete"),
    _lsm("lsm_bprm_check_security", Class.EXEC, "exec"),
    _lsm("lsm_socket_create", Class.NETWORK, "create"),
    _lsm("lsm_socket_bind", Class.NETWORK, "bind", lacks=_NO_NETLINK),
    _lsm("lsm_socket_listen", Class.NETWORK, "listen", lacks=_NO_NETLINK),
    _lsm("lsm_socket_connect", Class.NETWORK, "connect", lacks=_NO_NETLINK),
    _lsm("lsm_socket_sendmsg", Class.NETWORK, "connect", "send", lacks=_NO_NETLINK),
    _lsm("lsm_unix_stream_connect", Class.NETWORK, "connect"),
    _lsm("lsm_unix_may_send", Class.NETWORK, "connect", "send"),
    _lsm("lsm_unix_sendmsg", Class.NETWORK, "send"),
    _lsm("lsm_unix_bind", Class.NETWORK, "bind"),
    _lsm("lsm_unix_mknod", Class.NETWORK, "bind"),
    _lsm("lsm_unix_listen", Class.NETWORK, "listen"),
    _cgroup("cgroup_connect4", "connect"),
    _cgroup("cgroup_connect6", "connect"),
    _cgroup("cgroup_sendmsg4", "connect"),
    _cgroup("cgroup_sendmsg6", "connect"),
    _cgroup("cgroup_bind4", "bind"),
    _cgroup("cgroup_bind6", "bind"),
    Line("tp_sys_enter", _LSM, Class.SYSCALL, ("call",), _LSM_LACKS, Reach.OBSERVED),
    Line("tp_sys_enter", _CGROUP, Class.SYSCALL, ("call",), _BLIND - {Part.KILL}, Reach.OBSERVED),
)

#: Programs that decide nothing: they note what others decide by.
FACTS: tuple[str, ...] = ("lsm_bprm_committed_creds", "lsm_task_alloc", "tp_cgroup_attach_task", "iter_task")


@dataclass(frozen=True, slots=True)
class Cover:
    """
    Attributes:
        programs: Those that decide it, in the order of the table; all that it has.
        lacks: What one of them cannot tell or do.
    """

    reach: Reach
    programs: tuple[str, ...] = ()
    lacks: frozenset[Part] = frozenset()


def coverage(mode: Mode, absent: Collection[str] = ()) -> Mapping[Question, Cover]:
    """
    What each operation of each class reaches in a mode, if the programs that belong to it are attached.

    Args:
        absent: Programs whose hook this kernel lacks.
    """
    return MappingProxyType({question: _cover(question, mode, absent) for question in QUESTIONS})


def _cover(question: Question, mode: Mode, absent: Collection[str]) -> Cover:
    class_, operation = question
    lines = [
        line
        for line in DECIDES
        if line.class_ is class_ and operation in line.operations and mode in line.modes and line.program not in absent
    ]
    if not lines:
        return Cover(Reach.NONE)
    enforced = all(line.reach is Reach.ENFORCED for line in lines)
    return Cover(
        reach=Reach.ENFORCED if enforced else Reach.OBSERVED,
        programs=tuple(line.program for line in lines),
        lacks=frozenset().union(*(line.lacks for line in lines)),
    )
