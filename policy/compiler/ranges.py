"""
Values that asks list by range: addresses by prefix, ports, protocols and families by span.

A class of values is those that the same asks accept; sets of asks are bit masks while they are being made.
"""

import ipaddress
from collections.abc import Iterator, Sequence

_MAPPED = bytes(10) + b"\xff\xff"
Span = tuple[int, int]


def prefixes(lists: Sequence[Sequence[str]]) -> Iterator[tuple[int, bytes, tuple[int, ...]]]:
    """
    The prefixes that the longest match must know.

    Args:
        lists: CIDRs of each ask.

    Yields:
        Prefix length of 0..128, 16 bytes (IPv4 as ::ffff:a.b.c.d), the asks that accept it; with `::/0` and
        `::ffff:0:0/96`, in order.
    """
    own: dict[tuple[bytes, int], int] = {(bytes(16), 0): 0, (_MAPPED + bytes(4), 96): 0}
    for at, texts in enumerate(lists):
        for text in texts:
            key = _prefix(text)
            own[key] = own.get(key, 0) | 1 << at
    stack = [(bytes(16), -1, 0)]
    for address, length in sorted(own):
        while not _contains(stack[-1][0], stack[-1][1], address):
            stack.pop()
        # addresses of IPv4 are not part of any IPv6 prefix, however short
        inherited = 0 if length == 96 and address[:12] == _MAPPED else stack[-1][2]
        mask = inherited | own[address, length]
        if mask != stack[-1][2] or length in (0, 96):
            yield length, address, bits(mask)
        stack.append((address, length, mask))


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


def spans(lists: Sequence[Sequence[Span]], size: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """
    Args:
        lists: Inclusive spans of each ask; what is not below `size` is left out.

    Yields:
        How many numbers, and the asks that accept them: from 0 up to `size`, in order.
    """
    changes: dict[int, list[tuple[int, bool]]] = {0: [], size: []}
    for at, one in enumerate(lists):
        for first, last in _joined(one):
            changes.setdefault(first, []).append((at, True))
            changes.setdefault(last + 1, []).append((at, False))
    mask, begin = 0, 0
    for point in sorted(changes):
        if begin < point <= size:
            yield point - begin, bits(mask)
        for at, opens in changes[point]:
            mask = mask | 1 << at if opens else mask & ~(1 << at)
        begin = point


def _joined(given: Sequence[Span]) -> list[Span]:
    """Spans of one ask without overlap."""
    joined: list[Span] = []
    for first, last in sorted(given):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def bits(mask: int) -> tuple[int, ...]:
    """Positions of the bits that are set, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)
