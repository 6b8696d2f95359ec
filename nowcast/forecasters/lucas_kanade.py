"""Dense Lucas-Kanade as a motion method: the optical flow that networks are carried along, on one past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.models.lagrangian.flow_settings import FlowSettings

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LucasKanade(FlowSettings):
    """One steady motion that explains every pair of past frames; see `FlowSettings`."""

    def estimate(self, frames: Array, seen: npt.NDArray[np.bool_]) -> Array:
        """Estimate motion as `MotionMethod.estimate`."""
        import torch

        from nowcast.models.lagrangian.lucas_kanade import lucas_kanade

        past, known = torch.from_numpy(np.ascontiguousarray(frames)), torch.from_numpy(seen)
        motion: Array = lucas_kanade(past[None], known[None], self)[0].numpy()
        return motion
