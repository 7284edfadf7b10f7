"""What the spool knows beside its batches: numbers, sums, and how far each ring has been read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RingLedger:
    """
    How far one ring has been spooled in one boot.

    Attributes:
        identity: Of the ring itself: another one with the same number is another ring.
        base: Added to its positions to make sequences.
        end: Position behind the last record that was spooled.
        spooled: Events spooled since the ring was made.
        rejected: Events left out since then, by reason.
    """

    boot_id: str
    identity: int
    base: int = 0
    end: int = 0
    spooled: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """
    Attributes:
        spool_id: Names this spool, for good: numbers of another one mean other batches.
        next_number: Of the next batch.
        came: Events ever appended.
        floor: Number up to which batches are done with: acknowledged or dropped.
        floor_events: Events in those.
        out: Events acknowledged.
        dropped: Events discarded, by reason.
        rings: By ring number; of the last boot only.
    """

    spool_id: str
    next_number: int
    came: int = 0
    floor: int = 0
    floor_events: int = 0
    out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    rings: dict[int, RingLedger] = field(default_factory=dict)

    def ring(self, ring: int, boot_id: str, identity: int, base: int) -> RingLedger:
        """The entry of a ring; a new one if another ring had its number."""
        entry = self.rings.get(ring)
        if entry is None or (entry.boot_id, entry.identity) != (boot_id, identity):
            entry = self.rings[ring] = RingLedger(boot_id, identity, base)
        return entry

    def add(
        self, ring: int, boot_id: str, identity: int, base: int, end: int, rejected: Mapping[str, int]
    ) -> RingLedger:
        """A batch of that ring was spooled up to `end`."""
        entry = self.ring(ring, boot_id, identity, base)
        entry.end = max(entry.end, end)
        for reason, count in rejected.items():
            entry.rejected[reason] = entry.rejected.get(reason, 0) + count
        return entry

    def drop(self, reason: str, count: int) -> None:
        if count > 0:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def content(self) -> tuple[Any, ...]:
        """For msgpack."""
        rings = {
            number: (r.boot_id, r.identity, r.base, r.end, r.spooled, r.rejected) for number, r in self.rings.items()
        }
        return (
            self.spool_id,
            self.next_number,
            self.came,
            self.floor,
            self.floor_events,
            self.out,
            self.dropped,
            rings,
        )


def ledger_of(content: Any) -> Ledger:
    """The inverse of `Ledger.content`. Raises ValueError."""
    try:
        spool_id, *numbers, dropped, rings = content
        next_number, came, floor, floor_events, out = map(int, numbers)
        entries = {int(ring): _ring_of(*fields) for ring, fields in rings.items()}
        return Ledger(str(spool_id), next_number, came, floor, floor_events, out, dict(dropped), entries)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise ValueError(f"ledger: {error}") from error


def _ring_of(boot_id: str, identity: int, base: int, end: int, spooled: int, rejected: Mapping[str, int]) -> RingLedger:
    return RingLedger(boot_id, identity, base, end, spooled, dict(rejected))
