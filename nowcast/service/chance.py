"""How likely the event of a warning is in a forecast, and whether it came in what was observed.

One rule for both: the strongest cell of the place or area, or the mean over its cells, of the rain sum of the
period or of any frame in it.

Dimensions: M members, S lead times or frames, H rows, W columns, C cells of the place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import NowcastError, SettingsError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.rain import ZRelation, z_r_of_text
from nowcast.core.times import minutes
from nowcast.postprocessing.distribution import survival
from nowcast.postprocessing.places.labels import BY_FIELD, BY_MEMBERS, BY_PROBABILITIES
from nowcast.postprocessing.rain_rate import rate_mm_h
from nowcast.postprocessing.rain_sums import RainSum
from nowcast.service.warning_settings import RAIN_RATE, RAIN_SUM, REFLECTIVITY, WarningSettings

Array = npt.NDArray[np.float32]
HIGHEST_MM_H = 150.0
"""Higher rain rates, which are those of hail, count as this, as in the products of the forecast file."""


class Chance(NamedTuple):
    """How likely an event is."""

    probability: float | None
    """None where one field alone says yes or no; NaN where nothing is known."""
    raised: bool
    onset_minutes: float
    """When it is expected first, after the forecast reference time."""
    by: str
    """What the probability is from: members, probabilities, or the one field."""
    exact: bool = True
    """False where it is a lower bound: that of the likeliest cell and lead time."""
    of_lead_minutes: float | None = None
    """The one lead time that the probability is of; None where it is of several together."""


@dataclass
class Chances:
    """The warnings of one forecast; sums are made once for each period."""

    forecast: xr.Dataset
    observed: xr.DataArray
    """Up to three frames without a gap that end with the forecast reference time."""
    relation: ZRelation | None
    _sums: dict[float, Array] = field(default_factory=dict)

    def of(self, warning: WarningSettings, cells: npt.NDArray[np.intp]) -> Chance:
        """Return how likely the event is in these cells (flat indices into H * W).

        Raises:
            NowcastError: it cannot be told from this forecast.
        """
        leads = np.array([minutes(lead) for lead in self.forecast["lead_time"].values])
        if leads[-1] < warning.minutes:
            raise SettingsError(
                complain(
                    f"warning {warning.name}",
                    f"{warning.minutes:g} min",
                    f"the {leads[-1]:g} min that the forecast reaches",
                    "set lead_times",
                )
            )
        inside = leads <= warning.minutes
        if warning.quantity != RAIN_SUM and not inside.any():
            raise SettingsError(
                complain(
                    f"warning {warning.name}: minutes",
                    f"{warning.minutes:g}",
                    f"at least the first lead time, {leads[0]:g} min",
                    "set minutes",
                )
            )
        ladder = PROBABILITY in self.forecast and MEMBERS not in self.forecast
        if ladder and warning.quantity != RAIN_SUM and warning.of == "anywhere":
            return self._by_ladder(warning, cells, leads[inside])
        if warning.quantity == RAIN_SUM:
            reached = reduced(self._sums_of(warning.minutes).reshape(-1, self._size)[:, cells], warning.of)[
                :, None
            ]
            at = np.zeros(1)
        else:
            near = self._fields()[:, : int(inside.sum())]
            dbz = near.reshape(*near.shape[:2], self._size)[..., cells]
            reached = reduced(self._quantity(dbz, warning), warning.of)
            at = leads[inside]
        return self._counted(warning, reached, at)

    def _counted(self, warning: WarningSettings, values: Array, at: npt.NDArray[np.floating]) -> Chance:
        """Count members whose value (M, S) reaches the event, now and up to each time."""
        if np.isnan(values).all():
            return Chance(float("nan"), False, float(at[0]), BY_MEMBERS if len(values) > 1 else BY_FIELD)
        yes = np.logical_or.accumulate(values >= np.float32(warning.at_least), axis=1)
        share = yes.mean(axis=0)
        if MEMBERS not in self.forecast:
            return Chance(None, bool(share[-1] >= 1), float(at[int(np.argmax(share))]), BY_FIELD)
        probability = float(share[-1])
        raised = probability >= warning.probability
        first = int(np.argmax(share >= min(warning.probability, max(probability, 1e-9))))
        one = float(at[0]) if len(at) == 1 and at[0] > 0 else None
        return Chance(probability, raised, float(at[first]), BY_MEMBERS, of_lead_minutes=one)

    def _by_ladder(
        self, warning: WarningSettings, cells: npt.NDArray[np.intp], leads: npt.NDArray[np.floating]
    ) -> Chance:
        """Take the likeliest cell and lead time: for one cell and lead time exact, else a lower bound."""
        ladder = self.forecast[PROBABILITY].values[:, : len(leads)]
        held = ladder.reshape(*ladder.shape[:2], -1)[..., cells]
        dbz = warning.at_least
        if warning.quantity == RAIN_RATE:
            dbz = float(self._z_r.to_dbz(warning.at_least))
        thresholds = self.forecast["threshold"].values
        exact = np.flatnonzero(np.isclose(thresholds, dbz, atol=1e-4))
        if len(exact):
            found = held[exact[0]]
        else:
            tail = self.forecast.attrs.get("tail_dbz")
            found = survival(held, thresholds, dbz, None if tail is None else float(tail))
        if np.isnan(found).all():
            return Chance(float("nan"), False, float(leads[0]), BY_PROBABILITIES)
        by_lead = np.fmax.reduce(found, axis=1)
        probability = float(np.nanmax(by_lead))
        first = int(np.argmax(np.nan_to_num(by_lead) >= min(warning.probability, probability)))
        whole = len(cells) == 1 and len(leads) == 1
        return Chance(
            probability,
            probability >= warning.probability,
            float(leads[first]),
            BY_PROBABILITIES,
            whole,
            float(leads[int(np.nanargmax(by_lead))]),
        )

    @property
    def _z_r(self) -> ZRelation:
        if self.relation is None:
            raise NowcastError("no Z-R relation is known; set z_r")
        return self.relation

    @property
    def _size(self) -> int:
        return int(self.forecast.sizes["y"] * self.forecast.sizes["x"])

    def _fields(self) -> Array:
        held = self.forecast[MEMBERS].values if MEMBERS in self.forecast else self.forecast[NAME].values[None]
        return np.asarray(held, np.float32)

    def _quantity(self, dbz: Array, warning: WarningSettings) -> Array:
        return dbz if warning.quantity == REFLECTIVITY else rate_mm_h(dbz, self._z_r, HIGHEST_MM_H)

    def _sums_of(self, period: float) -> Array:
        """Sums (M, H, W) in mm, along the motion of rain as the products of the forecast file have them."""
        if period not in self._sums:
            forecast = self.forecast.drop_vars(PROBABILITY, errors="ignore")
            known = z_r_of_text(str(forecast.attrs.get("z_r_relation", "")))
            own = None if known is not None else self._z_r.name
            self._sums[period] = RainSum(periods_minutes=(period,), z_r=own).sums(forecast, self.observed)[0]
        return self._sums[period]


def reduced(values: npt.NDArray[np.floating], of: str) -> Array:
    """The strongest of the known cells, or their mean: (..., C) becomes (...); NaN where none is known."""
    known = ~np.isnan(values)
    if of == "mean":
        total = np.where(known, values, 0.0).sum(axis=-1, dtype=np.float64)
        count = known.sum(axis=-1)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float32)
    return np.asarray(np.fmax.reduce(values, axis=-1), np.float32)


def plain_number(value: Any, digits: int = 4) -> float | None:
    """A number for a document; None where there is none."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
