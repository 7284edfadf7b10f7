"""One agent a node: whoever holds the lock may change what is in the kernel and on disk."""

import fcntl
import os
from pathlib import Path

from agent.daemon.ports import NodeError


def acquire(path: Path) -> int:
    """
    Take the lock; it is held until the process ends or the descriptor is closed.

    Raises:
        NodeError: Another agent holds it, or the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NodeError(f"cannot make `{path}`: {error.strerror}", hint="ringfence-agent needs root") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise NodeError("another ringfence-agent is running", found=f"process {holder or 'unknown'}") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
