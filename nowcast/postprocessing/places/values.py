"""The cells of each place as one value a frame: highest echo, mean rain, wet and known share.

Dimensions: F frames, H rows, W columns, P places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.rain import ZRelation
from nowcast.postprocessing.places.locations import PlaceCells
from nowcast.postprocessing.rain_rate import rate_mm_h

Array = npt.NDArray[np.float32]
HIGHEST_MM_H = 150.0
"""Higher rain rates, which are those of hail, count as this, as in the rain sums of the forecast file."""
_AT_ONCE = 8_000_000
"""Values of cells handled at a time."""


class PlaceValues(NamedTuple):
    """What the cells of each place hold (F, P); NaN where none is known."""

    highest: Array
    """Highest value of a known cell: dBZ, or a probability."""
    mean_rate: Array
    """Plain mean of rain over the known cells, mm/h; NaN where no Z-R relation is known."""
    highest_rate: Array
    wet_share: Array
    """Share of the known cells that are wet."""
    known_share: Array
    """Share of the whole place, what lies beyond the grid included, that is known; 0 to 1, never NaN."""


@dataclass(frozen=True)
class PlaceReduction:
    """How frames become values of places."""

    cells: PlaceCells
    relation: ZRelation | None
    rain_dbz: float

    def highest(self, frames: Array) -> Array:
        """Highest known value of each place's cells (F, P) in frames (F, H, W)."""
        return self._by_place(_flat(frames), np.fmax, np.float32(np.nan))

    def mean(self, frames: Array) -> Array:
        """Plain mean of the known values of each place's cells (F, P) in frames (F, H, W), else NaN."""
        held = _flat(frames)[:, self.cells.index]
        known = np.isfinite(held)
        count = self._sum(known)
        total = self._sum(np.where(known, held, 0.0))
        return np.asarray(total / np.where(count > 0, count, np.nan), np.float32)

    def values(self, dbz: Array) -> PlaceValues:
        """Reduce frames (F, H, W) of dBZ, a few at a time where places have many cells."""
        flat = _flat(dbz)
        step = max(1, _AT_ONCE // max(1, len(self.cells.index)))
        parts = [self._values(flat[i : i + step]) for i in range(0, len(flat), step)]
        return PlaceValues(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _values(self, flat: Array) -> PlaceValues:
        held = flat[:, self.cells.index]
        known = np.isfinite(held)
        count = self._sum(known)
        with np.errstate(invalid="ignore"):
            wet = self._sum(held >= self.rain_dbz) / np.where(count > 0, count, np.nan)
        cells = np.maximum(self.cells.count, 1)
        highest = self._reduced(held, np.fmax, np.float32(np.nan))
        if self.relation is None:
            mean = rate = np.full_like(highest, np.nan)
        else:
            rates = np.where(known, rate_mm_h(held, self.relation, HIGHEST_MM_H), np.float32(0.0))
            mean = np.asarray(self._sum(rates) / np.where(count > 0, count, np.nan), np.float32)
            rate = rate_mm_h(highest, self.relation, HIGHEST_MM_H)
        share = count / cells * self.cells.share_inside
        return PlaceValues(*(np.asarray(each, np.float32) for each in (highest, mean, rate, wet, share)))

    def _by_place(self, flat: Array, how: np.ufunc, empty: np.float32) -> Array:
        step = max(1, _AT_ONCE // max(1, len(self.cells.index)))
        return np.concatenate(
            [
                self._reduced(flat[i : i + step][:, self.cells.index], how, empty)
                for i in range(0, len(flat), step)
            ]
        )

    def _sum(self, held: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        return np.asarray(self._reduced(held.astype(np.float64), np.add, np.float64(0.0)))

    def _reduced(self, held: npt.NDArray[np.floating], how: np.ufunc, empty: np.floating) -> Array:
        """Combine the values (F, N) of each place's cells; ``empty`` where it has none."""
        count = self.cells.count
        found = np.full((len(held), len(count)), empty)
        filled = count > 0
        if filled.any():
            starts = np.concatenate([[0], np.cumsum(count[filled])[:-1]])
            found[:, filled] = how.reduceat(held, starts, axis=1)
        return found


def _flat(frames: Array) -> Array:
    return np.asarray(frames, np.float32).reshape(len(frames), -1)
