"""How much of the observed fine structure a forecast still has: power by wavelength.

No echo is valued as in `nowcast.scores.continuous`; a pixel without a forecast is one of no echo.
Dimensions: N frames (batch and lead time together), H rows, W columns, R rings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, Integers, bounded, by_frames, pair, ratio
from nowcast.scores.base import Sums
from nowcast.scores.continuous import FLOOR_DBZ
from nowcast.scores.stacked import stack

CellSize = tuple[float, float]


@dataclass(frozen=True)
class RapsdRatio:
    """Power of the forecast over power of the observed at wavelengths of 8 to 16 km; 1 is best.

    Below 1 the forecast is blurred, above it is rougher than the observed.

    The radially averaged power spectral density of dBZ is added up over the rings of the band, and over
    nowcasts, before it is divided. A pixel that was not observed is no echo (``floor_dbz``) in both, so
    unobserved pixels add the same edge to both and nothing else. A frame without echo adds nothing.

    Source: the spectrum of `radial_spectrum`.
    """

    cell_km: CellSize = (1.0, 1.0)
    """Height and width of a cell, as `nowcast.core.grid.Grid.cell_km` gives them."""
    shortest_km: float = 8.0
    longest_km: float = 16.0
    floor_dbz: float = FLOOR_DBZ

    def __post_init__(self) -> None:
        if not 0 < self.shortest_km < self.longest_km:
            raise SettingsError(
                f"rapsd: got wavelengths of {self.shortest_km:g} to {self.longest_km:g} km, expected "
                "0 < shortest < longest"
            )
        if not all(0 < 2 * side <= self.shortest_km for side in self.cell_km):
            raise SettingsError(
                f"rapsd: got cells of {self.cell_km[0]:g} x {self.cell_km[1]:g} km, expected sides above 0 and "
                f"at most half the shortest wavelength of {self.shortest_km:g} km"
            )

    @property
    def name(self) -> str:
        """``rapsd_ratio`` for 8 to 16 km, else with the wavelengths."""
        band = (self.shortest_km, self.longest_km)
        return "rapsd_ratio" + ("" if band == (8.0, 16.0) else f"_{band[0]:g}_{band[1]:g}")

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up the power in the band, ``forecast`` and ``observed``, each (S,)."""
        powers = by_frames(self._frames, pair(forecast, observed), parts=2)
        return dict(zip(("forecast", "observed"), powers, strict=True))

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where no echo was observed, or where a frame is too small for the wavelengths."""
        return ratio(sums["forecast"], sums["observed"])

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        predicted, true, observed_mask = bounded(pair(forecast, observed), self.floor_dbz)
        predicted = np.where(observed_mask, predicted, self.floor_dbz)
        wavelengths = ring_wavelengths(predicted.shape[1:], self.cell_km)
        band = (wavelengths >= self.shortest_km) & (wavelengths <= self.longest_km)
        return np.stack(
            [
                [radial_spectrum(frame - self.floor_dbz, self.cell_km)[band].sum() for frame in side]
                for side in (predicted, true)
            ]
        )


@dataclass(frozen=True)
class RapsdRatioMembers:
    """`RapsdRatio` of members, each taken for a forecast of its own; 1 is best.

    The mean of members is smooth by nature, a member is not: this tells whether it looks like radar. The first
    few members stand for all, as each transform takes as long as that of the one field.
    """

    of_one: RapsdRatio = RapsdRatio()
    most_members: int = 4
    reads: ClassVar[str] = "members"

    @property
    def name(self) -> str:
        """That of one field, and ``_members``."""
        return f"{self.of_one.name}_members"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up the power in the band over members, ``forecast`` and ``observed``, each (S,)."""
        both = stack(forecast, observed)
        first = both.forecast[: self.most_members]
        each = [self.of_one.sums(first[m], both.observed) for m in range(len(first))]
        return {key: sum(one[key] for one in each) for key in each[0]}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish, as for one field."""
        return self.of_one.value(sums)


def radial_spectrum(frame: Floats, cell_km: CellSize) -> Floats:
    """The mean power spectral density of each ring of wavenumbers: (H, W) -> (R,).

    Ring r holds the wavenumbers whose length, in cycles over the longer side of the frame, rounds to r.
    On a square frame of square cells this is the definition of pysteps; elsewhere rings are
    circles in cycles per kilometre, not in index. An empty ring has no power.

    Source: Ruzanski and Chandrasekar 2011 (IEEE TGRS 49, 3); Pulkkinen et al. 2019 (GMD 12), pysteps.
    """
    from scipy.fft import fft2

    ring, sizes = _rings(frame.shape, cell_km)
    power = np.abs(fft2(frame)) ** 2 / frame.size
    total = np.bincount(ring.ravel(), weights=power.ravel(), minlength=len(sizes))
    return np.asarray(total / np.maximum(sizes, 1))


def ring_wavelengths(shape: tuple[int, ...], cell_km: CellSize) -> Floats:
    """The wavelength of each ring in kilometres (R,), infinite for ring 0."""
    _, sizes = _rings(shape, cell_km)
    longer = max(n * d for n, d in zip(shape, cell_km, strict=True))
    return np.concatenate([[np.inf], longer / np.arange(1, len(sizes))])


@lru_cache(maxsize=4)
def _rings(shape: tuple[int, ...], cell_km: CellSize) -> tuple[Integers, Integers]:
    """The ring of each wavenumber in the order of the transform, and how many lie in each ring."""
    longer = max(n * d for n, d in zip(shape, cell_km, strict=True))
    rows, columns = (np.fft.fftfreq(n, d) * longer for n, d in zip(shape, cell_km, strict=True))
    ring = np.rint(np.hypot(rows[:, None], columns[None, :])).astype(np.int64)
    return ring, np.bincount(ring.ravel())
