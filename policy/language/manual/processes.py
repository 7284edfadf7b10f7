"""
The manual on `syscall`, `capability`, `namespace`, `ptrace`, `signal` and `credential`.
"""

from policy.language.manual.page import Case, Chapter, Operation

SYSCALL = Chapter(
    about=(
        "System calls by name, as the node's own architecture numbers them. No program may refuse a call on these "
        "kernels: `audit` records it, `kill` ends the process that makes it, and `deny` is refused with the class "
        "that can deny what the call does. A default other than `allow` is refused too.",
        "While a live rule names a call, every call on the machine pays a little for it.",
    ),
    operations={
        "call": Operation(
            meaning="Making the call. A kill comes when the call returns: what it does may have happened.",
            hooks=("sys_enter",),
            unseen=(
                "Arguments, and what the call amounts to.",
                "What io_uring does without calls, and what seccomp refused before.",
                "The other ABI: a call of a 32-bit program is taken for the native one of that number.",
            ),
            rule="syscall: {names: [ptrace, kexec_load]}\naction: kill",
            cases=(Case("name: kexec_load", "kill"), Case("name: openat", "allow")),
        ),
    },
)

CAPABILITY = Chapter(
    about=(
        "Capabilities, when the kernel asks whether the process has one that it holds. Names are written without "
        "`CAP_`.",
    ),
    operations={
        "use": Operation(
            meaning="Being asked for a capability while something is done, in the initial or in another user "
            "namespace.",
            hooks=("capable",),
            unseen=(
                "What is done without being asked: the owner of a file needs no capability to read it.",
                "What the capability is used for. Where the kernel only looks (and would not audit), it is decided, "
                "but not counted.",
            ),
            rule="capability: {names: [sys_admin, sys_module, sys_ptrace]}\naction: deny",
            cases=(Case("name: sys_admin", "deny"), Case("name: net_bind_service", "allow")),
        ),
    },
)

NAMESPACE = Chapter(
    about=(
        "Making namespaces. A hook sees `user` alone; the other kinds are refused when a policy is read. They need "
        "`sys_admin`, which class `capability` can deny, or a user namespace first.",
    ),
    operations={
        "create": Operation(
            meaning="Making a user namespace, by `clone`, `clone3` or `unshare`.",
            hooks=("userns_create",),
            unseen=("Entering one that is there (`setns`).", "Every other kind: `unshare` has no hook for them."),
            rule="namespace: {kinds: [user]}\naction: deny",
            cases=(Case("kind: user", "deny"),),
        ),
    },
)

PTRACE = Chapter(
    about=("Other processes. With `target: outside` only those that are not in the policy's scope; left out, any.",),
    operations={
        "attach": Operation(
            meaning="Controlling a process or changing its memory: `PTRACE_ATTACH`, `PTRACE_TRACEME`, "
            "`process_vm_readv` and `process_vm_writev`, `/proc/PID/mem`, `pidfd_getfd`.",
            hooks=("ptrace_access_check", "ptrace_traceme"),
            unseen=("Threads of the same process.", "Tracing that began before the policy."),
            rule="ptrace: {operations: [attach], target: outside}\naction: kill",
            cases=(Case("target: outside", "kill"), Case("target: inside", "allow")),
        ),
        "read": Operation(
            meaning="Looking into a process: `/proc/PID/environ`, `maps`, `fd`, `exe` and their like, `kcmp`.",
            hooks=("ptrace_access_check",),
            unseen=(
                "What needs no such right: `cmdline`, `stat`, `status`. Class `file` decides their reading.",
                "`perf_event_open`.",
            ),
            rule="ptrace: {operations: [read]}\naction: audit",
            cases=(Case("target: inside", "audit"), Case("target: outside", "audit")),
        ),
    },
)

SIGNAL = Chapter(
    about=("Signals to processes outside the policy's scope; those inside are never asked about.",),
    operations={
        "send": Operation(
            meaning="Sending a signal, by number; 0 asks whether the process exists. Of a signal to many, each "
            "receiver is decided.",
            hooks=("task_kill",),
            unseen=(
                "Signals that the kernel sends: of a terminal, a timer, a broken pipe.",
                "Signals that user ids forbid anyway: these are refused before.",
            ),
            rule="signal: {signals: [KILL, TERM, STOP]}\naction: deny",
            cases=(Case("signal: KILL", "deny"), Case("signal: HUP", "allow")),
        ),
    },
)

CREDENTIAL = Chapter(
    about=("Becoming another user or group. `ids` are the numbers changed to, inside the subject's user namespace.",),
    operations={
        "setuid": Operation(
            meaning="Changing a user id: real, effective, saved or of the file system.",
            hooks=("task_fix_setuid",),
            unseen=("Programs with the set-user-ID bit: `exec` decides these.",),
            rule="credential: {operations: [setuid], ids: [0]}\naction: kill",
            cases=(Case("id: 0", "kill"), Case("id: 33", "allow")),
        ),
        "setgid": Operation(
            meaning="Changing a group id, or the supplementary groups: each of these is decided.",
            hooks=("task_fix_setgid", "task_fix_setgroups"),
            unseen=("Programs with the set-group-ID bit: `exec` decides these.",),
            rule="credential: {operations: [setgid], ids: [0, 42]}\naction: deny",
            cases=(Case("id: 42", "deny"), Case("id: 33", "allow")),
        ),
    },
)
