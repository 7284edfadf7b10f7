"""
What time it is, for the programs: they read the boot clock, and rules end by the wall clock.

The difference lies in the map `control`, so that rules end on time with no agent alive. It changes when somebody sets
the clock, and slowly while the clock is slewed.
"""

from agent.abi import Control
from agent.host.clocks import wall_minus_boot_ns
from agent.kernel.syscall import Bpf

#: Differences below this are the time that reading two clocks takes.
_NOISE_NS = 1_000_000


class Wall:
    """
    Args:
        control: Descriptor of the map `control`; its owner closes it.
    """

    def __init__(self, bpf: Bpf, control: int) -> None:
        self._bpf, self._control = bpf, control

    def keep(self) -> float:
        """
        Write the difference of the clocks; by how many seconds it is not what was there.

        Raises:
            BpfError: The kernel refused.
        """
        now, known = wall_minus_boot_ns(), self.read()
        if abs(now - known) < _NOISE_NS:
            return 0.0
        self._bpf.map_update(self._control, _KEY, (now % (1 << 64)).to_bytes(8, "little"))
        return (now - known) / 1e9 if known else 0.0

    def read(self) -> int:
        """Nanoseconds that the programs add to the boot clock; 0: they were never told."""
        return int.from_bytes(self._bpf.map_lookup(self._control, _KEY, 8) or b"", "little", signed=True)


_KEY = int(Control.WALL).to_bytes(4, "little")
