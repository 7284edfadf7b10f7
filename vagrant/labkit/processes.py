"""Children that cannot outlive the lab."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def start(command: Sequence[str], pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    """
    Start a child in a session of its own (Ctrl-C reaches the lab alone), which the kernel kills if the lab dies.

    Its standard output is closed, its standard error a pipe, and no descriptor but those named is passed on.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before prctl
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  (the lab has one thread)
    )


def end(process: subprocess.Popen[bytes]) -> str:
    """Kill a child, wait for it, and return what it said on standard error; nothing if that was done before."""
    if process.returncode is not None and process.stderr is not None and process.stderr.closed:
        return ""
    process.kill()
    _, said = process.communicate()
    return said.decode(errors="replace").strip()
