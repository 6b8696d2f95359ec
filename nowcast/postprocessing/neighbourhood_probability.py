"""How likely a reflectivity is reached anywhere near: from members, within circles.

Dimensions: R radii, K thresholds, M members, S lead times, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ, NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.discs import half_widths, highest_within
from nowcast.postprocessing.ensemble import add_variables, check_rising, members_of, side_by_side

Array = npt.NDArray[np.float32]
_FURTHEST_KM = 500.0
_DEFAULT_DBZ = (20.0, 30.0, 40.0)


@dataclass(frozen=True)
class NeighbourhoodProbability:
    """The share of members that reach a threshold at some pixel within a radius.

    A circle is made of the cells whose centres are within the radius, with the size of the middle cell of the
    grid. Pixels of it that are not known, and those beyond the grid, count as not reached, so that at the edge
    of what is known the probability is a lower bound; it is NaN where the pixel itself is not known in all
    members.

    Source: Schwartz and Sobash (2017), Mon. Wea. Rev. 145, 3397-3418 (neighbourhood maximum ensemble
    probability).
    """

    radii_km: tuple[float, ...] = (5.0, 20.0, 40.0)
    thresholds_dbz: tuple[float, ...] = ()
    """Those of the forecast's probabilities where none are named, else 20, 30 and 40 dBZ."""
    name: ClassVar[str] = "neighbourhood_probability"
    past: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_rising(f"{self.name}: radii_km", self.radii_km, 0.0, _FURTHEST_KM, "5, 20, 40")
        if self.thresholds_dbz:
            check_rising(
                f"{self.name}: thresholds_dbz", self.thresholds_dbz, NO_ECHO_DBZ, HIGHEST_DBZ, "20, 30, 40"
            )

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add ``neighbourhood_probability`` (radius_km, threshold, lead_time, y, x).

        Raises:
            NowcastError: no members.
            SettingsError: a threshold under the lowest of the forecast's probabilities, which no member tells.
        """
        del observed
        members = members_of(forecast, self.name)
        thresholds = self._thresholds(forecast)
        cell_km = Grid.of(forecast[NAME]).cell_km
        circles = [half_widths(radius, cell_km) for radius in self.radii_km]
        found = np.empty((len(circles), len(thresholds), *members.shape[1:]), np.float32)

        def fill(lead: int) -> None:
            found[:, :, lead] = _within(members[:, lead], thresholds, circles)

        side_by_side(fill, members.shape[1])
        axes = {"radius_km": self.radii_km, "threshold": thresholds}
        return add_variables(forecast, {self.name: found}, axes)

    def _thresholds(self, forecast: xr.Dataset) -> tuple[float, ...]:
        ladder = tuple(forecast["threshold"].values.tolist()) if PROBABILITY in forecast else ()
        if ladder and self.thresholds_dbz and ladder != self.thresholds_dbz:
            raise SettingsError(
                complain(
                    f"{self.name}: thresholds_dbz",
                    ", ".join(f"{t:g}" for t in self.thresholds_dbz),
                    f"{', '.join(f'{t:g}' for t in ladder)}, as of the forecast's probabilities",
                    "leave them out",
                )
            )
        return ladder or self.thresholds_dbz or _DEFAULT_DBZ


def _within(members: Array, thresholds: tuple[float, ...], circles: list[list[int]]) -> Array:
    """Share of members (M, H, W) that reach each threshold within each circle: (R, K, H, W)."""
    counts = np.zeros((len(circles), len(thresholds), *members.shape[1:]), np.uint16)
    for member in members:
        reached = np.zeros(member.shape, np.uint8)
        for threshold in thresholds:
            reached += member >= np.float32(threshold)
        for count, widths in zip(counts, circles, strict=True):
            highest = highest_within(reached, widths)
            for k in range(len(thresholds)):
                count[k] += highest > k
    share: Array = np.divide(counts, np.float32(len(members)), dtype=np.float32)
    share[:, :, np.isnan(members).any(axis=0)] = np.nan
    return share
