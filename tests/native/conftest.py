"""
Tests in the kernel that runs: as root, on cgroups and pins that each test makes and takes away. Network rules only,
attached to those cgroups: nothing here touches anything else on the machine.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.kernel.enforcer import Enforcer, uninstall
from agent.kernel.pins import ensure_mounted
from agent.workloads.tree import find_mount
from tests.support.compiled import compiled_programs
from tests.support.workers import Worker


@pytest.fixture(autouse=True)
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to load programs and make cgroups")


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[Path]:
    """A cgroup of the test's own; it and what was made below are gone afterwards."""
    path = find_mount() / f"ringfence-test-{os.getpid()}-{tmp_path.name}"
    path.mkdir()
    yield path
    for directory in sorted(path.rglob("*"), reverse=True):
        if directory.is_dir():
            directory.rmdir()
    path.rmdir()


@pytest.fixture
def worker(cgroup: Path) -> Iterator[Callable[[Path | None], Worker]]:
    """Start a worker, in a cgroup or outside; all have ended before their cgroups go."""
    started: list[Worker] = []

    def start(where: Path | None = None) -> Worker:
        started.append(Worker.start(where))
        return started[-1]

    yield start
    for found in started:
        found.stop()


@pytest.fixture
def pins() -> Iterator[Path]:
    """Where to pin; everything there is gone afterwards."""
    ensure_mounted()
    root = Path(f"/sys/fs/bpf/ringfence-test-{os.getpid()}")
    uninstall(root)
    yield root
    uninstall(root)
    with suppress(FileNotFoundError):
        shutil.rmtree(root)


@pytest.fixture
def enforcer(pins: Path) -> Iterator[Enforcer]:
    """Programs installed, nothing live."""
    found = Enforcer.open_or_install(compiled_programs(), pins, "cgroup")
    yield found
    found.close()
