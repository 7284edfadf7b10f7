"""
The wall clock and the boot clock, read together.

The kernel's events and expiries are on the boot clock, people's on the wall clock. The difference changes when somebody
sets the clock, and slowly while it is slewed.
"""

import time

#: Readings that take no longer than this are near enough, in nanoseconds.
_CLOSE_NS = 20_000
_TRIES = 10


def boot_ns() -> int:
    """The clock that the programs read: nanoseconds since boot, suspended time counted."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wall_minus_boot_ns() -> int:
    """
    What to add to the boot clock to get Unix time, in nanoseconds.

    The one is read between two readings of the other, again if this process had to wait meanwhile; the closest counts.
    """
    closest, difference = _reading()
    for _ in range(_TRIES):
        if closest <= _CLOSE_NS:
            break
        closest, difference = min((closest, difference), _reading())
    return difference


def _reading() -> tuple[int, int]:
    """How long it took, and the difference found."""
    before = boot_ns()
    wall = time.time_ns()
    after = boot_ns()
    return after - before, wall - (before + after) // 2
