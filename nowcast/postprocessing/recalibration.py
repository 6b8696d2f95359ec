"""Recalibration: a forecast probability becomes the frequency that it stood for on validation days.

Dimensions: K thresholds, S lead times, B bins of probability, H rows, W columns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import PROBABILITY
from nowcast.core.stripes import in_stripes
from nowcast.core.times import minutes
from nowcast.postprocessing.probability_bins import CENTRES, LEAST, WIDTH, Floats, probability

Method = Literal["identity", "logistic", "isotonic"]
Array = npt.NDArray[np.float32]
_STEEPEST = 50.0


@dataclass(frozen=True)
class RecalibrationTable:
    """A map of probabilities for each threshold and lead time, linear in logits between bins."""

    thresholds_dbz: tuple[float, ...]
    """K, rising: those of the forecaster."""
    lead_minutes: tuple[float, ...]
    """S, rising."""
    methods: tuple[Method, ...]
    """By threshold, how the map was fitted; the identity leaves probabilities as they are."""
    logits: tuple[tuple[tuple[float, ...], ...], ...]
    """(K, S, B): the recalibrated probability at the centre of each bin, as logit; never falls along B.
    Empty (K, 0) for a threshold whose method is the identity."""

    def __post_init__(self) -> None:
        rising = all(v and (np.diff(v) > 0).all() for v in (self.thresholds_dbz, self.lead_minutes))
        counts = {len(self.thresholds_dbz), len(self.methods), len(self.logits)}
        shapes = all(
            [len(row) for row in rows] == [len(CENTRES)] * (len(self.lead_minutes) * (method != "identity"))
            for method, rows in zip(self.methods, self.logits, strict=False)
        )
        if not rising or len(counts) > 1 or not shapes or self.lead_minutes[0] <= 0:
            raise SettingsError(
                complain(
                    "recalibration",
                    f"{len(self.logits)} tables for {len(self.thresholds_dbz)} thresholds",
                    f"one of {len(CENTRES)} bins for each rising threshold and lead time",
                    "make it with 'nowcast calibrate'",
                )
            )
        for rows in self.logits:
            table = np.array(rows, np.float64)
            if table.size and ((np.diff(table, axis=1) < 0).any() or np.abs(table).max() > _STEEPEST):
                raise SettingsError(
                    complain(
                        "recalibration",
                        "a map that falls or leaves the range of probabilities",
                        "one that never falls",
                        "make it with 'nowcast calibrate'",
                    )
                )

    @property
    def changes(self) -> bool:
        """Whether any threshold has a map that is not the identity."""
        return any(method != "identity" for method in self.methods)

    def apply(
        self, probabilities: Array, lead_times: npt.NDArray[np.timedelta64], overwrite: bool = False
    ) -> Array:
        """Return recalibrated probabilities (K, S', H, W) that never rise with the threshold.

        Between known lead times maps are linear in the lead time, from the identity at lead time 0 on;
        beyond the last one nothing is known and the identity holds. NaN stays NaN. With ``overwrite`` they take
        the place of those given: of a large grid there is no room for both.
        """
        found = probabilities if overwrite else np.array(probabilities, np.float32)
        for k, rows in enumerate(self.logits):
            if rows:
                for s, lead in enumerate(lead_times):
                    logits = self._at(rows, minutes(lead))
                    for part in in_stripes(found[k, s]):
                        part[:] = _mapped(part, logits)
        if self.changes:
            for weaker, stronger in pairwise(found):
                np.minimum(weaker, stronger, out=stronger)
        return found

    def _at(self, rows: tuple[tuple[float, ...], ...], lead: float) -> Floats | None:
        if lead > self.lead_minutes[-1]:
            return None
        known = [0.0, *self.lead_minutes]
        tables = [CENTRES, *(np.array(row) for row in rows)]
        after = int(np.searchsorted(known, lead))
        share = (lead - known[after - 1]) / (known[after] - known[after - 1])
        return np.asarray((1.0 - share) * tables[after - 1] + share * tables[after])


def _mapped(probabilities: Array, logits: Floats | None) -> Array:
    """Map probabilities (H, W) to those of the logits (B,) at the centres of bins."""
    if logits is None:
        return probabilities
    least = np.float32(probability(logits[0]))
    mapped: Array = np.where(probabilities <= LEAST, least, probabilities)
    some = probabilities > LEAST  # many pixels are far from any rain: no logarithm for these
    # In float32, whose logarithm and exponential take half the time: 1 - p is exact where that matters.
    odds = np.clip(probabilities[some], np.float32(LEAST), np.float32(1.0 - LEAST))
    odds /= np.float32(1.0) - odds
    place = (np.log(odds) - np.float32(CENTRES[0])) * np.float32(1.0 / WIDTH)
    place = np.clip(place, np.float32(0.0), np.float32(len(CENTRES) - 1))
    lower = np.minimum(place.astype(np.int32), len(CENTRES) - 2)
    place -= lower.astype(np.float32)
    place *= np.diff(logits).astype(np.float32)[lower]
    place += logits.astype(np.float32)[lower]
    mapped[some] = 1.0 / (1.0 + np.exp(-place))
    return mapped


@dataclass(frozen=True)
class Recalibration:
    """Replace the exceedance probabilities of a forecast by recalibrated ones; its reflectivity stays.

    Decision thresholds are of the probabilities before: they come first. As every map is rising, events
    called at a decision threshold are those that the recalibrated one would call.
    """

    table: RecalibrationTable
    name: ClassVar[str] = "recalibration"
    past: ClassVar[int] = 0

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Recalibrate; what was observed is not looked at.

        Raises:
            SettingsError: no probabilities, those of other thresholds, or recalibrated ones.
        """
        del observed
        return self._recalibrated(forecast)

    def apply_over(self, forecast: xr.Dataset) -> xr.Dataset:
        """As `apply`, for whoever has just made the forecast: its probabilities (float32) are overwritten."""
        return self._recalibrated(forecast, overwrite=True)

    def _recalibrated(self, forecast: xr.Dataset, overwrite: bool = False) -> xr.Dataset:
        known = tuple(forecast["threshold"].values.tolist()) if PROBABILITY in forecast else ()
        if known != self.table.thresholds_dbz or "recalibration" in forecast.attrs:
            own = ", ".join(f"{t:g}" for t in known) or "no"
            got = "recalibrated ones" if "recalibration" in forecast.attrs else f"those of {own} dBZ"
            wanted = ", ".join(f"{t:g}" for t in self.table.thresholds_dbz)
            raise SettingsError(
                complain(
                    "recalibration: probabilities",
                    got,
                    f"those of {wanted} dBZ as the model forecasts them",
                    "calibrate this model, and apply it once",
                )
            )
        values = self.table.apply(forecast[PROBABILITY].values, forecast["lead_time"].values, overwrite)
        said = json.dumps(dict(zip((f"{t:g}" for t in known), self.table.methods, strict=True)))
        return forecast.assign({PROBABILITY: forecast[PROBABILITY].copy(data=values)}).assign_attrs(
            recalibration=said
        )
