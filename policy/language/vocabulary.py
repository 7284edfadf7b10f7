"""
The words of the language that are not fields: protocols, kinds of unit, and what later versions will know.

What is designed but not built is listed here, so that it is refused by its own name instead of as a misspelling.
"""

from types import MappingProxyType

API_VERSION = "ringfence.dev/v1"

SEVERITIES = ("info", "low", "medium", "high", "critical")

#: IP protocol numbers by the names the language uses.
PROTOCOLS = MappingProxyType({"icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "icmpv6": 58, "sctp": 132, "udplite": 136})
PROTOCOL_NAMES = MappingProxyType({number: name for name, number in PROTOCOLS.items()})

#: Kinds of systemd unit that have a cgroup.
UNIT_KINDS = ("service", "scope", "slice", "socket", "mount", "swap")

#: Fields that later versions will know, by the one that holds them.
LATER_FIELDS = MappingProxyType({"scope": frozenset({"container", "pod"})})

#: The class whose rules can refuse what a system call does; the kernel cannot refuse the call itself.
REFUSED_BY = MappingProxyType(
    {
        **dict.fromkeys(("execve", "execveat"), "exec"),
        **dict.fromkeys(("open", "openat", "openat2", "creat", "open_by_handle_at", "truncate", "ftruncate"), "file"),
        **dict.fromkeys(("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat"), "file"),
        **dict.fromkeys(("mkdir", "mkdirat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown"), "file"),
        **dict.fromkeys(("fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr"), "file"),
        **dict.fromkeys(("connect", "sendto", "sendmsg", "sendmmsg", "socket", "socketpair", "bind"), "network"),
        **dict.fromkeys(("listen", "accept", "accept4"), "network"),
        **dict.fromkeys(("mknod", "mknodat"), "device"),
        **dict.fromkeys(("mount", "umount", "umount2", "pivot_root", "move_mount", "fsmount"), "mount"),
        **dict.fromkeys(("clone", "clone3", "unshare"), "namespace"),
        **dict.fromkeys(("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"), "ptrace"),
        **dict.fromkeys(("kill", "tkill", "tgkill", "pidfd_send_signal"), "signal"),
        "bpf": "bpf",
        **dict.fromkeys(("init_module", "finit_module"), "module"),
        **dict.fromkeys(("setuid", "setreuid", "setresuid", "setfsuid"), "credential"),
        **dict.fromkeys(("setgid", "setregid", "setresgid", "setfsgid", "setgroups"), "credential"),
        **dict.fromkeys(("add_key", "request_key", "keyctl"), "keyring"),
        **dict.fromkeys(("io_uring_setup", "io_uring_enter", "io_uring_register"), "ioUring"),
        **dict.fromkeys(
            ("setns", "chroot", "reboot", "swapon", "swapoff", "sethostname", "settimeofday"), "capability"
        ),
        **dict.fromkeys(("clock_settime", "adjtimex", "iopl", "ioperm", "quotactl", "acct"), "capability"),
    }
)
