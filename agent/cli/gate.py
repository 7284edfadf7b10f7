"""
`agentctl off` and `on`: the gate, which works without the daemon.

agentctl knows nothing of the kernel, so it becomes `ringfence-agent gate …`, which turns the pinned control.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from agent.cli.durations import seconds
from agent.cli.exits import CliError, Exit
from agent.cli.problems import Problem


def off(length: str) -> NoReturn:
    """Open the gate, for a length of time if one is given."""
    seconds(length, "--for")
    _become("gate", "open", *(["--for", length] if length else []))


def on() -> NoReturn:
    """Close the gate."""
    _become("gate", "close")


def agent_binary() -> str:
    """
    Path of `ringfence-agent`: beside agentctl, else in PATH.

    Raises:
        CliError: It is not installed.
    """
    beside = Path(sys.argv[0]).resolve().with_name("ringfence-agent")
    found = str(beside) if beside.exists() else shutil.which("ringfence-agent")
    if found is None:
        raise CliError(Exit.FAILED, Problem("`ringfence-agent` is not installed beside agentctl nor in PATH"))
    return found


def _become(*arguments: str) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    binary = agent_binary()
    os.execv(binary, [binary, *arguments])  # noqa: S606
