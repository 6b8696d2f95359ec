"""What scores of neighbours are made of, on plain frames: similarity in windows, gaps between gradients.

Dimensions: H rows, W columns, k cells a window. Nothing here knows a unit or an unobserved pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats

WindowShape = Literal["uniform", "gaussian"]
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class GradientDifference:
    """What a gradient difference loss is told by: its exponent, and mean or sum of the pairs of neighbours.

    Source: Mathieu, Couprie and LeCun 2016 (ICLR), eq. 6, which sums; papers that print it name
    neither alpha nor the scale.
    """

    alpha: Literal[1, 2] = 1
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        if self.alpha not in (1, 2) or self.reduction not in ("mean", "sum"):
            raise SettingsError(
                f"gdl: got alpha={self.alpha}, reduction={self.reduction!r}, expected alpha 1 or 2 and "
                "'mean' or 'sum'"
            )

    @property
    def name(self) -> str:
        """``gdl`` for alpha 1 and the mean; what departs from that is in the name."""
        alpha = "" if self.alpha == 1 else f"_alpha{self.alpha}"
        return f"gdl{alpha}" if self.reduction == "mean" else f"gdl{alpha}_sum"


def window_weights(window: WindowShape) -> Floats:
    """The weights of a window along one axis: 7 alike, or 11 of a Gaussian with sigma 1.5."""
    if window == "uniform":
        return np.full(7, 1.0 / 7)
    offsets = np.arange(-5, 6)
    bell = np.exp(-0.5 * (offsets / 1.5) ** 2)
    return np.asarray(bell / bell.sum())


def similarity_map(forecast: Floats, observed: Floats, data_range: float, window: WindowShape) -> Floats:
    """The structural similarity of every window wholly inside: (H, W) -> (H - k + 1, W - k + 1).

    The uniform 7 x 7 window uses the sample covariance; the Gaussian one (sigma 1.5, 11 x 11) does
    not, as in the paper. A frame smaller than the window has none: an empty map.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13; K1 = 0.01, K2 = 0.03.
    """
    weights = window_weights(window)
    if min(forecast.shape) < len(weights):
        return np.zeros((0, 0))
    n = len(weights) ** 2
    unbias = n / (n - 1) if window == "uniform" else 1.0
    c1, c2 = ((k * data_range) ** 2 for k in (0.01, 0.03))
    mf, mo = weigh(forecast, weights), weigh(observed, weights)
    product, squares = mf * mo, mf * mf + mo * mo
    variances = unbias * (weigh(forecast * forecast + observed * observed, weights) - squares)
    covariance = unbias * (weigh(forecast * observed, weights) - product)
    index = ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
    return np.asarray(index)


def gradient_gaps(forecast: Any, observed: Any, axis: int, alpha: int) -> Any:
    """``| |observed step| - |forecast step| | ** alpha`` of each pair of neighbours along an axis.

    Source: Mathieu, Couprie and LeCun 2016 (ICLR), eq. 6.
    """
    gap = np.abs(np.abs(np.diff(observed, axis=axis)) - np.abs(np.diff(forecast, axis=axis)))
    return gap if alpha == 1 else gap**alpha


def weigh(frame: Floats, weights: Floats) -> Floats:
    """Weigh windows that lie wholly inside the frame: (H, W) -> (H - k + 1, W - k + 1)."""
    from scipy.ndimage import correlate1d, uniform_filter1d

    k, alike = len(weights), (weights == weights[0]).all()
    for axis in (0, 1):
        smooth, by = (uniform_filter1d, k) if alike else (correlate1d, weights)
        frame = smooth(frame, by, axis=axis, mode="nearest")
    return np.asarray(_inner(frame, k))


def whole_windows(observed_mask: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.bool_]:
    """Which windows of k x k cells are True throughout: (H, W) -> (H - k + 1, W - k + 1)."""
    from scipy.ndimage import minimum_filter1d

    found = observed_mask
    for axis in (0, 1):
        found = minimum_filter1d(found.view(np.uint8), k, axis=axis, mode="nearest").view(bool)
    return np.asarray(_inner(found, k))


def _inner(frame: Any, k: int) -> Any:
    before = k // 2
    h, w = frame.shape
    return frame[before : h - (k - 1 - before), before : w - (k - 1 - before)]
