"""How likely a rain rate is reached, from probabilities of reflectivity or from members.

Dimensions: K thresholds of reflectivity, S lead times, H rows, W columns.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import PROBABILITY
from nowcast.core.rain import ZRelation
from nowcast.postprocessing.distribution import survival
from nowcast.postprocessing.ensemble import (
    add_variables,
    check_rising,
    members_of,
    share_reaching,
    side_by_side,
)
from nowcast.postprocessing.members import TAIL_ATTR
from nowcast.postprocessing.rain_rate import relation_for

Array = npt.NDArray[np.float32]
DEFAULT_MM_H = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
HIGHEST_ABOVE_DB = 10.0
"""How far above the last threshold of the probabilities the tail of the distribution is taken at its word."""
_MOST_MM_H = 1000.0


@dataclass(frozen=True)
class RainProbability:
    """The probability of reaching rain rates.

    A rate is turned into dBZ by the Z-R relation. Where the forecast has probabilities, that of the dBZ is read
    off them: between thresholds and up to `HIGHEST_ABOVE_DB` above the last as
    `nowcast.postprocessing.distribution` says. Else it is the share of the members that reach it.
    """

    thresholds_mm_h: tuple[float, ...] = ()
    """Where none are named, those of 0.5, 1, 2, 5, 10, 20 and 50 mm/h that the probabilities tell."""
    z_r: str | None = None
    """Name of the Z-R relation, for an archive that names none."""
    name: ClassVar[str] = "rain_probability"
    past: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.thresholds_mm_h:
            check_rising(f"{self.name}: thresholds_mm_h", self.thresholds_mm_h, 1e-3, _MOST_MM_H, "0.5, 5, 20")

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add ``rain_rate_exceedance_probability`` (rain_rate_threshold, lead_time, y, x).

        Raises:
            SettingsError: no Z-R relation, or a threshold that the probabilities do not tell.
            NowcastError: neither probabilities nor members.
        """
        del observed
        relation = relation_for(forecast.attrs, self.z_r, f"product {self.name}")
        if PROBABILITY in forecast:
            rates, found = self._from_probabilities(forecast, relation)
        else:
            rates = self.thresholds_mm_h or DEFAULT_MM_H
            members = members_of(forecast, self.name)
            dbz = [float(relation.to_dbz(rate)) for rate in rates]
            found = np.stack([share_reaching(members[:, s], dbz) for s in range(members.shape[1])], axis=1)
        return add_variables(
            forecast,
            {"rain_rate_exceedance_probability": found},
            {"rain_rate_threshold": rates},
            {"z_r_relation": str(relation)},
        )

    def _from_probabilities(self, forecast: xr.Dataset, relation: ZRelation) -> tuple[tuple[float, ...], Array]:
        known, tail = np.asarray(forecast[PROBABILITY].values, np.float32), forecast.attrs.get(TAIL_ATTR)
        thresholds = forecast["threshold"].values.tolist()
        lowest, highest = thresholds[0], thresholds[-1] + HIGHEST_ABOVE_DB
        at = {rate: float(relation.to_dbz(rate)) for rate in self.thresholds_mm_h or DEFAULT_MM_H}
        beyond = {rate: dbz for rate, dbz in at.items() if not lowest <= dbz <= highest}
        if beyond and (self.thresholds_mm_h or len(beyond) == len(at)):
            low, high = (float(relation.to_rate(dbz)) for dbz in (lowest, highest))
            raise SettingsError(
                complain(
                    f"{self.name}: thresholds",
                    ", ".join(f"{r:g} mm/h ({d:.1f} dBZ)" for r, d in beyond.items()),
                    f"{low:.2g} to {high:.3g} mm/h: the probabilities reach from {lowest:g} to "
                    f"{thresholds[-1]:g} dBZ, and {HIGHEST_ABOVE_DB:g} dB further",
                    "choose others",
                )
            )
        rates = tuple(rate for rate in at if rate not in beyond)
        found = np.empty((len(rates), *known.shape[1:]), np.float32)

        def fill(lead: int) -> None:
            falling = np.minimum.accumulate(known[:, lead], axis=0)  # NaN at any threshold is NaN from there on
            falling[:, np.isnan(falling[-1])] = np.nan
            for k, rate in enumerate(rates):
                low_at = max(bisect_right(thresholds, at[rate]) - 1, 0)
                near = slice(low_at, low_at + 2)  # no other thresholds matter
                found[k, lead] = survival(
                    falling[near], thresholds[near], at[rate], None if tail is None else float(tail)
                )

        side_by_side(fill, known.shape[1])
        return rates, found
