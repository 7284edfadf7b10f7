"""
Network peers as labels: classes of addresses, ports and protocols, and the table that joins them.

A set of rules is a bit mask over the profile's network rules; a class of addresses is those that the same rules accept.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from policy.compiler.limits import PEERS, CompileError
from policy.model.types import NetworkSelector

_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Peers:
    """
    Attributes:
        addresses: (prefix length of 0..128, 16 bytes, class), IPv4 as ::ffff:a.b.c.d; with `::/0`, `::ffff:0:0/96`.
        address_default: Class of what has no address.
        address_masks: Rules that accept each class.
        ports: Class of each port, or None if there is one class only.
        port_masks: Rules that accept each class.
        protocols: Class of each protocol number, or None if there is one class only.
        protocol_masks: Rules that accept each class.
    """

    addresses: tuple[tuple[int, bytes, int], ...]
    address_default: int
    address_masks: tuple[int, ...]
    ports: tuple[int, ...] | None
    port_masks: tuple[int, ...]
    protocols: tuple[int, ...] | None
    protocol_masks: tuple[int, ...]


def peers(rules: Sequence[NetworkSelector]) -> Peers:
    """
    The classes of a profile's network rules.

    Raises:
        CompileError: There are more combinations of classes than `limits.PEERS`.
    """
    addresses, default, address_masks = _addresses(rules)
    ports, port_masks = _spans([rule.ports for rule in rules], 1 << 16)
    protocols, protocol_masks = _spans([[(one, one) for one in rule.protocols] for rule in rules], 256)
    found = len(address_masks) * len(port_masks) * len(protocol_masks)
    if found > PEERS:
        raise CompileError(
            f"{len(address_masks):,} classes of addresses times {len(port_masks):,} of ports times "
            f"{len(protocol_masks):,} of protocols are {found:,} kinds of peers; the limit is {PEERS:,}",
            hint="let rules share their lists of ports, or join neighbouring CIDRs",
            limit=PEERS,
            found=found,
        )
    return Peers(addresses, default, address_masks, ports, port_masks, protocols, protocol_masks)


def _addresses(rules: Sequence[NetworkSelector]) -> tuple[tuple[tuple[int, bytes, int], ...], int, tuple[int, ...]]:
    anywhere = sum(1 << at for at, rule in enumerate(rules) if not rule.to)
    own: dict[tuple[bytes, int], int] = {(bytes(16), 0): 0, (_MAPPED + bytes(4), 96): 0}
    for at, rule in enumerate(rules):
        for text in rule.to:
            key = _prefix(text)
            own[key] = own.get(key, 0) | 1 << at
    masks = {anywhere: 0}
    entries, stack = [], [(bytes(16), -1, anywhere)]
    for address, length in sorted(own):
        while not _contains(stack[-1][0], stack[-1][1], address):
            stack.pop()
        # addresses of IPv4 are not part of any IPv6 prefix, however short
        inherited = anywhere if length == 96 and address[:12] == _MAPPED else stack[-1][2]
        mask = inherited | own[address, length]
        class_ = masks.setdefault(mask, len(masks))
        if mask != stack[-1][2] or length in (0, 96):
            entries.append((length, address, class_))
        stack.append((address, length, mask))
    return tuple(entries), 0, tuple(masks)


def _prefix(text: str) -> tuple[bytes, int]:
    network = ipaddress.ip_network(text)
    if network.version == 4:
        return _MAPPED + network.network_address.packed, 96 + network.prefixlen
    return network.network_address.packed, network.prefixlen


def _contains(outer: bytes, length: int, inner: bytes) -> bool:
    if length <= 0:
        return True
    shift = 128 - length
    return int.from_bytes(outer, "big") >> shift == int.from_bytes(inner, "big") >> shift


def _spans(lists: Sequence[Sequence[tuple[int, int]]], size: int) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Classes of the numbers below `size`, by the rules whose inclusive spans hold them; an empty list holds all."""
    everywhere = sum(1 << at for at, spans in enumerate(lists) if not spans)
    changes: dict[int, list[tuple[int, int]]] = {}
    for at, spans in enumerate(lists):
        for first, last in _joined(spans):
            changes.setdefault(first, []).append((at, 1))
            changes.setdefault(last + 1, []).append((at, 0))
    if not changes:
        return None, (everywhere,)
    masks: dict[int, int] = {}
    table: list[int] = []
    mask = everywhere
    for begin in sorted({0, size, *changes}):
        table.extend([masks.setdefault(mask, len(masks))] * (min(begin, size) - len(table)) if begin else [])
        for at, opens in changes.get(begin, ()):
            mask = mask | 1 << at if opens else mask & ~(1 << at)
    if len(masks) == 1:
        return None, tuple(masks)
    return tuple(table), tuple(masks)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of one rule without overlap."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
