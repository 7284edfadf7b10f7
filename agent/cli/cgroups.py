"""
A cgroup for one command: made below agentctl's own, left empty and removed afterwards.

Just enough of cgroup v2 for `agentctl run`; the agent's knowledge of cgroups is not agentctl's to import.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.cli.exits import CliError, Exit
from agent.cli.problems import Problem

EMPTYING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cgroup:
    """
    Attributes:
        directory: Where it is in the file system.
        path: Its path from the root of the cgroup tree, as policies name it.
    """

    directory: Path
    path: str


def mount_point(mountinfo: str) -> Path | None:
    """Where cgroup v2 is mounted, from the text of /proc/self/mountinfo (see proc_pid_mountinfo(5))."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            return Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
    return None


def own_path(proc_cgroup: str) -> str:
    """Path of our own cgroup, from the text of /proc/self/cgroup; "/" if cgroup v2 is not used for us."""
    for line in proc_cgroup.splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return "/"


@contextmanager
def temporary(name: str) -> Iterator[Cgroup]:
    """
    A new cgroup below our own; what still runs in it at the end is killed.

    Raises:
        CliError: cgroup v2 is not mounted, or the cgroup cannot be made.
    """
    mount = mount_point(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    if mount is None:
        raise CliError(Exit.FAILED, Problem("cgroup v2 is not mounted", hint="`agentctl doctor` tells more"))
    parent = own_path(Path("/proc/self/cgroup").read_text(errors="surrogateescape"))
    cgroup = Cgroup(mount / parent.lstrip("/") / name, f"{parent.rstrip('/')}/{name}")
    try:
        cgroup.directory.mkdir()
    except OSError as error:
        message = f"cannot make the cgroup `{cgroup.directory}`: {error.strerror}"
        hint = "agentctl run needs root" if isinstance(error, PermissionError) else ""
        raise CliError(Exit.FAILED, Problem(message, hint=hint)) from error
    try:
        yield cgroup
    finally:
        _remove(cgroup.directory)


def _remove(directory: Path) -> None:
    """Kill what is left, then remove the tree, innermost first; a process may take a moment to die."""
    with suppress(OSError):
        (directory / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + EMPTYING_SECONDS
    while directory.exists():
        for inner, _, _ in os.walk(directory, topdown=False):
            with suppress(OSError):
                Path(inner).rmdir()
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)  # cgroup.events could be polled instead, for a wait that almost never happens
