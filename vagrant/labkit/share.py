"""
A directory of this machine, offered to the guest by virtiofsd.

A share without `writable` is cloned into a read-only mount first, which belongs to no namespace and vanishes with its
last descriptor: whatever the guest's root does to the file system, the host's kernel refuses to write.
"""

import ctypes
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.processes import start

# The C daemon of QEMU 7 (Debian 12), then the Rust daemon that replaced it.
DAEMONS = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"), Path("/usr/lib/virtiofsd"))

AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE, O_CLOEXEC = -100, 0x1000, 0x8000, 1, 0o2000000
SYS_OPEN_TREE, SYS_MOUNT_SETATTR = 428, 442  # the same on every architecture
MOUNT_ATTR_RDONLY = 1


@dataclass(frozen=True, slots=True)
class Share:
    """
    What is shared.

    Attributes:
        tag: The name the guest mounts it by.
        directory: The directory, absolute.
        writable: Whether what the guest writes reaches this machine.
    """

    tag: str
    directory: Path
    writable: bool


def serve(share: Share) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """
    Start a daemon for a share; it ends when the socket's other end (QEMU) does.

    Returns:
        The daemon, and the connected vhost-user socket to hand to QEMU.

    Raises:
        LabError: There is no daemon, or the kernel refuses the read-only clone.
    """
    listener, client = _connected_pair()
    tree = os.open(share.directory, os.O_PATH) if share.writable else _read_only_clone(share.directory)
    try:
        # lstat() must see a directory there, hence the dot
        command = _command(f"/proc/self/fd/{tree}/.", listener.fileno())
        return start(command, pass_fds=(listener.fileno(), tree)), client
    finally:
        listener.close()
        os.close(tree)


def _command(source: str, listener: int) -> list[str]:
    daemon = next((path for path in DAEMONS if path.exists()), None)
    if daemon is None:
        raise LabError("virtiofsd is missing", "apt-get install qemu-system-common (Debian 12) or virtiofsd (later)")
    if daemon == DAEMONS[0]:
        options = ("cache=always", "sandbox=chroot", "xattr", "no_posix_lock", "log_level=err", f"source={source}")
        return [str(daemon), f"--fd={listener}", "-f", *(word for option in options for word in ("-o", option))]
    flags = ("--cache=always", "--sandbox=chroot", "--xattr", "--log-level=error", f"--shared-dir={source}")
    return [str(daemon), f"--fd={listener}", *flags]


def _connected_pair() -> tuple[socket.socket, socket.socket]:
    """A listening socket with one connection waiting, and that connection; no name is left in the file system."""
    listener, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory(prefix="lab.") as directory:  # mode 0700: nobody else connects
        listener.bind(f"{directory}/share")
        listener.listen(1)
        client.connect(f"{directory}/share")
    return listener, client


def _read_only_clone(directory: Path) -> int:
    """A descriptor of a detached, recursively read-only copy of the mounts at and below a directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC
    tree: int = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(directory), flags)
    if tree < 0:
        raise _refused("open_tree", directory)
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)  # struct mount_attr: set, clear, propagation, userns
    size = ctypes.sizeof(attributes)
    if libc.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH | AT_RECURSIVE, attributes, size) < 0:
        os.close(tree)
        raise _refused("mount_setattr", directory)
    return tree


def _refused(call: str, directory: Path) -> LabError:
    reason = os.strerror(ctypes.get_errno())
    return LabError(f"{call} of {directory}: {reason}", "the lab runs as root and needs a kernel of 5.12 or newer")
