"""
Read a ring in whole batches, and give it back only what is safe elsewhere.

An event's sequence is the position of its record's header in the ring, which only grows. A reader that starts at a
position that was never committed reads the same events with the same sequences again.
"""

from typing import Protocol

from agent.events.memory import RingError, RingMemory, map_ring
from agent.events.records import Records, count_events, walk

#: Names whose event was not in the same batch wait here; the oldest go, and their events then say that the path is
#: incomplete.
LATE_NAMES = 256


class RingReader:
    """
    One ring's reader; not for several threads at once.

    Attributes:
        position: Where the next read begins.
        base: Added to positions to make sequences; not 0 only for a ring that took another's place within one boot.
    """

    def __init__(self, memory: RingMemory, base: int = 0) -> None:
        self.memory = memory
        self.base = base
        self.position = memory.consumer()
        self._late: dict[int, bytes] = {}

    def resume(self, position: int) -> None:
        """Everything before `position` is safe already: begin there. Raises RingError if the ring is not so far."""
        if position > self.memory.producer():
            raise RingError("resume a ring", f"producer at {self.memory.producer()}", f"at least {position}")
        self.position = max(self.position, position)
        self.commit()

    def read(self, limit: int = 2048) -> Records:
        """
        Everything finished from `position` on, at most `limit` events; moves `position`, commits nothing.

        Raises:
            RingError: The positions contradict each other; `position` is then the producer's, what lay between is lost.
        """
        producer = self.memory.producer()
        if not 0 <= producer - self.position <= self.memory.size:
            found, self.position = self.position, producer
            raise RingError("read a ring", f"producer {producer}, reader {found}", f"at most {self.memory.size} apart")
        records = walk(self.memory.data, self.position, producer, limit)
        self.position = records.end
        self._keep_names(records)
        return records

    def commit(self) -> None:
        """All that was read is durable elsewhere: the kernel may use its room again."""
        if self.memory.consumer() != self.position:
            self.memory.advance(self.position)

    def rewind(self) -> None:
        """Forget what was read and not committed: the next read finds it again."""
        self.position = self.memory.consumer()

    @property
    def idle(self) -> bool:
        """True if there is nothing after `position`, not even a record that is being written."""
        return self.memory.producer() == self.position

    def pending(self) -> int:
        """Finished events that are not committed."""
        return count_events(self.memory.data, self.memory.consumer(), self.memory.producer())

    def _keep_names(self, records: Records) -> None:
        """Names of earlier batches join this one's; all wait until they are bounded out, for a rewind may ask again."""
        if not records.names and not self._late:
            return
        self._late.update(records.names)
        records.names = dict(self._late)
        for token in list(self._late)[: max(0, len(self._late) - LATE_NAMES)]:
            del self._late[token]


class Position(Protocol):
    """How far a ring is spooled; `agent.spool.types.RingPosition` has this shape and says what each is."""

    @property
    def base(self) -> int: ...
    @property
    def end(self) -> int: ...


class Positions(Protocol):
    """Who knows how far rings are spooled."""

    def ring_position(self, boot_id: str, ring: int, identity: int) -> Position: ...


def open_ring(fd: int, boot_id: str, ring: int, positions: Positions) -> RingReader:
    """
    The reader of a ring map, behind everything that is spooled. The descriptor may be closed after.

    Raises:
        RingError: There is no ring behind the descriptor, or it is not the one that was spooled.
    """
    memory = map_ring(fd)
    place = positions.ring_position(boot_id, ring, memory.identity)
    reader = RingReader(memory, place.base)
    reader.resume(place.end)
    return reader
