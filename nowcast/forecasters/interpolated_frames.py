"""Frames that are missing of a past, interpolated along the motion of those around them.

Dimensions: T past frames, H rows, W columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import TimeError, complain
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import Times, to_text
from nowcast.forecasters.advection import advect
from nowcast.forecasters.motion import LucasKanade, motion_of_frames

Array = npt.NDArray[np.float32]
_FLOOR_DBZ = np.float32(5.0)
_HALF = 0.5


def with_interpolated(observed: xr.DataArray, times: Times) -> xr.DataArray:
    """Return a past with a frame at each of its times, those that are missing made from their neighbours.

    Why: a network needs a frame at each step. Repeating a neighbour would tell it that the rain stood still;
    along the motion, rain is where it was. A frame between two others is the mean of both, each advected to
    its time and weighing the more the nearer it is; one before the first is the first advected backwards.

    Args:
        observed: frames at some of the times, the last among them (`nowcast.core.field`).
        times: rising, one step apart.

    Raises:
        TimeError: fewer than two frames are observed, or not the last.
    """
    known = observed["time"].values
    if len(known) < 2 or known[-1] != times[-1]:
        raise TimeError(
            complain(
                f"past of {to_text(times[-1])}",
                f"{len(known)} observed frames",
                "at least two, the newest among them",
                "ingest the missing files",
            )
        )
    dbz = np.asarray(observed.values, np.float32)
    frames = np.stack([_at(time, known, dbz) for time in times])
    return (
        observed.isel(time=-1, drop=True)
        .expand_dims(time=times)
        .copy(data=frames)
        .assign_coords(time=("time", np.asarray(times), dict(observed["time"].attrs)))
        .transpose("time", "y", "x")
    )


def _at(time: np.datetime64, known: Times, dbz: Array) -> Array:
    """The frame of one time: as observed, or interpolated."""
    after = int(np.searchsorted(known, time))
    if known[after] == time:
        return np.asarray(dbz[after])
    before = max(after - 1, 0)
    after = before + 1
    motion = motion_of_frames(dbz[before : after + 1], float(_FLOOR_DBZ), LucasKanade())
    share = float((time - known[before]) / (known[after] - known[before]))
    if share < 0:
        return np.asarray(advect(dbz[before], -motion, [-share], float(_FLOOR_DBZ))[0])
    early = advect(dbz[before], motion, [share], float(_FLOOR_DBZ))[0]
    late = advect(dbz[after], -motion, [1.0 - share], float(_FLOOR_DBZ))[0]
    return _mean(early, late, share)


def _mean(early: Array, late: Array, share: float) -> Array:
    """The mean of two frames; one that is not observed does not count, and half of an echo is none."""
    weights = np.stack([np.where(np.isnan(f), 0.0, w) for f, w in ((early, 1.0 - share), (late, share))])
    echoes = np.stack([f > _FLOOR_DBZ for f in (early, late)])  # NaN is not
    values = np.where(echoes, np.stack([early, late]), _FLOOR_DBZ)
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = (values * weights).sum(axis=0) / total
    wet = (echoes * weights).sum(axis=0) >= _HALF * total
    return np.where(total > 0, np.where(wet, mean, NO_ECHO_DBZ), np.nan).astype(np.float32)
