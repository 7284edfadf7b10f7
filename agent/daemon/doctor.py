"""`ringfence-agent doctor`: what this machine can do, found out without installing anything."""

from dataclasses import replace
from typing import Any

from agent.daemon import probe
from agent.daemon.kernel import lsm_reach, reaches_of
from agent.daemon.ports import ClassReach, Reach
from agent.daemon.settings import Settings
from agent.host import checks
from agent.host.facts import HostFacts, gather
from policy.model.types import Class


def examine(settings: Settings) -> dict[str, Any]:
    """The answer in the names of `ringfence.v1.DoctorResponse`."""
    facts = gather()
    reaches = _reaches(settings, facts)
    levels = [
        {"class": class_.value, "level": here.reach.value, "why": _why(here), "hint": here.hint}
        for class_, here in reaches.items()
    ]
    found = [
        {"name": check.name, "result": check.result, "found": check.found, "hint": check.hint}
        for check in checks.checks(facts)
    ]
    return {"kernel": facts.kernel, "levels": levels, "checks": found}


def _reaches(settings: Settings, facts: HostFacts) -> dict[Class, ClassReach]:
    """By the facts, then by trying; what cannot be tried for lack of privilege is taken from the facts, and says so."""
    lsm = lsm_reach(facts)
    if lsm.reach is Reach.ENFORCED:
        lsm = _tried(lsm, probe.lsm(), "BPF LSM programs load and attach")
    mode = "cgroup" if settings.mode == "cgroup" or lsm.reach is not Reach.ENFORCED else "lsm"
    reaches = dict(reaches_of(mode, lsm))
    if mode == "cgroup":
        reaches[Class.NETWORK] = _tried(reaches[Class.NETWORK], probe.cgroup(), "cgroup socket programs load")
    reaches[Class.SYSCALL] = _tried(reaches[Class.SYSCALL], probe.trace(), "BTF raw tracepoints attach")
    return reaches


def _tried(by_facts: ClassReach, answer: probe.Answer, required: str) -> ClassReach:
    if answer.works is None:
        return replace(by_facts, why=f"{by_facts.why} (by the facts alone: {answer.detail})")
    if answer.works:
        return by_facts
    return ClassReach(Reach.NONE, "this kernel refuses the program", answer.detail, required)


def _why(here: ClassReach) -> str:
    return f"{here.why}: found {here.found}" if here.found else here.why


def show(data: dict[str, Any]) -> None:
    """For people who have no agentctl at hand."""
    print(f"kernel {data['kernel']}")
    for level in data["levels"]:
        print(f"{level['class']:<10} {level['level']:<10} {level['why']}")
    for check in data["checks"]:
        print(
            f"{check['name']:<18} {check['result']:<5} {check['found']}"
            + (f" ({check['hint']})" if check["hint"] else "")
        )
