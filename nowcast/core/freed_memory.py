"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed() -> None:
    """Let the C library give back what it keeps of freed memory for later, where it can be asked to (glibc).

    Why: between two stages of work on a large grid it keeps hundreds of megabytes in pieces that the next stage
    cannot use.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
