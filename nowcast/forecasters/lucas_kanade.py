"""Dense Lucas-Kanade motion of all past frames at once, coarse to fine, with Gaussian windows.

Letters: T past frames, H rows, W columns; h, w the same at a coarser level of the pyramid.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nowcast.core.errors import SettingsError, complain

Array = npt.NDArray[np.float32]
_TINY = 1e-6
_TRUNCATE = 3.0
_FEWEST_CELLS = 8
"""A level of the pyramid has at least this many cells along its shorter side."""


@dataclass(frozen=True)
class LucasKanade:
    """One steady motion that explains every pair of past frames in the least-squares sense.

    Within a Gaussian window the motion is taken as constant (Lucas and Kanade, 1981). Three things make
    it fit for rain: all pairs of the past enter the same normal equations, so that a pair with little
    to see does no harm; a wider window and the whole frame enter with a small weight, so that dry
    and unobserved areas take over the motion around them; and a derivative counts only where both
    frames saw the pixel and all its neighbours, so that the edge of the coverage does not look like an echo
    that stands still.

    Source: Lucas and Kanade (1981), Proc. IJCAI, 674-679; Bouguet (2001) for the pyramid.
    """

    window: float = 20.0
    """Standard deviation of the window in cells."""
    blur: float = 2.0
    """Standard deviation in cells of each level by which frames are smoothed before derivatives."""
    levels: tuple[int, ...] = (16, 8, 4, 2)
    """Cells of the frame along the side of one cell of each level, coarse to fine."""
    iterations: int = 2
    wide_factor: float = 3.0
    """How much wider the second window is."""
    wide_weight: float = 0.1
    frame_weight: float = 1e-3
    """Weight of the mean over the whole frame: what holds where nothing else is near."""
    newest_weight: float = 6.0
    """Weight of the newest pair against the oldest, rising evenly between."""

    def __post_init__(self) -> None:
        falling = all(a > b for a, b in pairwise(self.levels))
        if not self.levels or not falling or self.levels[-1] < 1 or self.iterations < 1:
            raise SettingsError(
                complain("lucas_kanade: levels, iterations", f"{self.levels}, {self.iterations}",
                         "falling sides of at least one cell and at least one iteration",
                         "for example (16, 8, 4, 2) and 2")
            )
        if min(self.window, self.wide_factor, self.newest_weight) <= 0 or self.blur < 0:
            raise SettingsError("lucas_kanade: window, wide_factor, newest_weight must be above zero")

    def estimate(self, frames: Array, seen: npt.NDArray[np.bool_]) -> Array:
        """Estimate motion as `MotionMethod.estimate`."""
        shape = frames.shape[1:]
        motion: Array | None = None
        before = 1
        for side in self._fitting(shape):
            level = np.stack([ndimage.gaussian_filter(f, self.blur, mode="nearest")
                              for f in _coarser(frames, side)])
            trusted = np.stack([ndimage.minimum_filter(s, 3) for s in _coarser(seen, side)]) > 1 - _TINY
            start = None if motion is None else _resample(motion, before, side, level.shape[1:])
            motion = self._refine(level, trusted, start, side)
            before = side
        assert motion is not None
        return _resample(motion, before, 1, shape)

    def _fitting(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        fitting = tuple(side for side in self.levels if min(shape) // side >= _FEWEST_CELLS)
        return fitting or (1,)

    def _refine(
        self, frames: Array, trusted: npt.NDArray[np.bool_], motion: Array | None, side: int
    ) -> Array:
        """Improve the motion (2, h, w) on one level."""
        rows, columns = frames.shape[1:]
        if motion is None:
            motion = np.zeros((2, rows, columns), np.float32)
        weights = np.linspace(1.0 / self.newest_weight, 1.0, len(frames) - 1, dtype=np.float32)
        for _ in range(self.iterations):
            products = np.zeros((5, rows, columns), np.float32)
            for t, weight in enumerate(weights):
                products += weight * _products(frames[t : t + 2], trusted[t : t + 2], motion)
            motion = _solve(self._gather(products, self.window / side))
        return motion

    def _gather(self, products: Array, sigma: float) -> Array:
        """Sum the normal equations over the window, the wider window and the frame."""
        frame = products.mean((1, 2), keepdims=True)
        gathered = [
            ndimage.gaussian_filter(p, sigma, mode="constant", truncate=_TRUNCATE)
            + self.wide_weight * ndimage.gaussian_filter(
                p, sigma * self.wide_factor, mode="constant", truncate=_TRUNCATE
            )
            for p in products
        ]
        summed: Array = np.stack(gathered) + np.float32(self.frame_weight) * frame
        return summed


def _products(pair: Array, trusted: npt.NDArray[np.bool_], motion: Array) -> Array:
    """Give the five products of derivatives of which the normal equations are sums: (5, h, w).

    Both frames are warped half-way towards each other, so that no one of them is preferred.
    """
    places = np.mgrid[: pair.shape[1], : pair.shape[2]].astype(np.float32)
    ends = (places - 0.5 * motion, places + 0.5 * motion)
    early, late = (_sample(f, at) for f, at in zip(pair, ends, strict=True))
    both = np.ones(pair.shape[1:], bool)
    for mask, at in zip(trusted, ends, strict=True):
        both &= _sample(mask.astype(np.float32), at, outside=True) > 1 - 1e-3
    along_y, along_x = np.gradient(0.5 * (early + late))
    target = along_y * motion[0] + along_x * motion[1] - (late - early)
    products = np.stack(
        [along_y * along_y, along_y * along_x, along_x * along_x, along_y * target, along_x * target]
    )
    return np.where(both, products, np.float32(0.0)).astype(np.float32)


def _solve(sums: Array) -> Array:
    """Solve the 2 x 2 normal equations at each cell; a tiny ridge makes a dry frame stand still."""
    a, b, c, p, q = sums.astype(np.float64)
    a, c = a + _TINY, c + _TINY
    determinant = a * c - b * b
    return np.stack([(c * p - b * q) / determinant, (a * q - b * p) / determinant]).astype(np.float32)


def _coarser(frames: npt.NDArray[np.generic], side: int) -> Array:
    """Average blocks of ``side`` cells; edges are repeated to fill the last block."""
    count, rows, columns = frames.shape
    padded = np.pad(frames, ((0, 0), (0, -rows % side), (0, -columns % side)), mode="edge")
    blocks = padded.reshape(count, padded.shape[1] // side, side, padded.shape[2] // side, side)
    coarse: Array = blocks.mean((2, 4), dtype=np.float32)
    return coarse


def _resample(motion: Array, before: int, side: int, shape: tuple[int, ...]) -> Array:
    """Bring motion from cells of side ``before`` to cells of side ``side``, values included."""
    ratio = np.float32(before / side)
    places = (np.mgrid[: shape[0], : shape[1]].astype(np.float32) + 0.5) / ratio - 0.5
    resampled: Array = np.stack([_sample(component, places) for component in motion]) * ratio
    return resampled


def _sample(values: Array, places: Array, outside: bool = False) -> Array:
    mode = "grid-constant" if outside else "nearest"
    sampled: Array = ndimage.map_coordinates(values, places, order=1, mode=mode)
    return sampled
