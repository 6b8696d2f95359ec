"""What an estimate of motion is, and the methods that can be named.

Dimensions: T past frames, H rows, W columns. Motion is in cells a frame, so that geographic and
anisotropic grids need no special case; ``motion[0]`` points down the rows (south), ``motion[1]`` along
the columns (east).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nowcast.forecasters.peer_flows import IterativeLucasKanade, PystepsLucasKanade, TotalVariation
from nowcast.models.lagrangian.flow_settings import FlowSettings

Array = npt.NDArray[np.float32]
ObservedMask = npt.NDArray[np.bool_]


class MotionMethod(Protocol):
    """A frozen dataclass: the method with all its settings."""

    def estimate(self, frames: Array, observed: ObservedMask) -> Array:
        """Estimate one steady motion from several frames.

        Args:
            frames: (T, H, W) dBZ, no NaN: what is dry, weak or not observed holds the floor value.
            observed: (T, H, W), True where the pixel was observed.

        Returns:
            (2, H, W) float32, cells a frame along rows and columns, finite everywhere; 0 everywhere where
            there is nothing to follow.
        """
        ...


@dataclass(frozen=True)
class LucasKanade(FlowSettings):
    """Dense Lucas-Kanade, the flow by which the frames of networks are advected; see `FlowSettings`."""

    def estimate(self, frames: Array, observed: ObservedMask) -> Array:
        """Estimate motion as `MotionMethod.estimate`."""
        import torch

        from nowcast.models.lagrangian.lucas_kanade import lucas_kanade

        past, known = torch.from_numpy(np.ascontiguousarray(frames)), torch.from_numpy(observed)
        motion: Array = lucas_kanade(past[None], known[None], self)[0].numpy()
        return motion


def motion_of_frames(dbz: Array, floor_dbz: float, method: MotionMethod) -> Array:
    """Estimate the motion of observed frames (T, H, W) dBZ; NaN is not observed, the floor is dry.

    Returns:
        As `MotionMethod.estimate`.
    """
    observed, floor = ~np.isnan(dbz), np.float32(floor_dbz)
    frames = np.maximum(np.where(observed, dbz, floor), floor).astype(np.float32)
    return method.estimate(*without_gaps(frames, observed))


def without_gaps(frames: Array, observed: ObservedMask) -> tuple[Array, ObservedMask]:
    """Fill small gaps among observed pixels, which flows take for edges: `nowcast.models.lagrangian.gaps`."""
    import torch

    from nowcast.models.lagrangian.gaps import fill_gaps

    filled, known = fill_gaps(torch.from_numpy(frames)[None], torch.from_numpy(observed)[None])
    return filled[0].numpy(), known[0].numpy()


MOTIONS: dict[str, type[MotionMethod]] = {
    "lucas_kanade": LucasKanade,
    "ilk": IterativeLucasKanade,
    "tvl1": TotalVariation,
    "pysteps": PystepsLucasKanade,
}
"""Name -> settings. The first is the default: it gave the highest CSI, see ``docs/explanation``."""
