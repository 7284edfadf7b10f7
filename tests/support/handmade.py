"""Rulesets made by hand, so that the kernel's side is tested without the compiler."""

import numpy as np

from policy.compiler.ruleset import CLASSES, ClassTable, ProfileTable, RuleReference, Ruleset
from policy.model.types import OPERATIONS, Action, Class, Effect, Mode

_NETWORK = Class.NETWORK.number
_EPERM = 1
_NUMBERS = """
    start floating pairs alone path_labels path_label_count domains_table gid_classes has_credentials ports protocols
    families address_default unix_base syscalls
"""


def profile_table(classes: dict[int, ClassTable], **numbers: int) -> ProfileTable:
    """A profile that tells no subjects apart; what is not given is 0."""
    return ProfileTable(
        **{**dict.fromkeys(_NUMBERS.split(), 0), "domains": 2, "parents": 1, "credentials": 2, **numbers},
        classes=tuple(classes.get(number, ClassTable()) for number in range(CLASSES)),
        byte_classes=bytes([1]) * 256,
    )


def network_ruleset(effect: Effect = Effect.DENY, rules: int = 1) -> Ruleset:
    """Every connect of profile 0 has that effect, counted for rule 0; so has whatever else sockets do."""
    words = np.zeros(64, np.uint32)
    decision, row, cells, peers = 8, 12, 20, 40
    words[decision : decision + 2] = int(effect) | _EPERM << 16 | 2 * int(effect) << 24, 0
    words[row : row + len(OPERATIONS[Class.NETWORK])] = decision
    words[cells : cells + 2 * 2 * 3] = row
    words[peers + 1 : peers + 4] = 2
    profile = profile_table(
        {_NETWORK: ClassTable(cells, 3, peers, asked=(1 << len(OPERATIONS[Class.NETWORK])) - 1)},
        address_default=1,
        unix_base=2,
    )
    addresses = ((0, 0, bytes(16), 1), (0, 96, bytes(10) + b"\xff\xff" + bytes(4), 1))
    deny = (Class.NETWORK, Action.DENY, Mode.ENFORCING, "low", "")
    names = tuple(RuleReference("hand", f"r{n}", *deny) for n in range(rules))
    return Ruleset(np.zeros((2, 2), np.uint32), words, (profile,), addresses, (), names)
