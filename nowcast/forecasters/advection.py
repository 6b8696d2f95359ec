"""Semi-Lagrangian advection of the newest frame: how echo, no echo and not observed travel.

Dimensions: S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nowcast.core.scaling import NO_ECHO_DBZ

Array = npt.NDArray[np.float32]
_HALF = 0.5
_STRIP_CELLS = 2**16
"""Cells of a strip: small enough that what is computed of it stays in fast memory."""


def advect(dbz: Array, motion: Array, steps: Sequence[float], floor_dbz: float) -> Array:
    """Advect one frame along a motion that does not change with time.

    Each pixel is followed backwards to where its air was at the forecast reference time; only there, once,
    the frame is interpolated, so nothing is smoothed twice; in double precision, so that whole cells move
    values unchanged. The three kinds of pixels are kept apart:

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
    import torch

    from nowcast.models.lagrangian.semilagrangian import home, sample, trajectories

    observed = ~np.isnan(dbz)
    echo = observed & (dbz > floor_dbz)
    value = np.where(echo, dbz, np.float32(floor_dbz)) * observed
    layers = torch.from_numpy(np.stack([value, echo, observed], dtype=np.float64))[None]
    flow = torch.from_numpy(motion.astype(np.float64))[None]
    height, width = dbz.shape
    frames = np.empty((len(steps), height, width), np.float32)
    for rows, strips in _strips(height, width, torch.get_num_threads()):
        start = home(rows.stop - rows.start, width).double()[0]
        start[0] += rows.start
        start = start.view(2, strips, -1, width).movedim(1, 0)
        paths = trajectories(flow.expand(strips, -1, -1, -1), steps, start)
        for frame, places in zip(frames, paths, strict=True):
            total, echoes, known = sample(layers.expand(strips, -1, -1, -1), places).unbind(1)
            enough = known >= _HALF
            mean = total / torch.where(enough, known, 1.0)
            moved = torch.where(echoes >= _HALF * known, mean, NO_ECHO_DBZ)
            frame[rows] = torch.where(enough, moved, torch.nan).flatten(0, 1).numpy()
    return frames


def _strips(height: int, width: int, threads: int) -> Iterator[tuple[slice, int]]:
    """Rows that are followed together, and into how many strips they part, one a thread.

    Why: pixels do not need each other, so that a continent takes no more memory beside its frames than one
    strip a thread.
    """
    together = max(_STRIP_CELLS // width, 1) * threads
    for first in range(0, height, together):
        rows = min(together, height - first)
        yield slice(first, first + rows), threads if rows % threads == 0 else 1
