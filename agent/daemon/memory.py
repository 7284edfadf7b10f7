"""Memory that was needed for a moment, given back: the agent stays for months beside other people's work."""

import ctypes
import gc


def slim_down() -> None:
    """Collect, and let the C library return what is free (malloc_trim(3)); where it cannot, nothing happens."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
