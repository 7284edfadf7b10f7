"""
What this node can do for each operation of each class: the coverage of its programs, and why where there is none.
"""

from collections.abc import Collection, Mapping

from agent.daemon.ports import ClassReach, NodeError, Reaches
from agent.host.facts import LSM_FILE, HostFacts
from agent.kernel.coverage import QUESTIONS, Cover, Mode, Reach, coverage
from policy.model.types import Class

_TELLS_NOT = "no program of this version can tell"
_CALLS = "system calls are recorded, or answered by a kill; never refused"
#: Where no mode has a program.
NOBODY = ClassReach(
    Reach.NONE,
    "no program of this version decides it",
    required="a program for its hook",
)


def lsm_reach(facts: HostFacts) -> ClassReach:
    """Whether BPF LSM is active, as far as the machine's facts tell; a list that cannot be read does not say no."""
    if facts.lsms is None or "bpf" in facts.lsms:
        return ClassReach(Reach.ENFORCED, "BPF LSM")
    return ClassReach(
        Reach.NONE,
        "BPF LSM is not active",
        found=f"{','.join(facts.lsms)}  ({LSM_FILE})",
        required="bpf",
        hint="add `bpf` to the kernel's `lsm=` list",
    )


def lsm_refused(error: NodeError) -> ClassReach:
    """BPF LSM is active, but its programs cannot be had."""
    return ClassReach(
        Reach.NONE,
        "this kernel refuses BPF LSM programs",
        found=str(error).splitlines()[0],
        required="BPF LSM programs load and attach",
        hint="`agentctl doctor` tells more",
    )


def reaches_of(mode: Mode, lsm: ClassReach, absent: Collection[str] = ()) -> Reaches:
    """
    What each operation reaches in a mode.

    Args:
        lsm: Whether BPF LSM can be used here, or why not.
        absent: Programs whose hook this kernel lacks.
    """
    best, here = coverage("lsm"), coverage(mode, absent)
    return {one: _reach(mode, best[one], here[one], lsm) for one in QUESTIONS}


def _reach(mode: Mode, best: Cover, here: Cover, lsm: ClassReach) -> ClassReach:
    """One operation's: what decides it here, else what would."""
    if here.reach is not Reach.NONE:
        by = "cgroup hooks (connect, sendmsg)" if mode == "cgroup" else lsm.why
        lacks = {part: _TELLS_NOT if part in best.lacks else lsm.why for part in here.lacks}
        why, required = (_CALLS, "nothing: use `action: audit`") if here.reach is Reach.OBSERVED else (by, "")
        return ClassReach(here.reach, why, required=required, lacks=lacks)
    if best.reach is Reach.NONE:
        return NOBODY
    if mode == "lsm":
        hook = ", ".join(best.programs)
        return ClassReach(Reach.NONE, f"this kernel lacks the hook for it ({hook})", required=hook)
    return lsm


def grouped(reaches: Reaches) -> Mapping[Class, list[tuple[tuple[str, ...], ClassReach]]]:
    """For each class its operations, those that reach the same together."""
    found: dict[Class, list[tuple[tuple[str, ...], ClassReach]]] = {class_: [] for class_ in Class}
    for (class_, operation), here in reaches.items():
        groups = found[class_]
        at = next((number for number, (_, reach) in enumerate(groups) if reach == here), len(groups))
        names = groups[at][0] if at < len(groups) else ()
        groups[at : at + 1] = [((*names, operation), here)]
    return found
