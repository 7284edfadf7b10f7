"""From settings to a node that works: programs, kernel, engine. Everything here happens before there are threads."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.daemon import lock, safety
from agent.daemon.compiling import CompilerProcess
from agent.daemon.engine import Engine, Neighbours
from agent.daemon.kernel import EnforcerKernel, Place, open_kernel
from agent.daemon.log import log
from agent.daemon.ports import NodeError
from agent.daemon.programs import Origin, find_or_compile
from agent.daemon.settings import Settings
from agent.daemon.store import Store
from agent.host.facts import HostFacts, gather
from agent.workloads.errors import CgroupError
from agent.workloads.follow import Follower
from agent.workloads.tree import find_mount
from policy.model.types import Decision, Policy, Request


@dataclass(frozen=True, slots=True)
class Wired:
    """
    A node whose kernel enforces what was enforced before.

    Attributes:
        lock: Descriptor that holds this node's lock.
    """

    kernel: EnforcerKernel
    engine: Engine
    follower: Follower
    facts: HostFacts
    cgroup_mount: Path
    lock: int


def wire(settings: Settings, compiler: CompilerProcess, *, compile_programs: bool = True) -> Wired:
    """
    Open or install the programs, and bring the engine and the kernel together.

    Args:
        compile_programs: False: use cached programs only, as at boot, when the compiler may not be there yet.

    Raises:
        NodeError: This node cannot enforce anything, or another agent is running.
    """
    began = time.monotonic()
    held = lock.acquire(settings.socket.with_suffix(".lock"))
    facts = gather()
    mount = cgroup_mount(settings)
    programs, cached = find_or_compile(Origin.here(), settings.cache, compile_too=compile_programs)
    kernel = open_kernel(programs, Place(settings.pins, mount), facts, settings.mode)
    kernel.exempt_self()
    if facts.gate_at_boot and not kernel.adopted:
        kernel.open_gate()  # once a boot: whoever closes it later means it
        log().warning("gate_open_at_boot", reason="ringfence=off on the kernel command line")
    follower = Follower(mount)
    engine = Engine(_neighbours(settings, kernel, follower, compiler))
    engine.start()
    seconds = round(time.monotonic() - began, 3)
    log().info(
        "started",
        mode=kernel.mode,
        adopted=kernel.adopted,
        generation=engine.snapshot.generation,
        cached_programs=cached,
        seconds=seconds,
    )
    for note in engine.notes:
        log().warning("note", text=note)
    return Wired(kernel, engine, follower, facts, mount, held)


def cgroup_mount(settings: Settings) -> Path:
    """Where cgroup v2 is. Raises NodeError: nowhere."""
    try:
        return settings.cgroup_mount or find_mount()
    except CgroupError as error:
        hint = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
        raise NodeError(str(error), found=error.found, required=error.required, hint=hint) from error


def _neighbours(
    settings: Settings, kernel: EnforcerKernel, follower: Follower, compiler: CompilerProcess
) -> Neighbours:
    return Neighbours(
        kernel=kernel,
        follower=follower,
        sessions=compiler.session,
        store=Store(settings.state),
        glob=_glob,
        decide=_decide,
        needs=lambda: safety.needs(settings.state, settings.socket),
    )


def _glob(pattern: str, path: str) -> bool:
    from policy.reference import matches

    return matches(pattern, os.fsencode(path))


def _decide(policies: Sequence[Policy], request: Request) -> Decision:
    from policy.reference import decide

    return decide(policies, request)
