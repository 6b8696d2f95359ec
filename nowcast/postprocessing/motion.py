"""The motion of the newest observed frames, fine enough to carry sums and noise along.

Dimensions: T past frames, H rows, W columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nowcast.models.lagrangian.flow_settings import FlowSettings

Array = npt.NDArray[np.float32]
FLOW = FlowSettings(levels=(16, 8, 4))
"""Half as fine as that of an extrapolation: it need not be right to the pixel, and takes a quarter of
its time."""
FLOW_BELOW_DB = 5.0
"""How far below rain the floor of the frames lies that the motion is estimated from."""
FASTEST_KMH = 200.0


def motion_of(dbz: Array, rain_dbz: float, cell_km: tuple[float, float], step_minutes: float) -> Array:
    """Estimate one steady motion (2, H, W) in cells a frame, rows first; none where there is nothing to follow.

    Args:
        dbz: (T, H, W), NaN is not observed.
        rain_dbz: what is weaker counts as dry.
        cell_km: height and width of a cell.
        step_minutes: between two frames.
    """
    import torch

    from nowcast.models.lagrangian.lucas_kanade import lucas_kanade

    observed = ~np.isnan(dbz)
    floor = np.float32(rain_dbz - FLOW_BELOW_DB)
    frames = np.maximum(np.where(observed, dbz, floor), floor)
    if len(dbz) < 2 or not (frames >= rain_dbz).any():
        return np.zeros((2, *dbz.shape[1:]), np.float32)
    motion = lucas_kanade(torch.from_numpy(frames)[None], torch.from_numpy(observed)[None], FLOW)[0].numpy()
    speed_kmh = np.hypot(motion[0] * cell_km[0], motion[1] * cell_km[1]) * (60.0 / step_minutes)
    return np.asarray(motion * np.minimum(1.0, FASTEST_KMH / np.maximum(speed_kmh, 1e-6)), np.float32)


def follows(motion: Array, start: Array, later: Array, rain_dbz: float) -> bool:
    """Whether a later frame is nearer to the first one moved along a motion than to the first one in place.

    Why: rain of a forecast that stands still, as that of persistence, must not be moved between its frames.

    Args:
        motion: (2, H, W) cells from the first frame to the later one.
        start, later: (H, W) dBZ, NaN is not observed.
        rain_dbz: what is weaker counts as dry.
    """
    import torch

    from nowcast.models.lagrangian.semilagrangian import sample, trajectories

    first, second = (torch.from_numpy(np.fmax(frame, np.float32(rain_dbz))) for frame in (start, later))
    places = next(trajectories(torch.from_numpy(motion)[None], 1))
    moved = sample(first[None, None], places, padding="border")[0, 0]
    known = torch.from_numpy(~np.isnan(start) & ~np.isnan(later))
    in_place, along = ((frame - second)[known].abs().sum() for frame in (first, moved))
    return bool(along < in_place)
