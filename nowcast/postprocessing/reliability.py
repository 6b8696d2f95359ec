"""Reliability: how often it happened where a forecast gave it a probability; counts that add up.

Dimensions: K thresholds, S lead times, R bins of probability.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import PROBABILITY
from nowcast.core.plain_values import parse_json
from nowcast.core.settings import build, plain
from nowcast.core.times import minutes

Floats = npt.NDArray[np.float64]
EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Between bins: finer where probabilities are small, as those of heavy rain are."""
BINS = len(EDGES) + 1
ATTRIBUTE = "reliability"
"""Of a forecast: the table of its forecaster as JSON."""
_Table = tuple[tuple[tuple[float, ...], ...], ...]


class Point(NamedTuple):
    """One answer of a table."""

    observed_frequency: float
    """NaN where there was no case."""
    cases: int


@dataclass(frozen=True)
class ReliabilityTable:
    """Counts by threshold, lead time and bin of probability, (K, S, R) each."""

    thresholds_dbz: tuple[float, ...]
    lead_minutes: tuple[float, ...]
    cases: _Table
    forecast: _Table
    """Mean forecast probability; 0 without cases."""
    observed: _Table
    """Frequency of the event; 0 without cases."""
    inflation: float = 1.0
    """How much more the counts of a block of time vary than those of as many independent pixels would."""

    def __post_init__(self) -> None:
        shape = len(self.thresholds_dbz), len(self.lead_minutes), BINS
        parts = [self.cases, self.forecast, self.observed]
        fits = all(
            len(part) == shape[0]
            and all(len(rows) == shape[1] and all(len(row) == BINS for row in rows) for rows in part)
            for part in parts
        )
        rising = all(v and (np.diff(v) > 0).all() for v in (self.thresholds_dbz, self.lead_minutes))
        if not fits or not rising:
            raise SettingsError(
                complain(
                    "reliability",
                    "tables of another shape",
                    f"{BINS} bins for each rising threshold and lead time",
                    "make it with 'nowcast calibrate'",
                )
            )
        cases, forecast, observed = (np.array(p, np.float64) for p in parts)
        probable = all(((v >= 0) & (v <= 1)).all() for v in (forecast, observed))
        if cases.min() < 0 or not probable or not 1 <= self.inflation < 1e12:
            raise SettingsError(
                complain(
                    "reliability",
                    "counts or frequencies that cannot be",
                    "cases of 0 or more and [0, 1]",
                    "make it with 'nowcast calibrate'",
                )
            )

    @classmethod
    def of(
        cls,
        thresholds_dbz: Sequence[float],
        lead_minutes: Sequence[float],
        cases: Floats,
        forecast: Floats,
        observed: Floats,
        inflation: float = 1.0,
    ) -> ReliabilityTable:
        """Make a table of sums (K, S, R): cases, forecast probabilities and events."""
        some = np.maximum(cases, 1.0)
        tables = [
            tuple(tuple(tuple(float(v) for v in row) for row in rows) for rows in values)
            for values in (cases, np.clip(forecast / some, 0, 1), np.clip(observed / some, 0, 1))
        ]
        thresholds, leads = (tuple(float(v) for v in values) for values in (thresholds_dbz, lead_minutes))
        return cls(thresholds, leads, tables[0], tables[1], tables[2], max(inflation, 1.0))

    @classmethod
    def counted(cls, forecast: xr.Dataset, observed: npt.NDArray[np.floating]) -> ReliabilityTable:
        """Count the exceedance probabilities of one forecast against what was observed (S, H, W) in dBZ.

        What was not observed and where there is no forecast (NaN) does not count.

        Raises:
            SettingsError: a forecast without probabilities.
        """
        if PROBABILITY not in forecast:
            raise SettingsError(
                complain(
                    "reliability: forecast",
                    "no probabilities",
                    "exceedance probabilities",
                    "take a forecaster that has them, or dress it with 'nowcast calibrate'",
                )
            )
        values, thresholds = forecast[PROBABILITY].values, forecast["threshold"].values
        sums = np.zeros((3, *values.shape[:2], BINS))
        for k, threshold in enumerate(thresholds):
            for s, frame in enumerate(observed):
                known = ~(np.isnan(frame) | np.isnan(values[k, s]))
                p = np.asarray(values[k, s][known], np.float64)
                event = np.asarray(frame[known] >= np.float32(threshold), np.float64)
                sums[:, k, s] = in_bins(p, np.ones_like(p), event)
        leads = [minutes(lead) for lead in forecast["lead_time"].values]
        return cls.of(thresholds.tolist(), leads, *sums)

    @property
    def sums(self) -> tuple[Floats, Floats, Floats]:
        """Cases, sums of forecast probabilities and events, (K, S, R) each."""
        parts = (self.cases, self.forecast, self.observed)
        cases, forecast, observed = (np.array(part, np.float64) for part in parts)
        return cases, cases * forecast, cases * observed

    def __add__(self, other: object) -> ReliabilityTable:
        """Pool with the counts of other forecasts of the same thresholds and lead times.

        Raises:
            SettingsError: other thresholds or lead times.
        """
        if not isinstance(other, ReliabilityTable):
            return NotImplemented
        own, others = ((t.thresholds_dbz, t.lead_minutes) for t in (self, other))
        if own != others:
            raise SettingsError(
                complain(
                    "reliability",
                    f"thresholds and lead times {others}",
                    f"{own}",
                    "pool tables of one forecaster",
                )
            )
        cases, forecast, observed = (a + b for a, b in zip(self.sums, other.sums, strict=True))
        return ReliabilityTable.of(*own, cases, forecast, observed, max(self.inflation, other.inflation))

    def at(self, threshold_dbz: float, lead_minutes: float, probability: float) -> Point:
        """How often it happened where the forecast was like this: at the nearest threshold and lead time."""
        k = int(np.abs(np.array(self.thresholds_dbz) - threshold_dbz).argmin())
        s = int(np.abs(np.array(self.lead_minutes) - lead_minutes).argmin())
        if not 0.0 <= probability <= 1.0:
            return Point(float("nan"), 0)
        b = int(np.searchsorted(EDGES, probability, side="right"))
        cases = int(self.cases[k][s][b])
        return Point(self.observed[k][s][b] if cases else float("nan"), cases)

    def to_json(self) -> str:
        """The table as one line of JSON, for the attribute `ATTRIBUTE` of a forecast."""
        short = plain(self)
        for key in ("forecast", "observed"):
            short[key] = [[[round(v, 4) for v in row] for row in rows] for rows in short[key]]
        short["cases"] = [[[round(v) for v in row] for row in rows] for rows in short["cases"]]
        return json.dumps(short, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ReliabilityTable:
        """Read what `to_json` wrote.

        Raises:
            SettingsError: not such a text.
        """
        try:
            found = parse_json(text.encode())
        except ValueError as error:
            raise SettingsError(
                complain(
                    "attribute 'reliability'",
                    f"not JSON ({error})",
                    "what a calibrated forecast holds",
                    "forecast again",
                )
            ) from error
        return build(cls, found, "reliability")


def in_bins(probabilities: Floats, cases: Floats, events: Floats) -> Floats:
    """Sort cases of some probabilities (N,) into bins: (3, R) of cases, summed probabilities and events."""
    index = np.searchsorted(EDGES, probabilities, side="right")
    return np.stack([np.bincount(index, w, BINS) for w in (cases, cases * probabilities, events)])


@dataclass(frozen=True)
class Attested:
    """Write into a forecast what is known of its probabilities: how reliable they are, and the tail above."""

    reliability: ReliabilityTable | None = None
    tail_dbz: float | None = None
    """Mean excess of reflectivity over the last threshold where it is reached, in dB."""
    name: ClassVar[str] = "reliability"
    past: ClassVar[int] = 0

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add attributes; nothing else changes."""
        del observed
        attrs: dict[str, Any] = {} if self.reliability is None else {ATTRIBUTE: self.reliability.to_json()}
        return forecast.assign_attrs(attrs | ({} if self.tail_dbz is None else {"tail_dbz": self.tail_dbz}))


def reliability_of(attrs: Mapping[str, Any]) -> ReliabilityTable | None:
    """The table that a forecast carries in its attributes; None where it has none.

    Raises:
        SettingsError: one that cannot be read.
    """
    text = attrs.get(ATTRIBUTE)
    return None if text is None else ReliabilityTable.from_json(str(text))
