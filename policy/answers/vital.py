"""
What no policy may refuse by mistake: what the agent, PID 1, logins and container runtimes need to go on working.

The names are those of a usual machine; the node's agent puts its own in their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.answers.findings import LOCKOUT, Finding, Severity, about
from policy.answers.points import decide
from policy.answers.scopes import applies
from policy.model.names import CAPABILITIES
from policy.model.types import (
    Actor,
    CgroupScope,
    Class,
    Effect,
    File,
    HostScope,
    Mount,
    Number,
    Object,
    Policy,
    Request,
    UnitScope,
)

INIT = ("/sbin/init", "/usr/lib/systemd/systemd")
LOGINS = ("/sbin/agetty", "/bin/login", "/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/bin/su", "/usr/bin/sudo")
SHELLS = ("/bin/sh", "/bin/bash")
HELPERS = ("/usr/lib/systemd/systemd-executor", "/usr/lib/systemd/systemd-logind", "/bin/systemctl", "/usr/bin/env")
INIT_FILES = ("/etc/fstab", "/etc/passwd")
LOGIN_FILES = (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/login.defs",
    "/etc/pam.d/login",
    "/etc/pam.d/sshd",
    "/etc/ssh/sshd_config",
    "/etc/profile",
    "/etc/ld.so.cache",
)

_VERBS = {"read": "reads", "write": "writes", "create": "creates"}
#: Where those run that are not everywhere: cgroup and unit.
_HOMES = {
    "PID 1": ("/init.scope", "init.scope"),
    "the agent": ("/system.slice/ringfence-agent.service", "ringfence-agent.service"),
    "the login path": ("/system.slice/ssh.service", "ssh.service"),
    "a root shell": ("/user.slice/user-0.slice/session-1.scope", "user-0.slice"),
    "containerd": ("/system.slice/containerd.service", "containerd.service"),
    "dockerd": ("/system.slice/docker.service", "docker.service"),
    "the kubelet": ("/system.slice/kubelet.service", "kubelet.service"),
}
_RUNTIMES = {
    "containerd": ("/usr/bin/containerd", ("/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc", "/usr/sbin/runc")),
    "dockerd": ("/usr/bin/dockerd", ("/usr/bin/docker-init", "/usr/bin/docker-proxy")),
    "the kubelet": ("/usr/bin/kubelet", ("/usr/bin/mount", "/usr/bin/umount")),
}


@dataclass(frozen=True, slots=True)
class Need:
    """
    One thing that must go on working.

    Attributes:
        what: In words: "PID 1 executes `/usr/sbin/agetty`".
        who: Whose need it is, in words.
    """

    what: str
    request: Request
    who: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """
    The names of one machine, as they really are.

    Attributes:
        agent: The executable that the agent runs in.
        agent_files: Enough of what the agent reads at start to notice a rule about it.
        units: Files that PID 1 reads to start logins.
    """

    agent: str
    state: str
    socket: str
    init: str = "/usr/lib/systemd/systemd"
    logins: tuple[str, ...] = ()
    shells: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    login_files: tuple[str, ...] = LOGIN_FILES
    agent_files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


USUAL = Names(
    agent="/usr/bin/python3.11",
    state="/var/lib/ringfence",
    socket="/run/ringfence/agent.sock",
    logins=("/usr/sbin/agetty", "/usr/bin/login", "/usr/sbin/sshd", "/usr/bin/su", "/usr/bin/sudo"),
    shells=("/usr/bin/dash", "/usr/bin/bash"),
    helpers=("/usr/lib/systemd/systemd-executor", "/usr/lib/systemd/systemd-logind", "/usr/bin/systemctl"),
    agent_files=("/usr/bin/python3.11", "/usr/lib/python3.11/os.py"),
    units=("/usr/lib/systemd/system/getty@.service",),
)


def needs(names: Names) -> list[Need]:
    """What must go on working on a machine, whatever is in its containers."""
    executed = (names.agent, *names.logins, *names.helpers, *names.shells)
    found = [_executes(names, "PID 1", names.init, path) for path in executed]
    found += [_file(names, "PID 1", names.init, path, "read") for path in (*INIT_FILES, *names.units)]
    found += [_file(names, "the agent", names.agent, path, "read") for path in names.agent_files]
    for operation in ("read", "write", "create"):
        found.append(_file(names, "the agent", names.agent, f"{names.state}/state.json", operation))
    found.append(_file(names, "the agent", names.agent, names.socket, "create"))
    for login in names.logins:
        found += [_file(names, "the login path", login, path, "read") for path in names.login_files]
        found += [_executes(names, "the login path", login, path) for path in (*names.logins, *names.shells)]
    for shell in names.shells:
        found += [_executes(names, "a root shell", shell, path) for path in (*names.shells, names.agent)]
        found.append(_file(names, "a root shell", shell, "/etc/profile", "read"))
    return found


def _privileges(names: Names) -> Iterator[Need]:
    """What PID 1 does beside reading and executing; the agent, once it runs, is not asked about."""
    tmpfs = Mount(b"tmpfs", b"/run/user/0", b"tmpfs")
    yield _need(names, "PID 1", "mounts `/run/user/0`", Class.MOUNT, "mount", names.init, tmpfs)
    yield _need(names, "PID 1", "signals services", Class.SIGNAL, "send", names.init, Number(15))


def _runtimes(names: Names) -> Iterator[Need]:
    for who, (exe, programs) in _RUNTIMES.items():
        yield from (_executes(names, who, exe, program) for program in programs)
        yield _file(names, who, exe, "/etc/resolv.conf", "read")
        use = Number(CAPABILITIES["sys_admin"])
        yield _need(names, who, "uses `sys_admin`", Class.CAPABILITY, "use", exe, use)
        overlay = Mount(b"overlay", b"/run/containers/rootfs", b"overlay")
        yield _need(names, who, "mounts a container's root", Class.MOUNT, "mount", exe, overlay)


def _executes(names: Names, who: str, exe: str, path: str) -> Need:
    return _need(names, who, f"executes `{path}`", Class.EXEC, "exec", exe, path.encode())


def _file(names: Names, who: str, exe: str, path: str, operation: str) -> Need:
    return _need(names, who, f"{_VERBS[operation]} `{path}`", Class.FILE, operation, exe, File(path.encode()))


def _need(names: Names, who: str, does: str, class_: Class, operation: str, exe: str, found: Object) -> Need:
    """Of root; started by PID 1, which nobody started."""
    init = names.init.encode()
    actor = Actor(init, 0, 0, ancestors=frozenset()) if exe == names.init else _child(exe, init)
    return Need(f"{who} {does}", Request(class_, (operation,), actor, found), who)


def _child(exe: str, init: bytes) -> Actor:
    return Actor(exe.encode(), 0, 0, init, frozenset([init]))


def lockouts(policy: Policy) -> Iterator[Finding]:
    """At most one finding for each of those whom a policy would refuse what they need."""
    seen: set[str] = set()
    for need in (*needs(USUAL), *_privileges(USUAL), *_runtimes(USUAL)):
        if need.who in seen or not _concerns(policy, need.who):
            continue
        decision = decide([policy], need.request)
        if decision.effect >= Effect.DENY:
            seen.add(need.who)
            rule = next((one for one in policy.rules if one.id == decision.rule[1]), None)
            by = "" if rule else f"the default of class `{need.request.class_}` "
            message = f"{by}refuses what {need.who} needs ({decision.effect}: {need.what})"
            yield about(LOCKOUT, _severity(policy, need.who), policy, rule, message)


def _severity(policy: Policy, who: str) -> Severity:
    """A push with host scope is refused for all but container runtimes."""
    of_host = any(isinstance(scope, HostScope) for scope in policy.scope)
    return Severity.ERROR if of_host and who not in _RUNTIMES else Severity.WARNING


def _concerns(policy: Policy, who: str) -> bool:
    """Whether a policy applies where somebody runs."""
    cgroup, unit = _HOMES[who]
    return applies(policy, CgroupScope(cgroup)) or applies(policy, UnitScope(unit))
