"""What an estimate of motion is, and the methods that can be named.

Letters: T past frames, H rows, W columns. Motion is in cells a frame, so that geographic and
anisotropic grids need no special case; ``motion[0]`` points down the rows (south), ``motion[1]`` along
the columns (east).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from nowcast.forecasters.lucas_kanade import LucasKanade
from nowcast.forecasters.peer_flows import IterativeLucasKanade, PystepsLucasKanade, TotalVariation

Frames = npt.NDArray[np.float32]
Seen = npt.NDArray[np.bool_]


class MotionMethod(Protocol):
    """A frozen dataclass: the method with all its settings."""

    def estimate(self, frames: Frames, seen: Seen) -> Frames:
        """Estimate one steady motion from several frames.

        Args:
            frames: (T, H, W) dBZ, no NaN: what is dry, weak or not seen holds the floor value.
            seen: (T, H, W), True where the pixel was observed.

        Returns:
            (2, H, W) float32, cells a frame along rows and columns, finite everywhere.
        """
        ...


MOTIONS: dict[str, type[MotionMethod]] = {
    "lucas_kanade": LucasKanade,
    "ilk": IterativeLucasKanade,
    "tvl1": TotalVariation,
    "pysteps": PystepsLucasKanade,
}
"""Name -> settings. The first is the default: it gave the highest CSI, see ``docs/explanation``."""
