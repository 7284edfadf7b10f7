"""
How far wall clock and boot clock are apart, as the programs know it: what `until` of a rule is measured by.

The programs have the boot clock alone. While an agent lives it corrects the difference when somebody sets the wall
clock; afterwards the last one holds, since one word in a pinned map outlives whoever wrote it.
"""

import time

from agent.abi import Control
from agent.kernel.gate import boot_ns
from agent.kernel.syscall import Bpf

#: Smaller differences are the clock being slewed, and the time between two readings.
TOLERATED_NS = 1_000_000
_KEY = int(Control.WALL).to_bytes(4, "little")


def wall_minus_boot_ns() -> int:
    """Nanoseconds; at least 1, because 0 is what the programs take for never told."""
    return max(time.time_ns() - boot_ns(), 1)


class WallClock:
    """
    Args:
        control: Descriptor of the map `control`; it stays the caller's.
    """

    def __init__(self, bpf: Bpf, control: int) -> None:
        self._bpf, self._control = bpf, control

    def correct(self) -> bool:
        """
        Write the difference down if it is another one; whether it was.

        Raises:
            BpfError: The kernel refused.
        """
        known = int.from_bytes(self._bpf.map_lookup(self._control, _KEY, 8) or b"", "little")
        now = wall_minus_boot_ns()
        if known and abs(now - known) <= TOLERATED_NS:
            return False
        self._bpf.map_update(self._control, _KEY, now.to_bytes(8, "little"))
        return True
