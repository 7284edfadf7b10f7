"""What `agentctl doctor` says about the machine: one check a fact, with what to do where it is not as it should be."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.host.facts import BPFFS, BTF_FILE, LSM_FILE, HostFacts

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """
    Attributes:
        result: "ok", "warn" (works, with less) or "fail" (something cannot be enforced).
        found: The fact itself.
        hint: What to do; "" if nothing.
    """

    name: str
    result: str
    found: str
    hint: str = ""


def checks(facts: HostFacts) -> list[Check]:
    """All checks, in the order a person would go through them."""
    return [*_programs(facts), *_compiler(facts), *_cgroups(facts), *_gate(facts)]


def _programs(facts: HostFacts) -> Iterator[Check]:
    if facts.lsms is None:
        hint = "mount securityfs at /sys/kernel/security to see the list; the probes below tell what really loads"
        yield Check("lsm", WARN, f"{LSM_FILE} cannot be read", hint)
    elif "bpf" in facts.lsms:
        yield Check("lsm", OK, ",".join(facts.lsms))
    else:
        told = ",".join(facts.lsms)
        yield Check("lsm", FAIL, told, f"add `bpf` to the kernel's list: `lsm={told},bpf` on its command line")
    locked = facts.lockdown == "confidentiality"
    hint = "programs may not read kernel memory under confidentiality: boot with `lockdown=integrity`" if locked else ""
    yield Check("lockdown", FAIL if locked else OK, facts.lockdown or "not active", hint)
    if facts.bpffs:
        yield Check("bpffs", OK, BPFFS)
    else:
        yield Check("bpffs", WARN, f"nothing is mounted at {BPFFS}", f"the agent mounts it: mount -t bpf bpf {BPFFS}")
    if facts.ftrace_enabled is False:
        hint = "every LSM program is switched off by this: sysctl kernel.ftrace_enabled=1"
        yield Check("ftrace", FAIL, "kernel.ftrace_enabled=0", hint)
    full = facts.preemption == "full"
    yield Check("preemption", OK, (facts.preemption or "unknown") + (" (scratch memory is claimed)" if full else ""))


def _compiler(facts: HostFacts) -> Iterator[Check]:
    if facts.btf_bytes:
        yield Check("btf", OK, f"{BTF_FILE}, {facts.btf_bytes >> 10} KiB")
    else:
        yield Check("btf", FAIL, f"no {BTF_FILE}", "the kernel needs CONFIG_DEBUG_INFO_BTF")
    hint = "install `python3-bpfcc`, or bring cached programs made for this kernel"
    yield Check("bcc", OK if facts.bcc else WARN, facts.bcc or "not installed", "" if facts.bcc else hint)


def _cgroups(facts: HostFacts) -> Iterator[Check]:
    if facts.cgroup_mount is None:
        yield Check("cgroup", FAIL, "cgroup v2 is not mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    elif facts.cgroup_hybrid:
        hint = "containers that a runtime puts into version 1 cgroups only are not seen; prefer unified cgroups"
        yield Check("cgroup", WARN, f"hybrid, version 2 at {facts.cgroup_mount}", hint)
    else:
        yield Check("cgroup", OK, f"version 2 at {facts.cgroup_mount}")
    if facts.host_cgroup_namespace is False:
        hint = "run the agent in the host's cgroup namespace: scopes name cgroups from the host's root"
        yield Check("cgroup-namespace", FAIL, "not that of PID 1", hint)


def _gate(facts: HostFacts) -> Iterator[Check]:
    if facts.gate_at_boot:
        yield Check(
            "gate", WARN, "`ringfence=off` is on the kernel command line", "everything is allowed until it goes"
        )
