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
    variances = weigh(forecast * forecast + observed * observed, weights)
    covariance = weigh(forecast * observed, weights)
    variances -= squares
    variances *= unbias
    variances += c2
    covariance -= product
    covariance *= 2 * unbias
    covariance += c2
    product *= 2
    product += c1
    squares += c1
    product *= covariance
    squares *= variances
    product /= squares
    return np.asarray(product)


def gradient_gaps(forecast: Any, observed: Any, axis: int, alpha: int) -> Any:
    """``| |observed step| - |forecast step| | ** alpha`` of each pair of neighbours along an axis.

    Source: Mathieu, Couprie and LeCun 2016 (ICLR), eq. 6.
    """
    gap, other = np.diff(observed, axis=axis), np.diff(forecast, axis=axis)
    np.abs(gap, out=gap)
    gap -= np.abs(other, out=other)
    np.abs(gap, out=gap)
    return gap if alpha == 1 else gap**alpha


def weigh(frame: Floats, weights: Floats) -> Floats:
    """Weigh windows that lie wholly inside the frame: (H, W) -> (H - k + 1, W - k + 1)."""
    k = len(weights)
    if (weights == weights[0]).all():
        return np.asarray(_window_sums(_window_sums(frame, k, 0), k, 1) * weights[0] ** 2)
    from scipy.ndimage import correlate1d

    for axis in (0, 1):
        frame = correlate1d(frame, weights, axis=axis, mode="nearest")
    before = k // 2
    return np.asarray(frame[before : len(frame) - before, before : frame.shape[1] - before])


def whole_windows(observed_mask: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.bool_]:
    """Which windows of k x k cells are True throughout: (H, W) -> (H - k + 1, W - k + 1)."""
    missing = (~observed_mask).astype(np.uint8 if k * k < 256 else np.int64)
    return np.asarray(_window_sums(_window_sums(missing, k, 0), k, 1) == 0)


def _window_sums(frame: Any, k: int, axis: int) -> Any:
    """Add up ``k`` neighbours along an axis, where all are there: sums of 1, 2, 4 … cells by the bits of ``k``.

    Why not a running sum: whole rows are added to whole rows, which is several times faster. Along the columns
    all rows are one, and what is added across their ends is left out.
    """
    if axis == 0:
        return _sums_of(frame, k)
    rows, columns = frame.shape
    long = np.empty(frame.size, frame.dtype)
    long[: frame.size - k + 1] = _sums_of(np.ascontiguousarray(frame).reshape(-1), k)
    return long.reshape(rows, columns)[:, : columns - k + 1]


def _sums_of(values: Any, k: int) -> Any:
    """Add up ``k`` neighbours along the first axis."""
    count = len(values) - k + 1
    parts, power, width, at = [], values, 1, 0
    while True:
        if k & width:
            parts.append(power[at : at + count])
            at += width
        if 2 * width > k:
            break
        power = power[:-width] + power[width:]
        width *= 2
    total = parts[0] + parts[1] if len(parts) > 1 else parts[0]
    for part in parts[2:]:
        total += part
    return total
