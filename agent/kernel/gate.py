"""
The gate: while it is open everything is allowed. One word in a pinned map, so that it works with no daemon running.
"""

import os
from pathlib import Path

from agent.abi import Control
from agent.host.clocks import boot_ns
from agent.kernel.pins import ROOT, Pins
from agent.kernel.syscall import Bpf, Kernel

#: Open until it is closed.
FOREVER = (1 << 64) - 1


class NotInstalledError(Exception):
    """
    Nothing is pinned there, so there is no gate.

    Attributes:
        path: The map that was looked for.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"no programs are installed: found no pinned map {path}")
        self.path = path


class Gate:
    """
    Args:
        control: Descriptor of the map `control`; the gate owns it.
    """

    def __init__(self, bpf: Bpf, control: int) -> None:
        self._bpf, self._control = bpf, control

    @classmethod
    def adopt(cls, root: Path = ROOT, bpf: Bpf | None = None) -> "Gate":
        """
        The gate of what is pinned below `root`.

        Raises:
            NotInstalledError: Nothing is.
            BpfError: It cannot be opened.
        """
        bpf, path = bpf or Kernel(), Pins(root).map("control")
        if not os.path.lexists(path):
            raise NotInstalledError(path)
        return cls(bpf, bpf.open_pin(path))

    def open(self, seconds: float | None = None) -> int:
        """Allow everything, for so long or until `close`; the boot-clock nanosecond at which it ends, or FOREVER."""
        until = FOREVER if seconds is None else boot_ns() + int(seconds * 1e9)
        self._write(until)
        return until

    def close(self) -> None:
        self._write(0)

    def open_until(self) -> int | None:
        """Boot-clock nanosecond at which it closes by itself, FOREVER, or None where it is closed."""
        value = int.from_bytes(self._bpf.map_lookup(self._control, _KEY, 8) or b"", "little")
        return value if value > boot_ns() else None

    def release(self) -> None:
        """Close the descriptor; the gate stays as it is."""
        os.close(self._control)

    def _write(self, value: int) -> None:
        self._bpf.map_update(self._control, _KEY, value.to_bytes(8, "little"))


_KEY = int(Control.OPEN_UNTIL).to_bytes(4, "little")
