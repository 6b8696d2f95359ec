"""The moment of issue and the gap-free past that leads to it, picked from the frames an archive holds."""

from __future__ import annotations

import numpy as np

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import Thinned
from nowcast.core.errors import TimeError, complain
from nowcast.core.times import Times, parse_time, to_text, unbroken_runs

LATEST = "latest"


def moment(archive: Archive, at: str = LATEST) -> np.datetime64:
    """Give the moment of issue that ``at`` names: the time of a frame the archive holds.

    Args:
        archive: an open archive.
        at: UTC, such as 2025-03-22T12:00, or ``latest``.

    Raises:
        TimeError: an empty archive, not a time, or a time without a frame; the nearest is named.
    """
    if not len(archive.times):
        raise TimeError(complain(str(archive.path), "no frames", "at least one", "ingest files first"))
    newest: np.datetime64 = archive.times[-1]
    if at == LATEST:
        return newest
    wanted = parse_time(at)
    nearest = archive.times[int(np.abs(archive.times - wanted).argmin())]
    if nearest != wanted:
        raise TimeError(
            complain("--at", to_text(wanted), f"the time of a frame in {archive.path}",
                     f"the nearest is {to_text(nearest)}")
        )
    return wanted


def past_times(archive: Archive | Thinned, issued: np.datetime64, count: int) -> Times:
    """Give the ``count`` times that end with ``issued``.

    Raises:
        TimeError: one is missing; all missing ones and the newest moment that would do are named.
    """
    times: Times = issued - archive.step * np.arange(count - 1, -1, -1)
    missing = times[~np.isin(times, archive.times)]
    if not len(missing):
        return times
    runs = unbroken_runs(archive.times, archive.step)
    good = [time for first, last in runs for time in archive.times[first + count - 1 : last]]
    before = [time for time in good if time <= issued] or good[:1]
    remedy = f"--at {to_text(before[-1])} would do" if before else "ingest the missing files"
    raise TimeError(
        complain(f"past of {to_text(issued)}", f"no frame at {', '.join(map(to_text, missing))}",
                 f"{count} frames without a gap", remedy)
    )


def unbroken_past(archive: Archive, issued: np.datetime64, most: int) -> Times:
    """Give the times of up to ``most`` frames that lead to ``issued`` without a gap, at least one.

    Why: a fallback makes do with a shorter past where `past_times` refuses.

    Raises:
        TimeError: no frame at ``issued``.
    """
    times = archive.times[archive.times <= issued][-most:]
    if not len(times) or times[-1] != issued:
        return past_times(archive, issued, 1)
    first = unbroken_runs(times, archive.step)[-1][0]
    return np.asarray(times[first:])
