"""`ringfence-agent doctor`: what this machine can do, found out without installing anything."""

from dataclasses import replace
from typing import Any

from agent.daemon import probe
from agent.daemon.ports import ClassReach, Reaches
from agent.daemon.reaches import grouped, lsm_reach, reaches_of
from agent.daemon.settings import Settings
from agent.host import checks
from agent.host.facts import HostFacts, gather
from agent.kernel.coverage import Mode, Reach
from policy.model.types import Class


def examine(settings: Settings) -> dict[str, Any]:
    """The answer in the names of `ringfence.v1.DoctorResponse`."""
    facts = gather()
    reaches = _reaches(settings, facts)
    levels = [
        {
            "class": class_.value,
            "operations": list(names) if len(groups) > 1 else [],
            "level": here.reach.value,
            "why": _why(here),
            "hint": here.hint,
        }
        for class_, groups in grouped(reaches).items()
        for names, here in groups
    ]
    found = [
        {"name": check.name, "result": check.result, "found": check.found, "hint": check.hint}
        for check in checks.checks(facts)
    ]
    return {"kernel": facts.kernel, "levels": levels, "checks": found}


def _reaches(settings: Settings, facts: HostFacts) -> Reaches:
    """By the facts, then by trying; what cannot be tried for lack of privilege is taken from the facts, and says so."""
    lsm = lsm_reach(facts)
    if lsm.reach is Reach.ENFORCED:
        lsm = _tried(lsm, probe.lsm(), "BPF LSM programs load and attach")
    mode: Mode = "cgroup" if settings.mode == "cgroup" or lsm.reach is not Reach.ENFORCED else "lsm"
    cgroup = probe.cgroup() if mode == "cgroup" else None
    calls = probe.trace()

    def tried(class_: Class, here: ClassReach) -> ClassReach:
        if class_ is Class.SYSCALL:
            return _tried(here, calls, "BTF raw tracepoints attach")
        if cgroup is not None and here.reach is not Reach.NONE:
            return _tried(here, cgroup, "cgroup socket programs load")
        return here

    return {(class_, name): tried(class_, here) for (class_, name), here in reaches_of(mode, lsm).items()}


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
        operations = f" ({', '.join(level['operations'])})" if level["operations"] else ""
        print(f"{level['class'] + operations:<10} {level['level']:<10} {level['why']}")
    for check in data["checks"]:
        print(
            f"{check['name']:<18} {check['result']:<5} {check['found']}"
            + (f" ({check['hint']})" if check["hint"] else "")
        )
