"""Rulesets made by hand, so that the kernel's side is tested without the compiler."""

import numpy as np

from policy.compiler.ruleset import CLASSES, ClassTable, ProfileTable, RuleReference, Ruleset
from policy.model.types import OPERATIONS, Action, Class, Effect, Mode

_NETWORK = Class.NETWORK.number
_EPERM = 1


def network_ruleset(effect: Effect = Effect.DENY, rules: int = 1) -> Ruleset:
    """Every connect of profile 0 has that effect, counted for rule 0; so has whatever else sockets do."""
    words = np.zeros(64, np.uint32)
    decision, row, cells, peers = 8, 12, 20, 40
    words[decision : decision + 2] = int(effect) | _EPERM << 16, 0
    words[row : row + len(OPERATIONS[Class.NETWORK])] = decision
    words[cells : cells + 2 * 2 * 3] = row
    words[peers + 1 : peers + 4] = 2
    names = ("start", "floating", "pairs", "alone", "path_labels", "path_label_count", "domains_table", "gid_classes")
    numbers = dict.fromkeys((*names, "has_credentials", "ports", "protocols", "families", "syscalls"), 0)
    numbers |= {"domains": 2, "parents": 1, "credentials": 2, "address_default": 1, "unix_base": 2}
    network = ClassTable(cells, 3, peers)
    profile = ProfileTable(
        classes=tuple(network if n == _NETWORK else ClassTable() for n in range(CLASSES)),
        byte_classes=bytes([1]) * 256,
        **numbers,
    )
    addresses = ((0, 0, bytes(16), 1), (0, 96, bytes(10) + b"\xff\xff" + bytes(4), 1))
    deny = (Class.NETWORK, Action.DENY, Mode.ENFORCING, "low", "")
    references = tuple(RuleReference("hand", f"r{n}", *deny) for n in range(rules))
    return Ruleset(np.zeros((2, 2), np.uint32), words, (profile,), addresses, (), references)
