"""What a cgroup's path says about whose it is: systemd unit, container, pod."""

import re

_UNIT = re.compile(r"_?(.+\.(?:service|scope|slice|socket|mount|swap))")
_CONTAINER = re.compile(r"(?:(?:docker|libpod|crio|cri-containerd|containerd)[-:])?([0-9a-f]{64})(?:\.scope)?")
_POD = re.compile(r"(?:kubepods[-a-z]*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?")


def unit_of(path: str) -> str | None:
    """
    The unit of the system manager whose own cgroup this is; None: of none.

    systemd puts a unit at SLICE/…/UNIT, nothing but slices above it, and writes `_` before names that would clash with
    a file of cgroupfs (cg_escape). Below the cgroup of a unit other managers may make what they like (a user's
    manager, a container with a systemd of its own): names there are not the system's units.
    """
    *above, last = path.strip("/").split("/")
    if not all(component.endswith(".slice") for component in above):
        return None
    match = _UNIT.fullmatch(last)
    return match[1] if match else None


def workload_of(path: str) -> str:
    """
    What a person calls the workload in a cgroup: `container 0123456789ab`, `pod UID`, a unit's name, or "" if it is
    none.

    The innermost container wins, then the pod, then the unit of the system manager.
    """
    pod = unit = ""
    at = ""
    for component in path.strip("/").split("/"):
        at += f"/{component}"
        if match := _CONTAINER.fullmatch(component):
            return f"container {match[1][:12]}"
        if match := _POD.fullmatch(component):
            pod = f"pod {match[1].replace('_', '-')}"
        if (found := unit_of(at)) and not found.endswith(".slice"):
            unit = found
    return pod or unit
