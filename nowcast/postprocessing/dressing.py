"""Dressing: a forecast of dBZ alone gets the probabilities that forecasts like it had on validation days.

What a pixel's forecast is like: the share of its neighbourhood that reaches the threshold, and the share that
reaches 10 dB less. The width of the neighbourhood belongs to the threshold and grows with the lead time, as
the displacement of rain that a forecast gets wrong does.
Dimensions: K thresholds, S lead times, F classes of a share, H rows, W columns.

Source: the share of a neighbourhood in Lagrangian coordinates as a probability: Germann and Zawadzki 2004 (J.
Applied Meteorology 43), "local Lagrangian". That it is looked up among past errors of the same forecaster
rather than taken for the probability itself is dressing as Roulston and Smith 2003 (Tellus 55A) mean it, with
the frequency of the event in place of drawn errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.times import minutes
from nowcast.postprocessing.labels import with_probabilities

Array = npt.NDArray[np.float32]
Classes = npt.NDArray[np.uint8]
LOWER_DB = 10.0
"""How far under the threshold the second share is taken."""
SHARE_EDGES = (0.0005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)
"""Between classes of the share of a neighbourhood."""
SHARES = len(SHARE_EDGES) + 1
_FINE = 2000
_SHARE_CLASS = np.searchsorted(SHARE_EDGES, np.arange(_FINE + 1) / _FINE, side="right").astype(np.uint8)


@dataclass(frozen=True)
class DressingTable:
    """How often the event came, by threshold, lead time, and classes of the two shares."""

    thresholds_dbz: tuple[float, ...]
    """K, rising."""
    lead_minutes: tuple[float, ...]
    """S, rising."""
    widths_km: tuple[tuple[float, ...], ...]
    """(K, S): of the neighbourhood."""
    frequencies: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]
    """(K, S, F, F), in [0, 1], by the share that reaches `LOWER_DB` less, then by that which reaches the
    threshold; never falls along either."""

    def __post_init__(self) -> None:
        rising = all(v and (np.diff(v) > 0).all() for v in (self.thresholds_dbz, self.lead_minutes))
        shape = len(self.thresholds_dbz), len(self.lead_minutes)
        ragged = {len(row) for table in self.frequencies for rows in table for row in rows} != {SHARES}
        ragged |= {len(rows) for table in self.frequencies for rows in table} != {SHARES}
        for part in (self.widths_km, self.frequencies):
            ragged |= (len(part), *{len(row) for row in part}) != shape
        if not rising or ragged or self.lead_minutes[0] <= 0:
            raise SettingsError(
                complain(
                    "dressing",
                    "tables of another shape",
                    f"{SHARES} x {SHARES} classes for each rising threshold and lead time",
                    "make it with 'nowcast calibrate'",
                )
            )
        found, widths = np.array(self.frequencies), np.array(self.widths_km)
        falls = any((np.diff(found, axis=axis) < 0).any() for axis in (2, 3))
        possible = found.min() >= 0 and found.max() <= 1 and widths.min() > 0 and widths.max() < 1e4
        if not possible or falls:
            raise SettingsError(
                complain(
                    "dressing",
                    "a frequency that falls or is none, or a width that cannot be",
                    "frequencies in [0, 1] that rise with the forecast, and km",
                    "make it with 'nowcast calibrate'",
                )
            )

    def probabilities(self, dbz: Array, lead_times: npt.NDArray[np.timedelta64], cell_km: float) -> Array:
        """Return probabilities (K, S', H, W) for forecasts of dBZ (S', H, W), never rising with the threshold.

        Between known lead times they are linear in the lead time, from certainty at lead time 0 on; beyond
        the last one, and where the forecast is NaN, they are NaN.
        """
        found = np.full((len(self.thresholds_dbz), *dbz.shape), np.nan, np.float32)
        known = [0.0, *self.lead_minutes]
        for s, (frame, lead) in enumerate(zip(dbz, (minutes(lead) for lead in lead_times), strict=True)):
            if lead > known[-1]:
                continue
            after = int(np.searchsorted(known, lead))
            share = (lead - known[after - 1]) / (known[after] - known[after - 1])
            shares, unknown = Shares(frame, cell_km), np.isnan(frame)
            for k in range(len(found)):
                p = np.float32(share) * self._looked_up(shares, k, after - 1)
                if share < 1.0:
                    p = p + np.float32(1.0 - share) * self._looked_up(shares, k, after - 2)
                found[k, s] = np.where(unknown, np.float32(np.nan), p)
        return np.minimum.accumulate(found, axis=0)

    def _looked_up(self, shares: Shares, k: int, s: int) -> Array:
        """Of each pixel (H, W), the frequency at a known lead time; s = -1 is lead time 0, which is certain."""
        threshold = self.thresholds_dbz[k]
        if s < 0:
            return np.asarray(shares.dbz >= threshold, np.float32)
        lower, upper = shares.both(threshold, self.widths_km[k][s])
        return np.asarray(self.frequencies[k][s], np.float32)[lower, upper]


class Shares:
    """Classes of the shares of neighbourhoods of one forecast frame (H, W), each computed once.

    Pixels without a forecast (NaN) are no part of a neighbourhood.
    """

    def __init__(self, dbz: Array, cell_km: float) -> None:
        self.dbz, self._cell_km = dbz, cell_km
        self._known = np.asarray(~np.isnan(dbz), np.float32)
        self._of_known: dict[int, Array] = {}
        """Share of the neighbourhood that is known, by its cells."""
        self._found: dict[tuple[float, int], Classes] = {}

    def both(self, threshold_dbz: float, width_km: float) -> tuple[Classes, Classes]:
        """Classes (H, W) of the share that reaches `LOWER_DB` less than a threshold, and of the threshold's."""
        cells = cells_of(width_km, self._cell_km)
        return self.of(threshold_dbz - LOWER_DB, cells), self.of(threshold_dbz, cells)

    def of(self, threshold_dbz: float, cells: int) -> Classes:
        """Classes (H, W) of the share that reaches a threshold in squares of so many cells."""
        key = threshold_dbz, cells
        if key not in self._found:
            event = np.asarray(self.dbz >= np.float32(threshold_dbz), np.float32)
            self._found[key] = self._classes(event, cells)
        return self._found[key]

    def _classes(self, event: Array, cells: int) -> Classes:
        if not event.any():
            return np.zeros(event.shape, np.uint8)
        if cells not in self._of_known:
            self._of_known[cells] = np.maximum(_mean(self._known, cells), np.float32(1e-6))
        share = np.clip(_mean(event, cells) / self._of_known[cells], 0.0, 1.0)
        return np.asarray(_SHARE_CLASS[np.rint(share * _FINE).astype(np.int32)])


def _mean(values: Array, cells: int) -> Array:
    """The mean of squares of ``cells``, 0 beyond the edge; it divides out of a share of the known."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(values, cells, mode="constant"))


def cells_of(width_km: float, cell_km: float) -> int:
    """The odd number of cells nearest to a width."""
    return 2 * round((width_km / cell_km - 1.0) / 2.0) + 1 if width_km > cell_km else 1


def mean_cell_km(forecast: xr.Dataset) -> float:
    """Side of a grid cell, mean of height and width."""
    return float(np.mean(Grid.of(forecast[NAME]).cell_km))


@dataclass(frozen=True)
class Dressing:
    """Add exceedance probabilities to a forecast that has none; its reflectivity stays.

    It reads the forecast's dBZ as the forecaster made it: decision thresholds come after.
    """

    table: DressingTable
    name: ClassVar[str] = "dressing"
    past: ClassVar[int] = 0

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Dress; what was observed is not looked at.

        Raises:
            SettingsError: a forecast with probabilities, or one that decision thresholds were applied to.
        """
        del observed
        if PROBABILITY in forecast or forecast.attrs.get("decision_thresholds"):
            got = "one with probabilities" if PROBABILITY in forecast else "one after decision thresholds"
            raise SettingsError(
                complain(
                    "dressing: forecast",
                    got,
                    "dBZ alone, as the model forecasts it",
                    "leave dressing out, or dress first",
                )
            )
        values = self.table.probabilities(
            forecast[NAME].values, forecast["lead_time"].values, mean_cell_km(forecast)
        )
        return with_probabilities(forecast, values, self.table.thresholds_dbz).assign_attrs(
            dressing="frequencies of validation days by shares of the neighbourhood"
        )
