"""Rulesets made by hand, so that the kernel's side is tested without the compiler."""

import numpy as np

from policy.compiler.ruleset import ProfileTable, RuleReference, Ruleset
from policy.model.types import Action, Class, Effect, Mode

_NETWORK = Class.NETWORK.number


def network_ruleset(effect: Effect = Effect.DENY, rules: int = 1) -> Ruleset:
    """Every connect of profile 0 has that effect, counted for rule 0."""
    words = np.zeros(64, np.uint32)
    decision, row, cells, peers = 8, 12, 16, 40
    words[decision : decision + 2] = int(effect), 0
    words[row] = decision
    words[cells : cells + 2 * 2 * 3] = row
    words[peers] = 2
    numbers = dict.fromkeys(("start", "path_labels", "gid_classes", "ports", "protocols", "syscalls"), 0)
    numbers |= {"path_label_count": 0, "domains": 2, "credentials": 2, "port_classes": 1, "protocol_classes": 1}
    numbers |= {"peers": peers, "address_default": 0, "has_credentials": 0}
    profile = ProfileTable(
        cells=tuple(cells if n == _NETWORK else 0 for n in range(5)),
        labels=tuple(3 if n == _NETWORK else 0 for n in range(5)),
        byte_classes=bytes([1]) * 256,
        **numbers,
    )
    addresses = ((0, 0, bytes(16), 0), (0, 96, bytes(10) + b"\xff\xff" + bytes(4), 0))
    deny = (Class.NETWORK, Action.DENY, Mode.ENFORCING, "low", "")
    names = tuple(RuleReference("hand", f"r{n}", *deny) for n in range(rules))
    return Ruleset(np.zeros((2, 2), np.uint32), words, (profile,), addresses, (), names)
