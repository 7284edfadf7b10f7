"""One file of the spool, and where in it each batch is."""

import re
import secrets
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from agent.spool import frames
from agent.spool.files import File, Files
from agent.spool.frames import Frame

_NAME = re.compile(r"([0-9]{16})-([0-9a-f]{8})\.segment")


def new_name(ordinal: int) -> str:
    return f"{ordinal:016d}-{secrets.token_hex(4)}.segment"


def segment_names(names: Iterable[str]) -> list[str]:
    """Those of segments, oldest first; anything else in the directory is not ours."""
    return sorted(name for name in names if _NAME.fullmatch(name))


class Index:
    """Where a segment's batches are: parallel arrays, by rising number; 32 bytes a batch."""

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.offsets = array("Q")
        self.befores = array("Q")
        self.lengths = array("I")
        self.events = array("I")

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, frame: Frame) -> None:
        self.numbers.append(frame.number)
        self.offsets.append(frame.offset)
        self.befores.append(frame.before)
        self.lengths.append(frame.length)
        self.events.append(frame.events)

    def remove(self, at: int) -> None:
        for column in (self.numbers, self.offsets, self.befores, self.lengths, self.events):
            del column[at]

    def at(self, number: int) -> int:
        """Where the first batch with that number or a later one stands."""
        return bisect_left(self.numbers, number)

    def after(self, number: int) -> int:
        return bisect_right(self.numbers, number)


class Segment:
    """
    Attributes:
        first: Number of its first batch, or of the next one if it has none.
        last: Number of its last batch; `first - 1` if it has none.
        before: Events spooled before its first batch.
        after: Events spooled up to its end.
        size: Bytes that are good.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self.name = name
        ordinal, salt = name.removesuffix(".segment").split("-")
        self.ordinal = int(ordinal)
        self.salt = int(salt, 16)
        self.first = self.last = self.before = self.after = 0
        self.size = 0
        self.index: Index | None = None
        self._file: File | None = None

    @property
    def file(self) -> File:
        if self._file is None:
            self._file = self._files.open(self.name)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def head(self) -> bytes | None:
        """Body of the ledger it begins with; None if that cannot be read."""
        frame = frames.header_at(self.file.read(0, frames.HEADER), 0, self.salt)
        if frame is None or frame.kind != frames.KIND_LEDGER:
            return None
        body = self.file.read(frame.body, frame.length)
        return body if frames.whole(frame, body, self.salt) else None

    def all_frames(self) -> tuple[bytes, list[Frame]]:
        """Its bytes, and every whole frame in them."""
        data = self.file.read(0, self.file.size())
        return data, list(frames.scan(data, self.salt))

    def load(self) -> Index:
        """
        Its index, made from the file if it is not in memory; empty if that cannot be read.

        Batches past `last` are left out: their write had failed, and their numbers were given to others.
        """
        if self.index is None:
            self.index = Index()
            for frame in self._readable():
                above = not len(self.index) or frame.number > self.index.numbers[-1]
                if frame.kind == frames.KIND_BATCH and above and self.first <= frame.number <= self.last:
                    self.index.add(frame)
        return self.index

    def _readable(self) -> list[Frame]:
        try:
            return self.all_frames()[1]
        except OSError:
            return []

    def body(self, at: int) -> bytes | None:
        """Of the batch at that place of the index; None, and out of the index, if it cannot be read any more."""
        index = self.load()
        try:
            data = self.file.read(index.offsets[at], frames.HEADER + index.lengths[at])
        except OSError:
            data = b""
        frame = frames.header_at(data, 0, self.salt)
        if frame is not None and frames.whole(frame, data[frames.HEADER :], self.salt):
            return data[frames.HEADER :]
        index.remove(at)
        return None
