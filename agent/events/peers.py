"""The text of a network peer: address and port, as a person writes them."""

import socket

_V4_MAPPED = bytes(10) + b"\xff\xff"


def peer_text(family: int, port: int, address: bytes) -> bytes:
    """
    Text of a peer: `10.0.0.1:443`, `[2001:db8::1]:443`, `unix` (it has no name), or `family:40` (no address).

    Args:
        family: AF_ number.
        address: 16 bytes, IPv4 as ::ffff:a.b.c.d.
    """
    if family == socket.AF_UNIX:
        return b"unix"
    if family not in (socket.AF_INET, socket.AF_INET6):
        return b"family:%d" % family
    if address.startswith(_V4_MAPPED):
        return b"%d.%d.%d.%d:%d" % (*address[12:], port)
    return b"[%b]:%d" % (socket.inet_ntop(socket.AF_INET6, address).encode(), port)
