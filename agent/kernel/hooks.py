"""What is attached where, as the kernel tells it."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kernel.attach import Attached
from agent.kernel.programs_file import Program
from agent.kernel.syscall import Bpf


@dataclass(frozen=True, slots=True)
class HookState:
    """
    Attributes:
        hook: file_open, connect4, sys_enter …
        attached: Where it is needed.
        detail: Where to, or why not.
    """

    program: str
    kind: str
    hook: str
    attached: bool
    detail: str


def hook_state(bpf: Bpf, program: Program, attached: Attached, cgroups: Mapping[str, int], needed: bool) -> HookState:
    """
    Args:
        cgroups: Descriptors of the links to cgroups, by name.
        needed: Whether something live needs it: a scope, rules of its class.

    Raises:
        BpfError: The kernel does not tell.
    """
    head = (program.name, program.kind, program.hook)
    if program.kind == "iter":
        return HookState(*head, True, "run at the start")
    if program.when and program.name not in attached.links:
        return HookState(*head, not needed, f"no {program.when} rules")
    number = bpf.program_id(attached.programs[program.name])
    if program.kind != "cgroup":
        ours = bpf.link_info(attached.links[program.name]).program == number
        return HookState(*head, ours, "the whole kernel" if ours else "its link has another program")
    found = [bpf.link_info(fd) for name, fd in cgroups.items() if name.startswith(f"{program.name}-")]
    places = sum(link.program == number and link.cgroup != 0 for link in found)
    return HookState(*head, bool(places) or not needed, f"{places} cgroups" if needed else "nothing in scope")
