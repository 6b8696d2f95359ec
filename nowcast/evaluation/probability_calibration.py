"""What validation days teach of a forecaster's probabilities: recalibration or dressing, reliability, tail.

Dimensions: K thresholds, S lead times, R bins of reliability, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import NAME, PROBABILITY
from nowcast.evaluation.blocks import Blocks
from nowcast.postprocessing.dressing import DressingTable, mean_cell_km
from nowcast.postprocessing.dressing_fit import (
    WIDTHS_KM,
    ClassCounts,
    class_frequencies,
    count_classes,
    fit_dressing,
)
from nowcast.postprocessing.probability_bins import BinCounts, Floats, count
from nowcast.postprocessing.recalibration import Method, RecalibrationTable
from nowcast.postprocessing.recalibration_fit import CASES_PER_SAMPLE, fit, fit_recalibration, recalibrated
from nowcast.postprocessing.reliability import BINS, ReliabilityTable, in_bins

LEAST_TAIL_CASES = 200
"""Observed pixels above the last threshold from which a tail is fitted."""
LEAST_BLOCKS = 4
"""Blocks of time from which it is measured how far their counts vary."""


@dataclass(frozen=True)
class LearntProbabilities:
    """What calibration knows of the probabilities of one forecaster."""

    recalibration: RecalibrationTable | None = None
    dressing: DressingTable | None = None
    reliability: ReliabilityTable | None = None
    tail_dbz: float | None = None
    held_out: tuple[dict[str, float], ...] = ()
    notes: tuple[str, ...] = ()


class ProbabilityLearner:
    """Counts of one forecaster's probabilities, or of its dBZ where it has none; no forecast is kept.

    Args:
        thresholds_dbz: of the events that a forecast of dBZ is dressed for, rising.
    """

    def __init__(self, thresholds_dbz: Sequence[float]) -> None:
        self._thresholds = tuple(float(t) for t in thresholds_dbz)
        self._bins: Blocks[BinCounts] = Blocks()
        self._classes: Blocks[ClassCounts] = Blocks()
        self._excess, self._above = 0.0, 0

    def add(self, forecast: xr.Dataset, observed: npt.NDArray[np.float32]) -> None:
        """Count one forecast against what was observed (S, H, W)."""
        start = forecast["forecast_reference_time"].values.reshape(1)[0]
        if PROBABILITY in forecast:
            self._thresholds = tuple(forecast["threshold"].values.tolist())
            self._bins.add(start, count(forecast[PROBABILITY].values, observed, self._thresholds))
        else:
            dbz = np.asarray(forecast[NAME].values, np.float32)
            self._classes.add(start, count_classes(dbz, observed, self._thresholds, mean_cell_km(forecast)))
        last = self._thresholds[-1]
        above = observed[observed >= np.float32(last)]
        self._excess += float((above.astype(np.float64) - last).sum())
        self._above += above.size

    def merge(self, other: ProbabilityLearner) -> None:
        """Add what another learner of the same forecaster counted."""
        self._thresholds = other._thresholds
        self._bins.merge(other._bins)
        self._classes.merge(other._classes)
        self._excess += other._excess
        self._above += other._above

    def learn(self, lead_minutes: Sequence[float]) -> LearntProbabilities:
        """Fit on all days; say what it is worth by fits that leave out the day they are judged on."""
        tail, note = self._tail()
        if self._bins.each:
            found = fit_recalibration(self._bins.days, self._thresholds, lead_minutes)
            judged = [
                _sorted_bins(counts, maps)
                for own, others in self._bins.held_out()
                for maps in [_maps(others, found.table.methods)]
                for counts in own
            ]
            table = _reliability(judged, self._thresholds, lead_minutes)
            return LearntProbabilities(found.table, None, table, tail, found.held_out, (*found.notes, *note))
        dressing = fit_dressing(self._classes.days, self._thresholds, lead_minutes)
        judged = [
            _sorted_classes(counts, dressing, tables)
            for own, others in self._classes.held_out()
            for tables in [_tables(others, dressing)]
            for counts in own
        ]
        if not judged:
            note = (*note, "one block of six hours: nothing says how reliable the dressing is")
        table = _reliability(judged, self._thresholds, lead_minutes)
        return LearntProbabilities(None, dressing, table, tail, (), note)

    def _tail(self) -> tuple[float | None, tuple[str, ...]]:
        """The scale of an exponential tail above the last threshold, in dB: the mean excess."""
        if self._above < LEAST_TAIL_CASES or self._excess <= 0:
            return None, (
                f"tail above {self._thresholds[-1]:g} dBZ: {self._above} pixels, of at least "
                f"{LEAST_TAIL_CASES}: not fitted",
            )
        return round(self._excess / self._above, 3), ()


def _maps(counts: BinCounts, methods: Sequence[Method]) -> list[list[Floats]]:
    """The map of each threshold and lead time, by the method that its threshold has."""
    return [
        [fit(counts.at(k, s), method) for s in range(counts.cases.shape[1])] for k, method in enumerate(methods)
    ]


def _sorted_bins(counts: BinCounts, maps: list[list[Floats]]) -> Floats:
    """Cases, probabilities and events (3, K, S, R) of a block, recalibrated."""
    found = np.zeros((3, *counts.cases.shape[:2], BINS))
    for k, s in np.ndindex(found.shape[1:3]):
        one = counts.at(k, s)
        found[:, k, s] = in_bins(recalibrated(one, maps[k][s]), one.cases, one.events)
    return found


def _tables(counts: ClassCounts, dressing: DressingTable) -> list[list[Floats]]:
    """The table of each threshold and lead time, of the widths that a dressing has."""
    return [
        [class_frequencies(counts.at(k, s, WIDTHS_KM.index(width))) for s, width in enumerate(widths)]
        for k, widths in enumerate(dressing.widths_km)
    ]


def _sorted_classes(counts: ClassCounts, dressing: DressingTable, tables: list[list[Floats]]) -> Floats:
    """Cases, probabilities and events (3, K, S, R) of a block, dressed."""
    found = np.zeros((3, *counts.cases.shape[:2], BINS))
    for k, s in np.ndindex(found.shape[1:3]):
        one = counts.at(k, s, WIDTHS_KM.index(dressing.widths_km[k][s]))
        found[:, k, s] = in_bins(tables[k][s].ravel(), one.cases.ravel(), one.events.ravel())
    return found


def _reliability(
    judged: Sequence[Floats], thresholds_dbz: Sequence[float], lead_minutes: Sequence[float]
) -> ReliabilityTable | None:
    if not judged:
        return None
    blocks = np.stack(judged)
    cases, forecast, events = blocks.sum(axis=0)
    return ReliabilityTable.of(thresholds_dbz, lead_minutes, cases, forecast, events, inflation_of(blocks))


def inflation_of(blocks: Floats) -> float:
    """How much more counts of blocks vary than those of independent pixels: (N, 3, K, S, R) -> ratio.

    The squared gap of events and probabilities of each block, threshold and bin, lead times pooled, by what
    independent pixels would give. Below `LEAST_BLOCKS` it is not measured but `CASES_PER_SAMPLE`.
    """
    if len(blocks) < LEAST_BLOCKS:
        return CASES_PER_SAMPLE
    cases, forecast, events = np.moveaxis(blocks.sum(axis=3), 1, 0)
    mean = forecast / np.maximum(cases, 1.0)
    independent = float((cases * mean * (1.0 - mean)).sum())
    return max(1.0, float(((events - forecast) ** 2).sum()) / independent) if independent > 0 else 1.0
