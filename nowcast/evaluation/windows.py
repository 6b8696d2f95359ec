"""Gap-free windows of a period, the initialisation times in them, and the wettest of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.times import Times, to_text, unbroken_runs

CASES_APART = np.timedelta64(6, "h")


def check_counts(**counts: int) -> None:
    """Refuse counts below 1.

    Raises:
        SettingsError: with the name of the count.
    """
    for name, count in counts.items():
        if count < 1:
            raise SettingsError(f"{name}: got {count}, expected a whole number of at least 1")


def windows(
    held: Times, step: np.timedelta64, start: np.datetime64, end: np.datetime64, length: int, stride: int
) -> list[Times]:
    """Times of every gap-free window in [start, end), every ``stride`` frames of an unbroken run.

    Args:
        held: times an archive holds, sorted.
        step: of the archive.
        start, end: the period.
        length: frames of a window, past and future together.
        stride: frames between two windows.

    Raises:
        TimeError: no frames in the period, or no run long enough.
    """
    times = held[(held >= start) & (held < end)]
    if not len(times):
        have = f"{to_text(held[0])} to {to_text(held[-1])}" if len(held) else "none"
        raise TimeError(
            f"period: got {to_text(start)}/{to_text(end)} in which the archive has no frames, expected a "
            f"part of what it holds ({have}); choose another period"
        )
    found = [
        times[begin : begin + length]
        for first, last in unbroken_runs(times, step)
        for begin in range(first, last - length + 1, stride)
    ]
    if not found:
        raise TimeError(
            f"period: got {len(times)} frames without one gap-free run of {length} (past and future), "
            "expected at least one; choose a longer period or fewer lead times"
        )
    return found


def wettest(reference_times: Times, wet_pixels: npt.NDArray[np.int64], count: int) -> list[np.datetime64]:
    """The ``count`` wettest initialisation times that lie at least six hours apart, in order of time."""
    chosen: list[np.datetime64] = []
    for i in np.argsort(-wet_pixels, kind="stable"):
        time = reference_times[i]
        if len(chosen) < count and all(abs(time - c) >= CASES_APART for c in chosen):
            chosen.append(time)
    return sorted(chosen)
