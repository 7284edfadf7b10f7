"""`ringfence-agent uninstall`: take everything out of the kernel, and forget what was to be enforced."""

import shutil

from agent.daemon import lock
from agent.daemon.ports import NodeError
from agent.daemon.settings import Settings
from agent.daemon.store import State, Store, StoreError
from agent.kernel import enforcer
from agent.kernel.syscall import BpfError


def uninstall(settings: Settings, *, purge: bool = False, keep_policies: bool = False) -> None:
    """
    Remove programs, links and maps, then make sure that no agent installs them again by itself.

    Args:
        purge: Remove the state directory too, with violations that were not delivered.
        keep_policies: Leave the state as it is: as after a reboot, the next agent installs the last generation again.

    Raises:
        NodeError: An agent is running, or something stays.
    """
    lock.acquire(settings.socket.with_suffix(".lock"))
    try:
        enforcer.uninstall(settings.pins)
    except (BpfError, OSError) as error:
        raise NodeError(f"something stays in the kernel: {error}", hint="this needs root") from error
    if purge:
        shutil.rmtree(settings.state, ignore_errors=True)
        return
    if keep_policies:
        return
    try:
        store = Store(settings.state)
        store.write_state(State(0, max(store.numbers(), default=0)))
    except (StoreError, OSError) as error:
        raise NodeError(f"the policies cannot be forgotten: {error}") from error
