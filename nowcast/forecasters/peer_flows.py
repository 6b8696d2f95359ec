"""Optical flow of other libraries as motion methods: scikit-image's two, pysteps' Lucas-Kanade."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import MissingExtraError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class IterativeLucasKanade:
    """scikit-image's iterative Lucas-Kanade over each pair of frames, then the median over pairs.

    Source: Le Besnerais and Champagnat (2005), ICIP; `skimage.registration.optical_flow_ilk`.
    """

    radius: int = 15
    pairs: int = 4
    smooth: float = 0.0
    """Standard deviation in cells by which the median is smoothed."""

    def estimate(self, frames: Array, observed: npt.NDArray[np.bool_]) -> Array:
        """Estimate motion as `MotionMethod.estimate`; ``observed`` cannot be used by this method."""
        from skimage.registration import optical_flow_ilk

        del observed
        return _median(
            frames,
            self.pairs,
            self.smooth,
            lambda a, b: optical_flow_ilk(a, b, radius=self.radius, gaussian=True, dtype=np.float32),
        )


@dataclass(frozen=True)
class TotalVariation:
    """scikit-image's TV-L1 flow over each pair of frames, then the smoothed median over pairs.

    Source: Zach, Pock and Bischof (2007); `skimage.registration.optical_flow_tvl1`.
    """

    attachment: float = 15.0
    pairs: int = 2
    smooth: float = 10.0

    def estimate(self, frames: Array, observed: npt.NDArray[np.bool_]) -> Array:
        """Estimate motion as `MotionMethod.estimate`; ``observed`` cannot be used by this method."""
        from skimage.registration import optical_flow_tvl1

        del observed
        span = max(float(np.ptp(frames)), 1.0)
        return _median(
            frames / np.float32(span),
            self.pairs,
            self.smooth,
            lambda a, b: optical_flow_tvl1(
                a, b, attachment=self.attachment, num_warp=5, num_iter=10, dtype=np.float32
            ),
        )


@dataclass(frozen=True)
class PystepsLucasKanade:
    """pysteps' Lucas-Kanade with its default settings: tracked features, then interpolation.

    Raises:
        MissingExtraError: pysteps is not installed.

    Source: Pulkkinen et al. (2019), Geosci. Model Dev. 12, 4185-4219; `pysteps.motion.lucaskanade`.
    """

    def estimate(self, frames: Array, observed: npt.NDArray[np.bool_]) -> Array:
        """Estimate motion as `MotionMethod.estimate`; pixels not observed are masked."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                from pysteps.exceptions import MissingOptionalDependency
                from pysteps.motion.lucaskanade import dense_lucaskanade
        except ImportError as error:
            raise MissingExtraError("motion method 'pysteps'", "pysteps", "pysteps") from error
        masked = np.ma.masked_array(frames, mask=~observed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few features make its outlier detection complain
                along_x, along_y = dense_lucaskanade(masked, verbose=False)
        except MissingOptionalDependency as error:  # pysteps does not ask for what it tracks features with
            raise MissingExtraError("motion method 'pysteps'", "opencv-python-headless", "pysteps") from error
        motion: Array = np.nan_to_num(np.stack([along_y, along_x])).astype(np.float32)
        return motion


def _median(frames: Array, pairs: int, smooth: float, flow: Callable[[Array, Array], Array]) -> Array:
    first = max(len(frames) - 1 - pairs, 0)
    flows = [flow(frames[t], frames[t + 1]) for t in range(first, len(frames) - 1)]
    middle = np.nan_to_num(np.median(flows, axis=0)).astype(np.float32)
    from scipy import ndimage

    return np.stack([ndimage.gaussian_filter(m, smooth, mode="nearest") for m in middle])
