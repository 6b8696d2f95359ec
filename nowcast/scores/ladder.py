"""CRPS of exceedance probabilities at several thresholds, integrated over dBZ.

Dimensions: K thresholds, S lead times, H rows, W columns, P pixels that were observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.scores.arrays import Floats, ScoreError, ratio
from nowcast.scores.base import Sums
from nowcast.scores.categorical import DEFAULT_THRESHOLDS_DBZ, check_threshold
from nowcast.scores.probabilistic import check_probability
from nowcast.scores.stacked import by_stacks, stack


@dataclass(frozen=True)
class CrpsLadder:
    """CRPS integrated over dBZ from the first to the last threshold, in dB; 0 is best.

    The integral over t of the squared difference of P(reflectivity >= t) and whether it was observed. The
    probability is linear between thresholds, the observed a step at its own dBZ: exact, no sum over thresholds.
    What happens below the first and above the last threshold does not count, so values of different
    thresholds are not comparable.

    A forecast is probabilities (K, ..., S, H, W), or, of the shape of what was observed, dBZ that is certain:
    then this is the mean absolute error of dBZ clipped to the thresholds.

    Source: Matheson and Winkler 1976 (Management Science 22); Hersbach 2000 (Weather and Forecasting 15).
    """

    thresholds_dbz: tuple[float, ...] = DEFAULT_THRESHOLDS_DBZ
    name: ClassVar[str] = "crps_ladder"
    reads: ClassVar[str] = "ladder"

    def __post_init__(self) -> None:
        for threshold in self.thresholds_dbz:
            check_threshold(threshold)
        if len(self.thresholds_dbz) < 2 or not (np.diff(self.thresholds_dbz) > 0).all():
            said = ", ".join(f"{t:g}" for t in self.thresholds_dbz) or "none"
            raise SettingsError(
                complain(
                    "crps_ladder: thresholds", f"{said} dBZ", "at least two, rising", "give --thresholds 10 20"
                )
            )

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``integral`` over ``pixels``, each (S,)."""
        both = stack(forecast, observed)
        if len(both.forecast) not in (1, len(self.thresholds_dbz)):
            raise ScoreError(
                f"crps_ladder: got {len(both.forecast)} probabilities, expected one for each of "
                f"{len(self.thresholds_dbz)} thresholds, or dBZ of one shape with what was observed"
            )
        found = by_stacks(self._frame, both, parts=2)
        return dict(zip(("integral", "pixels"), found, strict=True))

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        return ratio(sums["integral"], sums["pixels"])

    def _frame(self, forecast: Any, observed: Any) -> Floats:
        seen = ~np.isnan(observed)
        low, high = self.thresholds_dbz[0], self.thresholds_dbz[-1]
        y = np.clip(observed[seen].astype(np.float64), low, high)
        x = forecast[:, seen].astype(np.float64)
        if len(x) == 1:
            x = np.clip(np.where(np.isnan(x), low, x), low, high)
            return np.array([np.abs(x[0] - y).sum(), len(y)])
        x[np.isnan(x)] = 0.0
        check_probability(x)
        some = (x > 0).any(axis=0) | (y > low)  # elsewhere the integral is 0
        return np.array([self._integral(x[:, some], y[some]), len(y)])

    def _integral(self, reached: Floats, y: Floats) -> float:
        """Of probabilities (K, P) and observed dBZ (P,), over all pixels."""
        total = 0.0
        for k in range(len(reached) - 1):
            low, width = self.thresholds_dbz[k], self.thresholds_dbz[k + 1] - self.thresholds_dbz[k]
            share = np.clip((y - low) / width, 0.0, 1.0)  # of the step where the observed reaches further
            first, last = reached[k], reached[k + 1]
            at = first + (last - first) * share
            gaps = share * _squared(1 - first, 1 - at) + (1 - share) * _squared(at, last)
            total += width * float(gaps.sum())
        return total


def _squared(first: Floats, last: Floats) -> Floats:
    """The mean square of what goes linearly from ``first`` to ``last``."""
    return np.asarray((first * first + first * last + last * last) / 3.0)
