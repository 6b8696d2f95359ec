"""Counts from which the decision thresholds of a forecaster are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import NAME, PROBABILITY
from nowcast.scores.decision import ChosenThresholds, DbzDecisionCounts, ProbabilityDecisionCounts


class CalibrationCounts:
    """Counts of one model over a grid of candidates: not the forecasts are kept.

    A model whose forecasts hold exceedance probabilities is calibrated on those, at its own thresholds; any
    other on its reflectivity, at the thresholds given.

    Args:
        thresholds_dbz: of events, rising.
        lead_times: how many.
    """

    def __init__(self, thresholds_dbz: Sequence[float], lead_times: int) -> None:
        self.thresholds_dbz = tuple(float(t) for t in thresholds_dbz)
        self.kind: Literal["dbz", "probability"] = "dbz"
        self._lead_times = lead_times
        self._counts: DbzDecisionCounts | ProbabilityDecisionCounts | None = None

    def add(self, forecast: xr.Dataset, observed: npt.NDArray[np.float32]) -> None:
        """Count one forecast against what was observed (S, H, W)."""
        if self._counts is None:
            if PROBABILITY in forecast:
                self.kind = "probability"
                self.thresholds_dbz = tuple(forecast["threshold"].values.tolist())
            make = ProbabilityDecisionCounts if self.kind == "probability" else DbzDecisionCounts
            self._counts = make(self.thresholds_dbz, self._lead_times)
        self._counts.add(forecast[PROBABILITY if self.kind == "probability" else NAME].values, observed)

    def merge(self, other: CalibrationCounts) -> None:
        """Add what other counts of the same model have seen."""
        if other._counts is None:
            return
        if self._counts is None:
            self.kind, self.thresholds_dbz, self._counts = other.kind, other.thresholds_dbz, other._counts
        else:
            self._counts.merge(other._counts)

    def choose(self) -> ChosenThresholds:
        """The decision thresholds of highest CSI; `nowcast.scores.decision` says how ties are decided."""
        assert self._counts is not None, "nothing was counted"
        return self._counts.choose()
