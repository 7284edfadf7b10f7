"""What goes into the spool and what comes out of it."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class SpoolError(OSError):
    """The spool's directory cannot be read or written; nothing of the request counts."""

    def __init__(self, what: str, cause: OSError) -> None:
        super().__init__(cause.errno or errno.EIO, f"spool: {what}: {cause.strerror or cause}")


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """
    Attributes:
        total_bytes: Of all segments; past it the oldest is dropped, and its events are counted as "spool-full".
        segment_bytes: A segment is closed when it is larger.
    """

    total_bytes: int = 256 << 20
    segment_bytes: int = 8 << 20


class Entry(Protocol):
    """A batch to append; `agent.events.pump.Drained` has this shape and says what each is."""

    @property
    def boot_id(self) -> str: ...
    @property
    def ring(self) -> int: ...
    @property
    def identity(self) -> int: ...
    @property
    def base(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def rejected(self) -> Mapping[str, int]: ...
    @property
    def payload(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it was appended."""

    number: int
    boot_id: str
    ring: int
    events: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RingPosition:
    """
    Where to read a ring on.

    Attributes:
        base: To add to its positions to make sequences.
        end: Everything before this position is spooled.
        known: False if this spool never had anything of that very ring.
    """

    base: int
    end: int
    known: bool


@dataclass(frozen=True, slots=True)
class SpoolAccount:
    """Events since the spool was made: came = out + pending + dropped. And what it takes up."""

    came: int
    out: int
    pending: int
    dropped: Mapping[str, int]
    size: int
    limit: int
