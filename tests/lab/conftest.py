"""
These tests run as root in a guest of the lab: `tests/lab/run`, or `make test`.

What is marked `systemd` runs where systemd is PID 1, everything else where it is not, so each test runs in exactly one
of a kernel's two boots.
"""

from pathlib import Path

import pytest

IN_A_GUEST = Path("/run/lab/job").exists()


def pytest_report_header() -> list[str]:
    release = Path("/proc/sys/kernel/osrelease").read_text().strip()
    return [f"kernel {release}, LSMs {_lsms()}, PID 1 {_first_process()}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    if IN_A_GUEST:
        under_systemd = _first_process() == "systemd"
        elsewhere = [item for item in ours if (item.get_closest_marker("systemd") is not None) != under_systemd]
    else:
        elsewhere = ours
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def _lsms() -> str:
    try:
        return Path("/sys/kernel/security/lsm").read_text()
    except OSError:
        return "unknown"


def _first_process() -> str:
    return Path("/proc/1/comm").read_text().strip()
