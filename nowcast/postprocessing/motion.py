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
FASTEST_KMH = 200.0


def motion_of(dbz: Array, floor_dbz: float, cell_km: tuple[float, float], step_minutes: float) -> Array:
    """Estimate one steady motion (2, H, W) in cells a frame, rows first; none where there is nothing to follow.

    Args:
        dbz: (T, H, W), NaN is not observed.
        floor_dbz: what is weaker counts as dry.
        cell_km: height and width of a cell.
        step_minutes: between two frames.
    """
    import torch

    from nowcast.models.lagrangian.lucas_kanade import lucas_kanade

    observed = ~np.isnan(dbz)
    floor = np.float32(floor_dbz)
    frames = np.maximum(np.where(observed, dbz, floor), floor)
    if len(dbz) < 2 or not (frames > floor).any():
        return np.zeros((2, *dbz.shape[1:]), np.float32)
    motion = lucas_kanade(torch.from_numpy(frames)[None], torch.from_numpy(observed)[None], FLOW)[0].numpy()
    speed_kmh = np.hypot(motion[0] * cell_km[0], motion[1] * cell_km[1]) * (60.0 / step_minutes)
    return np.asarray(motion * np.minimum(1.0, FASTEST_KMH / np.maximum(speed_kmh, 1e-6)), np.float32)
