"""
Numbers of the names that policies use, from the kernel's user-space headers; they never change.

System calls have a table of their own, an architecture apart: `policy.model.syscalls`.
"""

from types import MappingProxyType

#: Capabilities (linux/capability.h), by number.
_CAPABILITIES = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
"""
CAPABILITIES = MappingProxyType({name: number for number, name in enumerate(_CAPABILITIES.split())})

#: Signals (asm-generic/signal.h, x86 and arm alike), without `SIG`.
_SIGNALS = """
HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU
XFSZ VTALRM PROF WINCH IO PWR SYS
"""
SIGNALS = MappingProxyType({name: number for number, name in enumerate(_SIGNALS.split(), 1)})
SIGNAL_MAX = 64

#: Address families (linux/socket.h).
FAMILIES = MappingProxyType(
    {
        **{"unix": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "netrom": 6, "atmpvc": 8, "x25": 9, "inet6": 10},
        **{"rose": 11, "key": 15, "netlink": 16, "packet": 17, "rds": 21, "ppp": 24, "llc": 26, "infiniband": 27},
        **{"mpls": 28, "can": 29, "tipc": 30, "bluetooth": 31, "rxrpc": 33, "phonet": 35, "ieee802154": 36},
        **{"caif": 37, "alg": 38, "nfc": 39, "vsock": 40, "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45},
    }
)
FAMILY_NAMES = MappingProxyType({number: name for name, number in FAMILIES.items()})
UNIX = FAMILIES["unix"]

#: Kinds of namespace, and whether a hook sees each one made.
NAMESPACES = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time")
NAMESPACES_WITH_HOOK = frozenset({"user"})
