"""What paths of cgroups say: units, containers, pods."""

import pytest

from agent.workloads.names import unit_of, workload_of

CONTAINER = "0123456789ab" + "c" * 52
POD = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/system.slice/_cpu.service", "cpu.service"),
        ("/system.slice/__x.service", "_x.service"),
        ("/init.scope", "init.scope"),
        ("/user.slice", "user.slice"),
        ("/", None),
        ("/nginx", None),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", None),
        ("/machine.slice/machine-x.scope/system.slice/nginx.service", None),
        ("/system.slice/nginx.service/nginx.service", None),
    ],
)
def test_unit_is_the_system_managers_alone(path: str, unit: str | None) -> None:
    """Nobody below the system manager can make a cgroup that passes for one of its units."""
    assert unit == unit_of(path)


@pytest.mark.parametrize(
    ("path", "workload"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/nginx.service/worker", "nginx.service"),
        (f"/system.slice/docker-{CONTAINER}.scope", "container 0123456789ab"),
        (f"/machine.slice/libpod-{CONTAINER}.scope/container", "container 0123456789ab"),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice", f"pod {POD}"),
        (f"/kubepods/pod{POD}/{CONTAINER}", "container 0123456789ab"),
        ("/user.slice/user-1000.slice/session-1.scope", "session-1.scope"),
        ("/user.slice", ""),
        ("/", ""),
    ],
)
def test_workload_is_the_innermost_that_people_know(path: str, workload: str) -> None:
    """Container before pod before unit; slices are nobody's workload."""
    assert workload == workload_of(path)
