"""
Frames: what a segment is made of.

A frame is a header of 40 bytes and a msgpack body. Header, little-endian: magic, CRC32 of the rest of the header,
CRC32 of the body, length of the body, number of the batch (0: the frame is a ledger), events spooled before this
frame, events in it, kind. Both checksums begin with the segment's salt, which is not in the segment: a name that
someone chose to look like a frame is none.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

MAGIC = 0x31534652  # "RFS1"
_MAGIC_BYTES = MAGIC.to_bytes(4, "little")
_HEADER = struct.Struct("<IIIIQQII")
_REST = struct.Struct("<IIQQII")
HEADER = _HEADER.size

KIND_BATCH = 1
KIND_LEDGER = 2
#: Moves a ring's position and counts rejected events, but holds no batch.
KIND_NOTE = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """
    A header whose checksum is right.

    Attributes:
        offset: Of the header in its segment.
        length: Of the body.
    """

    offset: int
    length: int
    body_checksum: int
    number: int
    before: int
    events: int
    kind: int

    @property
    def body(self) -> int:
        return self.offset + HEADER

    @property
    def end(self) -> int:
        return self.offset + HEADER + self.length


def encode(kind: int, number: int, before: int, events: int, content: Any, salt: int) -> bytes:
    """
    Args:
        content: What msgpack can pack.
    """
    body: bytes = msgpack.packb(content, use_bin_type=True)
    rest = _REST.pack(zlib.crc32(body, salt), len(body), number, before, events, kind)
    return struct.pack("<II", MAGIC, zlib.crc32(rest, salt)) + rest + body


def header_at(data: bytes, offset: int, salt: int) -> Frame | None:
    """The frame that begins at `offset`; None if none does."""
    if len(data) - offset < HEADER:
        return None
    magic, checksum, body_checksum, length, number, before, events, kind = _HEADER.unpack_from(data, offset)
    if magic != MAGIC or checksum != zlib.crc32(data[offset + 8 : offset + HEADER], salt):
        return None
    return Frame(offset, length, body_checksum, number, before, events, kind)


def whole(frame: Frame, body: bytes, salt: int) -> bool:
    return len(body) == frame.length and zlib.crc32(body, salt) == frame.body_checksum


def content(body: bytes) -> Any:
    """Of a body whose checksum is right. Raises ValueError if it is not msgpack all the same."""
    try:
        return msgpack.unpackb(body, raw=False, use_list=False, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"frame body: {error}") from error


def scan(data: bytes, salt: int) -> Iterator[Frame]:
    """Every whole frame of a segment, stepping over what is none."""
    offset = 0
    while offset >= 0:
        frame = header_at(data, offset, salt)
        if frame is None or frame.end > len(data):
            offset = data.find(_MAGIC_BYTES, offset + 1)
            continue
        if whole(frame, data[frame.body : frame.end], salt):
            yield frame
        offset = frame.end
