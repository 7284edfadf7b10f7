"""
The manual on `device`, `mount`, `bpf`, `module`, `keyring` and `ioUring`.
"""

from policy.language.manual.page import Case, Chapter, Operation

DEVICE = Chapter(
    about=(
        "Devices by kind and number, whatever name they have. A rule of class `file` decides the same opening by name; "
        "both are asked, and the stricter counts.",
    ),
    operations={
        "read": Operation(
            meaning="Opening a device for reading.",
            hooks=("file_open",),
            unseen=(
                "`ioctl`, and whatever else is done through an open descriptor.",
                "Other devices that hold the same bytes: a partition, a device mapper's target, a loop.",
            ),
            rule="device: {operations: [read, write], kinds: [block]}\naction: deny",
            cases=(
                Case('kind: block, number: "259:0"', "deny"),
                Case('kind: char, number: "1:3"', "allow"),
            ),
        ),
        "write": Operation(
            meaning="Opening a device for writing.",
            hooks=("file_open",),
            unseen=("`ioctl`, and whatever else is done through an open descriptor.",),
            rule='device: {operations: [write], kinds: [char], numbers: ["1:1", "1:2", "1:4"]}\naction: kill',
            cases=(
                Case('kind: char, number: "1:1"', "kill"),
                Case('kind: char, number: "1:3"', "allow"),
            ),
        ),
        "create": Operation(
            meaning="Making a device, under any name.",
            hooks=("path_mknod",),
            unseen=("Devices that the kernel makes, in devtmpfs.",),
            rule='device: {operations: [create], numbers: ["8:*"]}\naction: deny',
            cases=(
                Case('kind: block, number: "8:16"', "deny"),
                Case('kind: char, number: "1:8"', "allow"),
            ),
        ),
    },
)

_CLONED = "`open_tree` with `OPEN_TREE_CLONE` and `mount_setattr`, which have no hook; attaching the clone is a `move`."

MOUNT = Chapter(
    about=(
        "Changes to the tree of mounts. `sources` is what is mounted, bound or moved; `targets` the mount point, or "
        "the new root; `types` the type of file system, which binding and moving do not have. `umount` and `pivot` "
        "have no source.",
    ),
    operations={
        "mount": Operation(
            meaning="Mounting a file system, binding, remounting, changing propagation.",
            hooks=("sb_mount", "sb_remount", "sb_kern_mount"),
            unseen=(_CLONED,),
            rule="mount: {operations: [mount], types: [ext4, xfs, btrfs]}\naction: deny",
            cases=(
                Case("source: /dev/sda1, target: /mnt, type: ext4", "deny"),
                Case("target: /tmp, type: tmpfs", "allow"),
            ),
        ),
        "umount": Operation(
            meaning="Taking a mount away.",
            hooks=("sb_umount",),
            unseen=("Mounts that go with their namespace.",),
            rule="mount: {operations: [umount], targets: [/proc/**, /sys/**]}\naction: deny",
            cases=(Case("target: /proc/kcore", "deny"), Case("target: /mnt", "allow")),
        ),
        "move": Operation(
            meaning="Moving a mount, and attaching one that `open_tree` or `fsmount` made.",
            hooks=("move_mount", "sb_mount"),
            unseen=(_CLONED,),
            rule="mount: {operations: [move]}\naction: deny",
            cases=(Case("source: /mnt, target: /etc", "deny"),),
        ),
        "pivot": Operation(
            meaning="Making another mount the root.",
            hooks=("sb_pivotroot",),
            unseen=("`chroot`, which changes no mount: it needs the capability `sys_chroot`.",),
            rule="mount: {operations: [pivot]}\naction: kill",
            cases=(Case("target: /tmp/root", "kill"),),
        ),
    },
)

BPF = Chapter(
    about=("Uses of bpf(2). The agent's own are exempt.",),
    operations={
        "load": Operation(
            meaning="Loading a program, or type information.",
            hooks=("bpf",),
            unseen=("Classic filters of sockets and seccomp, which do not go through bpf(2).",),
            rule="bpf: {operations: [load]}\naction: deny",
            cases=(Case("", "deny"),),
        ),
        "map": Operation(
            meaning="Making a map.",
            hooks=("bpf",),
            unseen=("What is written to a map that was mapped into memory.",),
            rule="bpf: {operations: [map]}\naction: deny",
            cases=(Case("", "deny"),),
        ),
        "attach": Operation(
            meaning="Attaching a program, by `BPF_PROG_ATTACH`, `BPF_LINK_CREATE` or `BPF_RAW_TRACEPOINT_OPEN`.",
            hooks=("bpf",),
            unseen=("Attaching by other calls: `perf_event_open` and `ioctl`, netlink (tc, XDP), `setsockopt`.",),
            rule="bpf: {operations: [load, attach]}\naction: kill",
            cases=(Case("", "kill"),),
        ),
        "use": Operation(
            meaning="Every other command: reading and writing maps, finding objects by number or by pin, asking "
            "about them.",
            hooks=("bpf", "bpf_map", "bpf_prog"),
            unseen=("Opening a pin's directory, which is a `read` of class `file`.",),
            rule="bpf: {operations: [use]}\naction: audit",
            cases=(Case("", "audit"),),
        ),
    },
)

MODULE = Chapter(
    about=("Modules of the kernel.",),
    operations={
        "load": Operation(
            meaning="Loading a module, by `init_module` or `finit_module`.",
            hooks=("kernel_read_file", "kernel_load_data"),
            unseen=("Loading by `modprobe` that the kernel started: it is in no scope. Decide the `request`.",),
            rule="module: {operations: [load]}\naction: kill",
            cases=(Case("", "kill"),),
        ),
        "request": Operation(
            meaning="Making the kernel ask for a module: by a socket family, file system or device that is not "
            "there yet.",
            hooks=("kernel_module_request",),
            unseen=("Modules that are loaded already.",),
            rule="module: {operations: [request]}\naction: deny",
            cases=(Case("", "deny"),),
        ),
    },
)

_POSSESSED = "Use by the kernel itself: of keys that a file system or device mapper was given."


def _keyring(meaning: str, hook: str, name: str, *unseen: str) -> Operation:
    rule = f"keyring: {{operations: [{name}]}}\naction: deny"
    return Operation(meaning, (hook,), (*unseen, _POSSESSED), rule, (Case("", "deny"),))


KEYRING = Chapter(
    about=("Keys and keyrings that the kernel holds.",),
    operations={
        "create": _keyring("Making a key or keyring.", "key_alloc", "create"),
        "view": _keyring("Seeing a key's type, description and owner.", "key_permission", "view", "`/proc/keys`."),
        "read": _keyring("Reading a key's payload, or what a keyring links.", "key_permission", "read"),
        "write": _keyring("Changing a key's payload, or what a keyring links.", "key_permission", "write"),
        "search": _keyring("Finding a key in a keyring, or a keyring in another.", "key_permission", "search"),
        "link": _keyring("Linking a key to a keyring.", "key_permission", "link"),
        "setattr": _keyring("Changing a key's owner, rights or expiry.", "key_permission", "setattr"),
    },
)

IO_URING = Chapter(
    about=(
        "Rings of io_uring. What is done through a ring is decided by the other classes, in the name of whom it is "
        "done for; class `syscall` does not see it.",
    ),
    operations={
        "create": Operation(
            meaning="Making a ring.",
            hooks=("inode_init_security_anon",),
            unseen=("Rings that were made before the policy, or came from outside.",),
            rule="ioUring: {operations: [create]}\naction: deny",
            cases=(Case("", "deny"),),
        ),
        "poll": Operation(
            meaning="Making a ring with a kernel thread that polls it.",
            hooks=("uring_sqpoll",),
            unseen=("What the thread does: the other classes decide it.",),
            rule="ioUring: {operations: [poll]}\naction: deny",
            cases=(Case("", "deny"),),
        ),
        "credentials": Operation(
            meaning="Using credentials that were registered with the ring by somebody else.",
            hooks=("uring_override_creds",),
            unseen=("The registration.",),
            rule="ioUring: {operations: [credentials]}\naction: kill",
            cases=(Case("", "kill"),),
        ),
        "command": Operation(
            meaning="Passing a command to a device or file system (`IORING_OP_URING_CMD`).",
            hooks=("uring_cmd",),
            unseen=("What the command means.",),
            rule="ioUring: {operations: [command]}\naction: audit",
            cases=(Case("", "audit"),),
        ),
    },
)
