"""
The Nth call to the kernel fails, for every N: what was live stays live, and nothing half-made is left.

In the kernel that runs, as root, with network rules on a cgroup of the test's own.
"""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.kernel.enforcer import Enforcer
from agent.kernel.syscall import BpfError, Kernel
from policy.model.types import Effect
from tests.native.conftest import as_root, cgroup, pins, worker
from tests.support.compiled import compiled_programs
from tests.support.handmade import network_ruleset
from tests.support.workers import Worker

__all__ = ["as_root", "cgroup", "pins", "worker"]

DENY, ALLOW = network_ruleset(Effect.DENY), network_ruleset(Effect.ALLOW)


class FailingKernel:
    """The kernel, but for the call of that number, counted from 1: it answers ENOMEM and does nothing."""

    def __init__(self) -> None:
        self._kernel, self._lock = Kernel(), threading.Lock()
        self.calls = self.fails_at = 0

    def arm(self, fails_at: int) -> None:
        self.calls, self.fails_at = 0, fails_at

    @property
    def failed(self) -> bool:
        return 0 < self.fails_at <= self.calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._kernel, name)

        def call(*arguments: Any) -> Any:
            with self._lock:
                self.calls += 1
                fails = self.calls == self.fails_at
            if fails:
                raise BpfError(name, "injected", errno.ENOMEM)
            return method(*arguments)

        return call


def _pinned(root: Path) -> list[Path]:
    return sorted(root.rglob("*")) if root.exists() else []


def _numbers(last: int = 400) -> Iterator[int]:
    yield from range(1, last)


def test_opening_leaves_nothing_half_made(pins: Path) -> None:
    """From nothing: either it is installed or no pin is there."""
    kernel = FailingKernel()
    for number in _numbers():
        kernel.arm(number)
        try:
            Enforcer.open_or_install(compiled_programs(), pins, "cgroup", bpf=kernel).close()
        except BpfError:
            assert kernel.failed
            assert _pinned(pins) == []
            continue
        break

    assert not kernel.failed
    assert number > 40


def test_installing_changes_nothing_or_everything(pins: Path, cgroup: Path, worker: Callable[..., Worker]) -> None:
    """The generation that was live refuses as before, no link is left over, and the next install works."""
    kernel = FailingKernel()
    enforcer = Enforcer.open_or_install(compiled_programs(), pins, "cgroup", bpf=kernel)
    other = cgroup / "other"
    other.mkdir()
    inside, beside = worker(cgroup), worker(other)
    scope, inner = cgroup.stat().st_ino, other.stat().st_ino
    enforcer.install(DENY, {inner: 0}, generation := 1)
    before, known = _pinned(pins), enforcer.generations()
    for number in _numbers():
        kernel.arm(number)
        try:
            enforcer.install(DENY, {scope: 0}, generation + 1)
        except BpfError:
            kernel.arm(0)
            assert enforcer.live().generation == generation
            assert (inside.connect(), beside.connect()) == (0, errno.EPERM)
            assert _pinned(pins) == before
            assert set(enforcer.generations()) <= set(known)
            continue
        failed = kernel.failed
        kernel.arm(0)
        assert (enforcer.live().generation, inside.connect()) == (generation + 1, errno.EPERM)
        if not failed:
            break
        generation += 2  # that call could be done without: begin again
        enforcer.install(DENY, {inner: 0}, generation)
        before, known = _pinned(pins), enforcer.generations()

    assert number > 60
    enforcer.close()


@pytest.mark.parametrize("operation", ["scope_set", "scope_remove"])
def test_changing_scopes_is_whole(pins: Path, cgroup: Path, worker: Callable[..., Worker], operation: str) -> None:
    """A scope is set or not: never attached to for nothing, never refused by half."""
    kernel = FailingKernel()
    enforcer = Enforcer.open_or_install(compiled_programs(), pins, "cgroup", bpf=kernel)
    inside, scope = worker(cgroup), cgroup.stat().st_ino
    enforcer.install(DENY, {} if operation == "scope_set" else {scope: 0}, 1)
    for number in _numbers():
        kernel.arm(number)
        try:
            enforcer.scope_set(scope, 0) if operation == "scope_set" else enforcer.scope_remove(scope)
        except BpfError:
            kernel.arm(0)
            assert (inside.connect() == errno.EPERM) == (scope in enforcer.scopes())
            continue
        break

    kernel.arm(0)
    assert number > 5
    assert (inside.connect() == errno.EPERM) == (operation == "scope_set")
    enforcer.close()


def test_rolling_back_is_whole(pins: Path, cgroup: Path, worker: Callable[..., Worker]) -> None:
    """One generation or the other, and what it says holds."""
    kernel = FailingKernel()
    enforcer = Enforcer.open_or_install(compiled_programs(), pins, "cgroup", bpf=kernel)
    inside, scope = worker(cgroup), cgroup.stat().st_ino
    enforcer.install(DENY, {scope: 0}, 1)
    enforcer.install(ALLOW, {scope: 0}, 2)
    for number in _numbers():
        kernel.arm(number)
        try:
            enforcer.rollback()
        except BpfError:
            kernel.arm(0)
            assert inside.connect() == (errno.EPERM if enforcer.live().generation == 1 else 0)
            if enforcer.live().generation == 1:
                break
            continue
        break

    kernel.arm(0)
    assert (enforcer.live().generation, inside.connect()) == (1, errno.EPERM)
    enforcer.close()
