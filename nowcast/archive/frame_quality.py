"""Whole frames that are hardly what the radar saw: repeated ones and ones whose rain area jumps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nowcast.archive.quality import QualitySettings
from nowcast.archive.reader import Archive
from nowcast.core.times import Times


class StuckFrame(NamedTuple):
    """A frame that is an earlier one again."""

    time: np.datetime64
    equals: np.datetime64


def stuck_frames(archive: Archive, settings: QualitySettings | None = None) -> list[StuckFrame]:
    """Find the frames with rain that equal an earlier one cell by cell.

    Why frames without rain do not count: two dry ones are equal by right. Few frames are read: the archive
    keeps the highest value and the shares of each, and only where these are equal, cells are compared.

    Args:
        archive: an open archive.
        settings: how long before is looked at, and how much is wet at least.
    """
    settings = settings or QualitySettings()
    within = np.timedelta64(round(settings.stuck_minutes * 60), "s")
    names = ("max_dbz", "wet_share", "observed_share")
    records = np.stack([archive.over_time(name) for name in names], axis=1)
    found: list[StuckFrame] = []
    wet_km2 = records[:, 1] * records[:, 2] * np.prod(archive.grid.shape) * np.prod(archive.grid.cell_km)
    for index in np.flatnonzero((wet_km2 > 0) & (wet_km2 >= settings.stuck_km2)).tolist():
        time = archive.times[index]
        earlier = int(np.searchsorted(archive.times, time - within))
        for other in range(index - 1, earlier - 1, -1):
            if (records[other] == records[index]).all() and np.array_equal(
                archive.packed(archive.times[other]), archive.packed(time)
            ):
                found.append(StuckFrame(time, archive.times[other]))
                break
    return found


def jumping_frames(archive: Archive, settings: QualitySettings | None = None) -> Times:
    """Find the frames in which far more is wet than one step before; no frame is read for it.

    Why only the frame before is looked at: a forecast that leaves such frames out must not know what comes
    after them.
    """
    settings = settings or QualitySettings()
    wet = archive.over_time("wet_share").astype(float)
    follows = np.diff(archive.times) == archive.step
    more = (wet[1:] > settings.jump_times * wet[:-1]) & (wet[1:] - wet[:-1] >= settings.jump_share)
    return np.asarray(archive.times[1:][follows & more])
