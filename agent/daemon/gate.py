"""
`ringfence-agent gate`: the way out that needs no daemon. It turns one word of a pinned map, and says so in the
system's log and in a file of its own.
"""

import json
import os
import pwd
import sys
import syslog
import time
from contextlib import suppress
from pathlib import Path

from agent.host.clocks import boot_ns
from agent.kernel.gate import FOREVER, Gate, NotInstalledError
from agent.kernel.syscall import BpfError

RECORD = "gate.log"
_FAILED, _NO = 1, 4


def turn(action: str, seconds: int | None, pins: Path, state: Path) -> int:
    """
    Open, close or show the gate.

    Args:
        action: "open", "close" or "show".
        seconds: How long it stays open; None: until it is closed.

    Returns:
        Exit status: 0 done; 1 it failed; 4 there is no gate, for nothing is installed.
    """
    try:
        gate = Gate.adopt(pins)
    except NotInstalledError:
        print("nothing is installed in this kernel: nothing is enforced", file=sys.stderr)
        return _NO
    except (BpfError, OSError) as error:
        print(f"error: cannot reach the gate: {error}\nhint: this needs root", file=sys.stderr)
        return _FAILED
    try:
        return _turn(gate, action, seconds, state)
    except BpfError as error:
        print(f"error: cannot turn the gate: {error}", file=sys.stderr)
        return _FAILED
    finally:
        gate.release()


def _turn(gate: Gate, action: str, seconds: int | None, state: Path) -> int:
    if action == "show":
        print(_describe(gate.open_until()))
        return 0
    if action == "open":
        gate.open(seconds)
    else:
        gate.close()
    _record(action, seconds, state)
    print(_describe(gate.open_until()))
    return 0


def _describe(until: int | None) -> str:
    if until is None:
        return "gate closed: policies are enforced"
    if until == FOREVER:
        return "gate OPEN: everything is allowed until `agentctl on`"
    return f"gate OPEN: everything is allowed for {max(0, until - boot_ns()) / 1e9:.0f} s more"


def _record(action: str, seconds: int | None, state: Path) -> None:
    """Say who did it, in the system's log and beside the agent's state; neither may stop it."""
    who = {"uid": os.getuid(), "login": _login(), "tty": _terminal(), "parent": _parent()}
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "gate": action, "seconds": seconds, **who}
    text = json.dumps(entry)
    syslog.openlog("ringfence-agent", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_WARNING, f"gate {action}: {text}")
    with suppress(OSError):
        descriptor = os.open(state / RECORD, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")


def _login() -> str:
    """Who logged in, whatever they became since (sudo, su)."""
    with suppress(OSError, ValueError, KeyError):
        number = int(Path("/proc/self/loginuid").read_text())
        return "" if number == 0xFFFFFFFF else pwd.getpwuid(number).pw_name
    return ""


def _terminal() -> str:
    with suppress(OSError):
        return os.ttyname(sys.stderr.fileno())
    return ""


def _parent() -> str:
    with suppress(OSError):
        return Path(f"/proc/{os.getppid()}/comm").read_text(errors="replace").strip()
    return ""
