"""Errors in dB: mean absolute, mean squared, root mean squared and mean error.

dBZ has no natural value for "no echo", and an error against a floor of -32 dBZ would measure little but
the share of dry pixels. So both sides are first clipped from below to ``floor_dbz`` (5 dBZ by default,
the low end of what networks read): no echo and every weaker echo count as exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.scores.arrays import Floats, at_hand, bounded, by_frames, count_frames, pair, per_lead, ratio
from nowcast.scores.base import Sums
from nowcast.scores.wet_columns import wet_columns

FLOOR_DBZ = 5.0
_ROWS_AT_ONCE = 64
_SUMS = ("error", "absolute", "squared")


@dataclass(frozen=True)
class Errors:
    """Sums of errors over observed pixels.

    A pixel that was not observed never counts; one without a forecast (NaN) counts as a
    forecast of no echo.
    """

    floor_dbz: float = FLOOR_DBZ
    averaged: ClassVar[str]
    """Which of the sums a subclass takes the mean of."""

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``pixels`` (int64), ``error``, ``absolute`` (dB) and ``squared`` (dB^2), each (S,)."""
        both = pair(forecast, observed)
        if at_hand(both):
            pixels, *errors = by_frames(self._frames, both, parts=4)
            return {"pixels": pixels.astype(np.int64), **dict(zip(_SUMS, errors, strict=True))}
        return {name: per_lead(values, both.xp) for name, values in self.fields(forecast, observed).items()}

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        """The sums of frames (N, H, W), a few rows at a time, which stay in the cache of a core: (4, N)."""
        found = np.zeros((4, len(observed)))
        for first in range(0, observed.shape[-2], _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            f, o = forecast[:, rows], observed[:, rows]
            found[0] += count_frames(~np.isnan(o))
            for part in wet_columns(f, o, self.floor_dbz):  # elsewhere both are the floor
                error, true, observed_mask = bounded(pair(f[..., part], o[..., part]), self.floor_dbz)
                error -= true
                error[~observed_mask] = 0.0
                found[1] += error.sum(axis=(1, 2))
                found[2] += np.abs(error, out=true).sum(axis=(1, 2))
                found[3] += np.square(error, out=error).sum(axis=(1, 2))
        return found

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """What each pixel adds to them."""
        both = pair(forecast, observed)
        predicted, true, observed_mask = bounded(both, self.floor_dbz)
        error = both.xp.where(observed_mask, predicted - true, 0.0)
        return {"pixels": observed_mask, "error": error, "absolute": abs(error), "squared": error * error}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: the mean over pixels; NaN where nothing was observed."""
        return ratio(sums[self.averaged], sums["pixels"])


@dataclass(frozen=True)
class Mae(Errors):
    """Mean absolute error in dB; 0 is best."""

    name: ClassVar[str] = "mae"
    averaged: ClassVar[str] = "absolute"


@dataclass(frozen=True)
class Mse(Errors):
    """Mean squared error in dB^2; 0 is best."""

    name: ClassVar[str] = "mse"
    averaged: ClassVar[str] = "squared"


@dataclass(frozen=True)
class Rmse(Errors):
    """Root of the pooled mean squared error in dB (not a mean of roots); 0 is best."""

    name: ClassVar[str] = "rmse"
    averaged: ClassVar[str] = "squared"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: the root of the mean over pixels; NaN where nothing was observed."""
        return super().value(sums) ** 0.5


@dataclass(frozen=True)
class MeanError(Errors):
    """Mean of forecast minus observed in dB; 0 is best, above 0 the forecast is too strong."""

    name: ClassVar[str] = "mean_error"
    averaged: ClassVar[str] = "error"


@dataclass(frozen=True)
class AnomalyCorrelation:
    """Correlation of the anomalies of forecast and observed dBZ, from -1 to 1 (best).

    Anomalies are departures from the mean of the sample, forecast and observed each from its own (centred),
    over all pixels and nowcasts of a lead time: Pearson's correlation of what is clipped at ``floor_dbz``.
    There is no climatology of radar by place and season to depart from.

    Source: Wilks, Statistical Methods, ch. 8, the centred anomaly correlation.
    """

    floor_dbz: float = FLOOR_DBZ
    name: ClassVar[str] = "anomaly_correlation"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count ``pixels`` and add up values above the floor, their squares and their products, each (S,)."""
        both = pair(forecast, observed)
        predicted, true, observed_mask = bounded(both, self.floor_dbz)
        f, o = (both.xp.where(observed_mask, a - self.floor_dbz, 0.0) for a in (predicted, true))
        parts = {
            "forecast": f,
            "observed": o,
            "forecast_squared": f * f,
            "observed_squared": o * o,
            "product": f * o,
        }
        sums = {name: per_lead(values, both.xp) for name, values in parts.items()}
        return {"pixels": per_lead(observed_mask, both.xp), **sums}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where forecast or observed are one value everywhere."""
        n, f, o = (sums[name] * 1.0 for name in ("pixels", "forecast", "observed"))
        spread = (n * sums["forecast_squared"] - f * f) * (n * sums["observed_squared"] - o * o)
        return ratio(n * sums["product"] - f * o, spread.clip(0.0) ** 0.5)
