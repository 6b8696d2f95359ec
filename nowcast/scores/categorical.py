"""Events at or above a threshold: hits, misses and false alarms, and the scores made of them.

The counts are pooled over all pixels, times and batches of a lead time before anything is divided, so a
score never depends on the batch size. Averages of per-batch ratios, as some published code takes, do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Pair, at_hand, by_frames, count_frames, pair, per_lead, ratio, reaches
from nowcast.scores.base import Sums

DEFAULT_THRESHOLDS_DBZ = (10.0, 20.0, 30.0, 40.0, 50.0)


def check_threshold(threshold_dbz: float) -> float:
    """The threshold, checked.

    Raises:
        SettingsError: NaN, infinite, negative, or beyond any reflectivity.
    """
    if not math.isfinite(threshold_dbz) or not 0 <= threshold_dbz <= 100:
        raise SettingsError(
            f"threshold: got {threshold_dbz:g}, expected dBZ from 0 to 100; echoes worth a threshold lie "
            "there, for example 20"
        )
    return float(threshold_dbz)


def csi(hits: Any, misses: Any, false_alarms: Any) -> Any:
    """Critical success index from counts; NaN where the event was neither forecast nor observed.

    The one place where it is computed: numbers, numpy, torch and lazy arrays alike.
    """
    return ratio(hits, hits + misses + false_alarms)


def pod(hits: Any, misses: Any) -> Any:
    """Probability of detection from counts; NaN where the event was never observed."""
    return ratio(hits, hits + misses)


def far(hits: Any, false_alarms: Any) -> Any:
    """False alarm ratio from counts; NaN where the event was never forecast."""
    return ratio(false_alarms, hits + false_alarms)


@dataclass(frozen=True)
class Contingency:
    """Counts of an event: reflectivity >= ``threshold_dbz``, compared in float32.

    A pixel that was not observed never counts. A pixel that was observed but has no forecast (NaN)
    counts as "no event": a forecaster gains nothing by leaving pixels out.

    Source: the 2 x 2 contingency table of WMO-No. 485 and Wilks, Statistical Methods, ch. 8.
    """

    threshold_dbz: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold_dbz)

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count ``hits``, ``misses``, ``false_alarms`` and ``correct_negatives`` a lead time, int64 (S,)."""
        both = pair(forecast, observed)
        if at_hand(both):
            counts = by_frames(self._frames, both, parts=4)
            pixels, forecasts, events, hits = (count.astype(np.int64) for count in counts)
        else:
            pixels, forecasts, events, hits = (per_lead(found, both.xp) for found in self._events(both))
        return {
            "hits": hits,
            "misses": events - hits,
            "false_alarms": forecasts - hits,
            "correct_negatives": pixels - forecasts - events + hits,
        }

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """Where there is a hit, a miss and a false alarm."""
        _, called, occurred, hits = self._events(pair(forecast, observed))
        return {"hits": hits, "misses": occurred & ~called, "false_alarms": called & ~occurred}

    def _events(self, both: Pair) -> tuple[Any, Any, Any, Any]:
        """What was observed, and where the event was forecast, where it was observed, and where both."""
        observed_mask = ~both.xp.isnan(both.observed)
        called = reaches(both.forecast, self.threshold_dbz) & observed_mask
        occurred = reaches(both.observed, self.threshold_dbz)
        return observed_mask, called, occurred, called & occurred

    def _frames(self, forecast: Any, observed: Any) -> Any:
        """The counts of frames (N, H, W), which stay in the cache of a core: (4, N)."""
        found = self._events(pair(forecast, observed))
        return np.array([count_frames(values) for values in found])


@dataclass(frozen=True)
class Csi(Contingency):
    """Critical success index, hits / (hits + misses + false alarms), from 0 to 1 (best)."""

    name: ClassVar[str] = "csi"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was neither forecast nor observed."""
        return csi(sums["hits"], sums["misses"], sums["false_alarms"])


@dataclass(frozen=True)
class Pod(Contingency):
    """Probability of detection, hits / (hits + misses), from 0 to 1 (best)."""

    name: ClassVar[str] = "pod"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never observed."""
        return pod(sums["hits"], sums["misses"])


@dataclass(frozen=True)
class Far(Contingency):
    """False alarm ratio, false alarms / (hits + false alarms), from 0 (best) to 1."""

    name: ClassVar[str] = "far"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never forecast."""
        return far(sums["hits"], sums["false_alarms"])


@dataclass(frozen=True)
class FrequencyBias(Contingency):
    """Frequency bias, forecast events / observed events; 1 is best, below 1 is too few."""

    name: ClassVar[str] = "bias"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never observed."""
        return ratio(sums["hits"] + sums["false_alarms"], sums["hits"] + sums["misses"])
