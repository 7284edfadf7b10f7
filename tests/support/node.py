"""A node's facts for decoding, made up."""

from agent.events.decode import Context
from agent.events.enrich import Place, Places
from policy.compiler.ruleset import RuleReference
from policy.model.types import Action, Class, Mode

BOOT = "4f1c09aa-0000-4000-8000-000000000000"
RULES = {
    (1, 0): RuleReference("web", "secrets", Class.FILE, Action.DENY, Mode.ENFORCING, "high", "no"),
    (1, 1): RuleReference("web", "egress", Class.NETWORK, Action.DENY, Mode.ENFORCING, "low", ""),
}


def context(boot_id: str = BOOT) -> Context:
    return Context(
        node="web-1",
        boot_id=boot_id,
        rule=lambda generation, number: RULES.get((generation, number)),
        places=Places(lambda cgroup: Place(b"/web", b"web.service") if cgroup == 7 else None),
        syscall=lambda number: {59: "execve"}.get(number, f"syscall-{number}"),
        unix_offset_ns=lambda: 1_700_000_000_000_000_000,
    )
