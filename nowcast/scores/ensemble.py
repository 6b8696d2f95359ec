"""Scores of ensembles in dBZ: CRPS, and spread against error of the mean.

A forecast is equally likely members (M, ..., S, H, W); one of the shape of what was observed is one member.
No echo is valued as in `nowcast.scores.continuous`: both sides are clipped from below at ``floor_dbz``. A pixel
that was not observed never counts; a member without a value (NaN) is one of no echo.
Dimensions: M members, S lead times, H rows, W columns, P pixels that were observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.scores.arrays import Floats, ratio
from nowcast.scores.base import Sums
from nowcast.scores.continuous import FLOOR_DBZ
from nowcast.scores.stacked import by_stacks, stack


def clipped(members: Any, observed: Any, floor_dbz: float) -> tuple[Any, Any]:
    """Members (M, P) and observed (P,) of observed pixels, clipped from below; NaN is the floor."""
    seen = ~np.isnan(observed)
    x = members[:, seen]
    np.copyto(x, floor_dbz, where=~(x > floor_dbz))
    return x, np.maximum(observed[seen], floor_dbz)


@dataclass(frozen=True)
class EnsembleErrors:
    """What both kinds of CRPS are made of: distances to the observed, and between members."""

    floor_dbz: float = FLOOR_DBZ
    reads: ClassVar[str] = "members"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up the mean distance to the observed, half those between members, and ``pixels``, each (S,).

        ``between`` divides by all M squared pairs, ``between_fair`` by the M (M - 1) of two members. O(M log
        M).
        """
        found = by_stacks(self._frame, stack(forecast, observed), parts=4)
        return dict(zip(("absolute", "between", "between_fair", "pixels"), found, strict=True))

    def _frame(self, members: Any, observed: Any) -> Floats:
        x, y = clipped(members, observed, self.floor_dbz)
        pixels = len(y)
        echo = (x.max(axis=0) > self.floor_dbz) | (y > self.floor_dbz)  # elsewhere every distance is 0
        x, y = x[:, echo], y[echo].astype(np.float64)
        x.sort(axis=0)
        x = x.astype(np.float64)
        m = len(x)
        pairs = float((2.0 * np.arange(m) - m + 1) @ x.sum(axis=1))  # of i < j, the sum of x_j - x_i
        np.subtract(x, y, out=x)
        absolute = np.abs(x, out=x).sum() / m
        return np.array([absolute, pairs / m**2, pairs / max(m * (m - 1), 1), pixels])


@dataclass(frozen=True)
class Crps(EnsembleErrors):
    """CRPS of the ensemble as it is, in dB; 0 is best. Of one member it is the mean absolute error.

    The mean distance of a member to the observed less half the mean distance of two draws from the members,
    the same one twice included. So it is that of the empirical distribution, exactly, and rises a little where
    the same distribution has fewer members.

    Source: Gneiting and Raftery 2007 (J. Am. Stat. Assoc. 102), eq. 21; Hersbach 2000 (Weather and
        Forecasting 15).
    """

    name: ClassVar[str] = "crps"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        return ratio(sums["absolute"] - sums["between"], sums["pixels"])


@dataclass(frozen=True)
class CrpsFair(EnsembleErrors):
    """Fair CRPS, in dB: what is to be expected of infinitely many such members; 0 is best.

    As `Crps`, but a member is not compared with itself, which makes ensembles of different size comparable.
    A single member has none to be compared with: its mean absolute error.

    Source: Ferro 2014 (Q. J. R. Meteorol. Soc. 140), eq. 3.
    """

    name: ClassVar[str] = "crps_fair"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        return ratio(sums["absolute"] - sums["between_fair"], sums["pixels"])


@dataclass(frozen=True)
class EnsembleMoments:
    """Variance of members and squared error of their mean."""

    floor_dbz: float = FLOOR_DBZ
    reads: ClassVar[str] = "members"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``squared`` (of the mean's error), ``variance`` and ``pixels``, each (S,).

        The variance is the unbiased one times (M + 1) / M: then its sum is that of the squared errors where
        observations cannot be told from members, however few these are. One member has none.
        """
        found = by_stacks(self._frame, stack(forecast, observed), parts=3)
        return dict(zip(("squared", "variance", "pixels"), found, strict=True))

    def _frame(self, members: Any, observed: Any) -> Floats:
        x, y = clipped(members, observed, self.floor_dbz)
        pixels, m = len(y), len(x)
        echo = (x.max(axis=0) > self.floor_dbz) | (y > self.floor_dbz)
        x, y = x[:, echo].astype(np.float64), y[echo].astype(np.float64)
        mean = x.mean(axis=0)
        np.subtract(x, mean, out=x)
        variance = np.square(x, out=x).sum() / max(m - 1, 1) * (m + 1) / m
        return np.array([np.square(mean - y).sum(), variance, pixels])


@dataclass(frozen=True)
class EnsembleRmse(EnsembleMoments):
    """Root mean squared error of the ensemble mean in dB; 0 is best."""

    name: ClassVar[str] = "ensemble_rmse"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: the root of the pooled mean; NaN where nothing was observed."""
        return ratio(sums["squared"], sums["pixels"]) ** 0.5


@dataclass(frozen=True)
class EnsembleSpread(EnsembleMoments):
    """Spread of the members in dB: the error their mean would have if the observed were one of them.

    Source: Fortin, Abaza, Anctil and Turcotte 2014 (J. Hydrometeorology 15), eq. 15.
    """

    name: ClassVar[str] = "ensemble_spread"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: the root of the pooled mean variance; NaN where nothing was observed."""
        return ratio(sums["variance"], sums["pixels"]) ** 0.5


@dataclass(frozen=True)
class SpreadError(EnsembleMoments):
    """Spread over the error of the mean; 1 is best, below 1 the members are too sure of themselves."""

    name: ClassVar[str] = "spread_error"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the mean is never wrong."""
        return ratio(sums["variance"], sums["squared"]) ** 0.5
