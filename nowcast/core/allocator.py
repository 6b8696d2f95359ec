"""What the C library (glibc) does with memory that was freed: keep it for the next arrays, or give it back."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

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
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    wanted = ((_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES), (_TRIM_THRESHOLD, _KEPT_BYTES))
    return all(mallopt(parameter, size) == 1 for parameter, size in wanted)


def give_back_freed() -> None:
    """Let the C library give back what it keeps of freed memory for later, where it can be asked to (glibc).

    Why: between two stages of work on a large grid it keeps hundreds of megabytes in pieces that the next stage
    cannot use.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
