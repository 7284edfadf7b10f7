"""Where a process lives, remembered because a cgroup may be gone when its event is read."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Cgroups remembered; the least recently met go first and are looked up again.
PLACES = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """
    Attributes:
        cgroup: Path from the root of the cgroup tree, raw bytes.
        workload: Container, unit or pod; empty if it is none of these.
    """

    cgroup: bytes = b""
    workload: bytes = b""


UNKNOWN = Place()


class Places:
    """
    Bounded answers of `lookup`. The kernel never reuses a cgroup id: they stay true. Unknown ids are asked again.

    Attributes:
        failures: Times that `lookup` raised; where a process lived is then unknown, which stops nothing.
    """

    def __init__(self, lookup: Callable[[int], Place | None], limit: int = PLACES) -> None:
        self._lookup = lookup
        self._limit = limit
        self._known: OrderedDict[int, Place] = OrderedDict()
        self.failures = 0

    def find(self, cgroup_id: int) -> Place:
        if place := self._known.get(cgroup_id):
            self._known.move_to_end(cgroup_id)
            return place
        try:
            found = self._lookup(cgroup_id)
        except Exception:  # noqa: BLE001 - whatever a look-up raises, the event is worth more than its place
            self.failures += 1
            found = None
        if found is None:
            return UNKNOWN
        self._known[cgroup_id] = found
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return found
