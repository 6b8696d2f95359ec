"""Backward semi-Lagrangian advection of the newest frame along a steady motion.

Letters: S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nowcast.core.scaling import NO_ECHO_DBZ

Array = npt.NDArray[np.float32]
_HALF = 0.5


def advect(dbz: Array, motion: Array, steps: Sequence[float], floor_dbz: float) -> Array:
    """Carry one frame along a motion that does not change with time.

    Each pixel is followed backwards (midpoint rule, at most one frame's time a stride) to where its air
    was at the moment of issue; only there, once, the frame is interpolated, so nothing is smoothed
    twice. The three kinds of pixels are kept apart:

    * echo and no echo: no echo, and echoes below the floor, enter the bilinear mean as the floor; where
      less than half the weight comes from echoes the result is no echo. Mixing with `NO_ECHO_DBZ`
      itself would wear the edges of all echoes away.
    * not observed: where less than half the weight comes from observed pixels, which includes all that
      comes from outside the grid, the result is NaN; otherwise the observed ones alone are averaged.

    Args:
        dbz: (H, W), the newest frame; NaN is not observed.
        motion: (2, H, W) cells a frame along rows and columns.
        steps: S rising lead times in frames, not necessarily whole.
        floor_dbz: echoes at or below it count as no echo.

    Returns:
        (S, H, W) float32.

    Source: Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873.
    """
    seen = ~np.isnan(dbz)
    echo = seen & (dbz > floor_dbz)
    value = np.where(echo, dbz, np.float32(floor_dbz)) * seen
    layers = (value.astype(np.float32), echo.astype(np.float32), seen.astype(np.float32))
    places = np.mgrid[: dbz.shape[0], : dbz.shape[1]].astype(np.float32)
    frames = np.empty((len(steps), *dbz.shape), np.float32)
    reached = 0.0
    for s, step in enumerate(steps):
        places = _backwards(places, motion, step - reached)
        frames[s] = _interpolate(layers, places)
        reached = step
    return frames


def _backwards(places: Array, motion: Array, duration: float) -> Array:
    strides = max(int(np.ceil(duration - 1e-6)), 1)
    part = np.float32(duration / strides)
    for _ in range(strides):
        middle = places - _HALF * part * _at(motion, places)
        places = places - part * _at(motion, middle)
    return places


def _at(motion: Array, places: Array) -> Array:
    return np.stack([ndimage.map_coordinates(m, places, order=1, mode="nearest") for m in motion])


def _interpolate(layers: tuple[Array, Array, Array], places: Array) -> Array:
    value, echo, seen = (
        ndimage.map_coordinates(layer, places, order=1, mode="grid-constant") for layer in layers
    )
    enough = seen >= _HALF
    mean = value / np.where(enough, seen, np.float32(1.0))
    frame = np.where(echo >= _HALF * seen, mean, np.float32(NO_ECHO_DBZ))
    return np.where(enough, frame, np.float32(np.nan)).astype(np.float32)
