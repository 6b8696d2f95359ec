"""Windows of a period, the initialisation times in them, the events they form, and the wettest of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.times import Times, to_text, unbroken_runs

CASES_APART = np.timedelta64(6, "h")
MOST_MISSING_FUTURE = 3
"""Lead times of a nowcast that may lack an observed frame unless the user says otherwise."""
Windows = npt.NDArray[np.datetime64]
"""(windows, frames): the times of each. One array, as ten years of frames have a million windows."""
EVENT_PAUSE = np.timedelta64(6, "h")
"""A longer pause between initialisation times ends an event."""
LONGEST_EVENT = np.timedelta64(24, "h")


def check_counts(**counts: int) -> None:
    """Refuse counts below 1.

    Raises:
        SettingsError: with the name of the count.
    """
    for name, count in counts.items():
        if count < 1:
            raise SettingsError(f"{name}: got {count}, expected a whole number of at least 1")


def windows(
    held: Times,
    step: np.timedelta64,
    start: np.datetime64,
    end: np.datetime64,
    length: int,
    stride: int,
    *,
    lead_times: int = 0,
    most_missing: int = 0,
) -> Windows:
    """Times of every window in [start, end), every ``stride`` frames of an unbroken run.

    A window has no gap but among its lead times, of which some may lack a frame: their times are in it all the
    same. None reaches beyond the last frame of the period, and one lead time has a frame at least. Runs in
    which no frame is missing give the same windows whatever may be missing.

    Args:
        held: times an archive holds, sorted.
        step: of the archive.
        start, end: the period.
        length: frames of a window, past and future together.
        stride: frames between two windows.
        lead_times: how many frames at the end of a window are of lead times.
        most_missing: so many of these may be missing.

    Raises:
        SettingsError: a negative number of missing frames.
        TimeError: no frames in the period, or no run long enough.
    """
    if most_missing < 0:
        raise SettingsError(
            complain("frames missing after a start", most_missing, "0 or more", "0 takes starts without a gap")
        )
    times = held[(held >= start) & (held < end)]
    if not len(times):
        have = f"{to_text(held[0])} to {to_text(held[-1])}" if len(held) else "none"
        raise TimeError(
            f"period: got {to_text(start)}/{to_text(end)} in which the archive has no frames, expected a "
            f"part of what it holds ({have}); choose another period"
        )
    past, most = length - lead_times, min(most_missing, max(lead_times - 1, 0))
    runs = unbroken_runs(times, step)
    begins = np.concatenate([times[first : max(first, last - past + 1) : stride] for first, last in runs])
    begins = begins[begins + step * (length - 1) <= times[-1]]
    missing = np.zeros(len(begins), np.int64)
    for lead in range(past, length):
        missing += ~is_held(begins + step * lead, times)
    begins = begins[missing <= most]
    if not len(begins):
        raise TimeError(
            f"period: got {len(times)} frames without one gap-free run of {length} (past and future"
            f"{f', of which {most} may be missing' if most else ''}), "
            "expected at least one; choose a longer period or fewer lead times"
        )
    every: Windows = begins[:, np.newaxis] + step * np.arange(length)
    return every


def is_held(wanted: Times, held: Times) -> npt.NDArray[np.bool_]:
    """Which of some times are among those held, which are sorted and not none."""
    place = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.asarray(held[place] == wanted)


def events_of(reference_times: Times) -> Times:
    """The event that each initialisation time belongs to, by the time it begins at: (N,).

    An event ends where no initialisation time follows for six hours, or a day after it began.

    Args:
        reference_times: (N,), in order.
    """
    begins: list[np.datetime64] = []
    before = None
    for time in reference_times:
        apart = before is None or time - before > EVENT_PAUSE or time - begins[-1] >= LONGEST_EVENT
        begins.append(time if apart else begins[-1])
        before = time
    return np.array(begins, "datetime64[ns]")


def wettest(reference_times: Times, wet_pixels: npt.NDArray[np.int64], count: int) -> list[np.datetime64]:
    """The ``count`` wettest initialisation times that lie at least six hours apart, in order of time."""
    chosen: list[np.datetime64] = []
    for i in np.argsort(-wet_pixels, kind="stable"):
        time = reference_times[i]
        if len(chosen) < count and all(abs(time - c) >= CASES_APART for c in chosen):
            chosen.append(time)
    return sorted(chosen)
