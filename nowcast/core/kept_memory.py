"""What the C library does with memory that was freed: it keeps it for the next arrays of this process."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt. Source: mallopt(3)."""
_KEPT_BYTES = 64 * 2**20
_LARGEST_KEPT_BYTES = 32 * 2**20
"""What glibc comes to by itself in a process that has freed such arrays, and the most that it takes."""


def keep_freed_memory() -> bool:
    """Let this process keep 64 MB of what it frees, and arrays up to 32 MB; True where it can be asked for.

    Why: dask starts its workers with MALLOC_TRIM_THRESHOLD_=65536, by which memory goes back to the system at
    once, and the next array comes from there page by page: forecasts of a network by a worker then cost three
    times the CPU time, most of it the system's. A variable is read when a process starts; this holds whatever
    it says. Nothing is done where the C library is another than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    wanted = ((_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES), (_TRIM_THRESHOLD, _KEPT_BYTES))
    return all(mallopt(parameter, size) == 1 for parameter, size in wanted)
