"""
The words of the language that are not fields: protocols, services that look like them, what later versions will know.

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

LATER_KINDS = frozenset({"Waiver", "Template"})
LATER_CLASSES = frozenset(
    {"capability", "device", "mount", "namespace", "ptrace", "signal"}
    | {"bpf", "module", "credential", "keyring", "ioUring"}
)
#: By the field that holds them.
LATER_FIELDS = MappingProxyType(
    {
        "metadata": frozenset({"owner", "tags"}),
        "spec": frozenset({"template", "parameters"}),
        "scope": frozenset({"container", "pod"}),
        "subject": frozenset({"parent", "ancestor"}),
        "not": frozenset({"parent", "ancestor"}),
        "rules": LATER_CLASSES | {"errno", "tags", "owner"},
        "defaults": LATER_CLASSES,
        "file": frozenset({"types"}),
        "exec": frozenset({"fileless"}),
        "network": frozenset({"families", "unix"}),
    }
)
LATER_OPERATIONS = MappingProxyType(
    {
        "file": frozenset(["delete", "rename", "link", "attr", "truncate", "mapExec"]),
        "network": frozenset(["bind", "listen", "accept", "send", "create"]),
    }
)

#: The class whose rules can refuse what a system call does; the kernel cannot refuse the call itself.
REFUSED_BY = MappingProxyType(
    {
        **dict.fromkeys(("execve", "execveat"), "exec"),
        **dict.fromkeys(("open", "openat", "openat2", "creat", "open_by_handle_at"), "file"),
        **dict.fromkeys(("connect", "sendto", "sendmsg", "sendmmsg"), "network"),
    }
)
