"""A forecast at places: values over lead time, when it rains, how strongly, how likely, how much.

Dimensions: N members, K thresholds, S lead times, H rows, W columns, P places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.rain import ZRelation
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.ensemble import share_reaching
from nowcast.postprocessing.places.labels import (
    BY_FIELD,
    BY_MEMBERS,
    BY_PROBABILITIES,
    FROM_CELL,
    FROM_MEMBERS,
    FROM_MODEL,
    FROM_NOTHING,
    KNOWN,
    OUTSIDE,
    PARTLY,
    UNKNOWN,
)
from nowcast.postprocessing.places.locations import POINT, Location, PlaceCells
from nowcast.postprocessing.places.sums import QUANTILES, with_sum_products, with_sums
from nowcast.postprocessing.places.values import Array, PlaceReduction, PlaceValues
from nowcast.postprocessing.places.verified import with_reliability
from nowcast.postprocessing.rain_times import NEVER, RainTimes, rain_times, spread_times

RAIN_DBZ = 10.0
THRESHOLDS_DBZ = np.array([10.0, 20.0, 30.0, 40.0])
"""Of the probabilities of an ensemble whose forecaster has no ladder of its own."""
EVEN_ODDS = 0.5
_ALL_KNOWN = 0.9995


@dataclass(frozen=True)
class PlaceSeries:
    """How a forecast is read at places."""

    places: Sequence[Location]
    cells: PlaceCells
    relation: ZRelation | None
    rain_dbz: float = RAIN_DBZ

    def of(self, forecast: xr.Dataset, observed: xr.DataArray | None = None) -> xr.Dataset:
        """Return the forecast at the places; see `nowcast.workflows.at.at` for what is in it.

        Args:
            forecast: the grid, or the window of it, that the cells count in.
            observed: frames of the same cells up to the forecast reference time.
        """
        reduction = PlaceReduction(self.cells, self.relation, self.rain_dbz)
        field = reduction.values(forecast[NAME].values)
        found = self._frame(forecast).assign(self._field(field, forecast))
        now = None
        if observed is not None:
            seen = reduction.values(observed.values)
            found = found.assign_coords(time=("time", observed["time"].values)).assign(
                observed_reflectivity=(("time", "place"), seen.highest, {"units": "dBZ"}),
                observed_rain_rate=(("time", "place"), seen.mean_rate, {"units": "mm/h"}),
            )
            newest = observed["time"].values == found["forecast_reference_time"].values
            now = PlaceValues(*(each[newest][0] for each in seen)) if newest.any() else None
        members = self._members(forecast, reduction)
        found = with_reliability(self._with_probabilities(found, forecast, reduction, members))
        found = self._with_times(found, field, members, now)
        if self.relation is not None:
            start = None if now is None else now.mean_rate
            found = with_sums(found, field.mean_rate, None if members is None else members.mean_rate, start)
        return with_sum_products(found, forecast, reduction)

    def _frame(self, forecast: xr.Dataset) -> xr.Dataset:
        """The coordinates, and the note of each place."""
        places = self.places
        names = ("lead_time", "valid_time", "forecast_reference_time")
        return xr.Dataset(
            {
                "note": ("place", _texts(p.note for p in places)),
                "cells": ("place", self.cells.count),
                "share_inside": ("place", self.cells.share_inside),
                "smaller_than_cell": ("place", self.cells.smaller),
            },
            coords={
                "place": ("place", _texts(p.name for p in places)),
                "latitude": ("place", np.array([p.latitude for p in places])),
                "longitude": ("place", np.array([p.longitude for p in places])),
                "kind": ("place", _texts(p.kind for p in places)),
                "within_km": ("place", np.array([p.within_km for p in places])),
                **{name: forecast[name].variable for name in names},
            },
            attrs={
                **forecast.attrs,
                "rain_threshold_dbz": self.rain_dbz,
                "z_r_relation": str(self.relation) if self.relation else "",
            },
        )

    def _field(self, field: PlaceValues, forecast: xr.Dataset) -> dict[str, Any]:
        """The one field over lead time, its peak, and what is known."""
        best = np.where(np.isfinite(field.highest), field.highest, -np.inf).argmax(axis=0)
        at_best = np.arange(len(best))
        rain = field.highest[best, at_best] > NO_ECHO_DBZ
        share = field.known_share
        status = np.where(share.min(axis=0) >= _ALL_KNOWN, KNOWN, PARTLY)
        status = np.where(share.max(axis=0) > 0, status, UNKNOWN)
        known = np.isfinite(field.highest)
        last = np.where(known.any(axis=0), len(known) - 1 - known[::-1].argmax(axis=0), 0)
        valid = forecast["valid_time"].values.astype("datetime64[ns]")
        never = np.datetime64("NaT", "ns")
        return {
            "reflectivity": _series(field.highest, "highest reflectivity of a cell of the place", "dBZ"),
            "rain_rate": _series(field.mean_rate, "mean rain of the place", "mm/h"),
            "highest_rain_rate": _series(field.highest_rate, "highest rain of a cell of the place", "mm/h"),
            "wet_share": _series(field.wet_share, "share of what is known of the place where it rains", "1"),
            "known_share": _series(share, "share of the place that is known", "1"),
            "status": ("place", np.where(self.cells.count > 0, status, OUTSIDE).astype(object)),
            "known_until": ("place", np.where(known.any(axis=0), valid[last], never)),
            "peak_reflectivity": ("place", field.highest[best, at_best], {"units": "dBZ"}),
            "peak_rain_rate": ("place", field.highest_rate[best, at_best], {"units": "mm/h"}),
            "peak_time": ("place", np.where(rain, valid[best], never)),
        }

    def _members(self, forecast: xr.Dataset, reduction: PlaceReduction) -> PlaceValues | None:
        """The members' values (N, S, P); None where the forecast has none."""
        if MEMBERS not in forecast:
            return None
        dbz = forecast[MEMBERS].values
        flat = reduction.values(dbz.reshape(-1, *dbz.shape[2:]))
        return PlaceValues(*(each.reshape(*dbz.shape[:2], -1) for each in flat))

    def _with_probabilities(
        self, found: xr.Dataset, forecast: xr.Dataset, reduction: PlaceReduction, members: PlaceValues | None
    ) -> xr.Dataset:
        """Add the probability of reaching each threshold anywhere in a place, and where it comes from."""
        ladder = PROBABILITY in forecast
        thresholds = forecast["threshold"].values if ladder else THRESHOLDS_DBZ
        point = np.array([p.kind == POINT for p in self.places]) | (self.cells.count == 1)
        counted = None if members is None else share_reaching(members.highest, thresholds.tolist())
        if ladder:
            values = forecast[PROBABILITY].values
            own = reduction.highest(values.reshape(-1, *values.shape[2:])).reshape(*values.shape[:2], -1)
            both = own if counted is None else np.where(point, own, counted)
            source = np.where(point, FROM_MODEL, FROM_CELL if counted is None else FROM_MEMBERS)
        elif counted is not None:
            both, source = counted, np.full(len(point), FROM_MEMBERS)
        else:
            return found.assign(probability_source=("place", _texts([FROM_NOTHING] * len(point))))
        attrs = {"long_name": "probability of reaching the threshold anywhere in the place", "units": "1"}
        rates = np.full(len(thresholds), np.nan) if self.relation is None else self.relation.to_rate(thresholds)
        return found.assign_coords(
            threshold=("threshold", thresholds, {"units": "dBZ"}),
            threshold_rain_rate=("threshold", rates, {"units": "mm/h"}),
        ).assign(
            exceedance_probability=(("threshold", "lead_time", "place"), both.astype(np.float32), attrs),
            probability_source=("place", source.astype(object)),
        )

    def _with_times(
        self, found: xr.Dataset, field: PlaceValues, members: PlaceValues | None, now: PlaceValues | None
    ) -> xr.Dataset:
        """Add when rain begins and ends, by members, else by probabilities, else by the one field.

        It begins with the forecast reference time where it rains then and at the first lead time, too.
        """
        leads = found["lead_time"].values.astype("timedelta64[ns]")
        start = found["forecast_reference_time"].values
        nobody = np.full((len(QUANTILES), len(self.places)), NEVER)
        ranges, probability = RainTimes(nobody, nobody), np.full(len(self.places), np.nan)
        rungs = found["threshold"].values if "threshold" in found.coords else np.array([])
        rungs = np.flatnonzero(rungs >= self.rain_dbz - 1e-6)
        with np.errstate(invalid="ignore"):
            if members is not None:
                spread = spread_times(members.highest >= self.rain_dbz, leads, QUANTILES)
                times, ranges, by = spread.median, spread.quantiles, BY_MEMBERS
                known = np.isfinite(members.highest).any(axis=(0, 1))
                probability = np.where(known, spread.probability, np.nan)
            elif len(rungs):
                likely = found["exceedance_probability"].values[rungs[0]]
                times, by = rain_times(likely >= EVEN_ODDS, leads), BY_PROBABILITIES
                probability = np.fmax.reduce(likely, axis=0)
            else:
                times, by = rain_times(field.highest >= self.rain_dbz, leads), BY_FIELD
        begins = times.begins
        if now is not None:
            goes_on = (now.highest >= np.float32(self.rain_dbz)) & (begins == leads[0])
            begins = np.where(goes_on, np.timedelta64(0, "ns"), begins)
        attrs = {"by": by}
        if by == BY_PROBABILITIES:
            attrs["threshold_dbz"] = f"{found['threshold'].values[rungs[0]]:g}"
        spread_dims = ("quantile", "place")
        return found.assign_coords(quantile=("quantile", QUANTILES)).assign(
            rain_begins=("place", start + begins, attrs),
            rain_ends=("place", start + times.ends, attrs),
            rain_begins_quantile=(spread_dims, start + ranges.begins),
            rain_ends_quantile=(spread_dims, start + ranges.ends),
            rain_probability=("place", probability, {"units": "1"}),
        )


def _series(values: Array, long_name: str, units: str) -> tuple[Any, ...]:
    return ("lead_time", "place"), values, {"long_name": long_name, "units": units}


def _texts(values: Any) -> npt.NDArray[np.object_]:
    found = list(values)
    made = np.empty(len(found), object)
    made[:] = found
    return made
