"""Scores that look at neighbours: gradient difference, structural similarity, fractions skill.

No echo is valued as in `nowcast.scores.continuous`; a pixel without a forecast is one of no echo.
Dimensions: N frames (batch and lead time together), H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, bounded, by_frames, count_frames, pair, ratio, reaches
from nowcast.scores.base import Sums
from nowcast.scores.categorical import check_threshold
from nowcast.scores.continuous import FLOOR_DBZ
from nowcast.scores.neighbourhood import (
    GradientDifference,
    WindowShape,
    gradient_gaps,
    similarity_map,
    weigh,
    whole_windows,
    window_weights,
)
from nowcast.scores.probabilistic import check_probability
from nowcast.scores.wet_columns import wet_columns

HIGH_DBZ = 65.0
_ROWS_AT_ONCE = 64
"""Windows of so many rows at a time: what is made of them stays in the cache of a core."""


@dataclass(frozen=True)
class Gdl(GradientDifference):
    """Gradient difference loss: how much the differences between neighbours differ; 0 is best.

    For each pair of vertical and of horizontal neighbours that were both observed,
    ``| |observed step| - |forecast step| | ** alpha`` in dB ** alpha. ``mean`` divides by the number of
    pairs; ``sum`` adds the pairs of a frame up and takes the mean over frames.
    """

    floor_dbz: float = FLOOR_DBZ

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``total`` and count ``pairs`` and ``frames`` with at least one pair, each (S,)."""
        total, pairs, frames = by_frames(self._frames, pair(forecast, observed), parts=3)
        return {"total": total, "pairs": pairs, "frames": frames}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where no pair was observed."""
        return ratio(sums["total"], sums["pairs" if self.reduction == "mean" else "frames"])

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """What the pairs add whose northern or western pixel one is: ``total`` and ``pairs``, of numpy."""
        total, pairs = np.zeros(np.shape(observed)), np.zeros(np.shape(observed), np.int8)
        predicted, true, observed_mask = bounded(pair(forecast, observed), self.floor_dbz)
        for gaps, joined in self._gaps(predicted, true, _joined(observed_mask)):
            first = (..., slice(joined.shape[-2]), slice(joined.shape[-1]))
            total[first] += gaps
            pairs[first] += joined
        return {"total": total, "pairs": pairs}

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        total, pairs = np.zeros((2, len(forecast)))
        for first in range(0, forecast.shape[1], _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE + 1)
            f, o = forecast[:, rows], observed[:, rows]
            joined = _joined(~np.isnan(o), _ROWS_AT_ONCE)
            pairs += sum(map(count_frames, joined))
            for part in wet_columns(f, o, self.floor_dbz, reach=1):  # between dry neighbours there is no step
                predicted, true, _ = bounded(pair(f[..., part], o[..., part]), self.floor_dbz)
                for gaps, _ in self._gaps(predicted, true, [j[..., part] for j in joined], _ROWS_AT_ONCE):
                    total += gaps.sum(axis=(-2, -1))
        return np.stack([total, pairs, (pairs > 0).astype(np.float64)])

    def _gaps(
        self, predicted: Any, true: Any, joined: Sequence[Any], rows: int | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """The gaps of vertical, then of horizontal neighbours, and which of the pairs were both observed.

        ``rows``: so many have horizontal neighbours that count; one more is there for the vertical ones.
        """
        for axis, last, observed in zip((-2, -1), (None, rows), joined, strict=True):
            gaps = gradient_gaps(predicted[..., :last, :], true[..., :last, :], axis, self.alpha)
            inside = observed[..., : gaps.shape[-1]]
            gaps[~inside] = 0.0
            yield gaps, inside


@dataclass(frozen=True)
class Ssim:
    """Structural similarity of dBZ above ``low_dbz``, clipped at ``high_dbz``; 1 is best.

    ``low_dbz`` is black (0), as for a network that reads 0 there. The data range is the difference of
    the two (60 dB) and nothing else: without a stated range published code took 2 for values in [0, 1]
    and came out higher by more than the gains it reported. The mean is taken over windows that lie wholly
    inside the frame and were wholly observed. The uniform 7 x 7 window uses the sample covariance; the
    Gaussian one (sigma 1.5, 11 x 11) does not, as in the paper.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13; K1 = 0.01, K2 = 0.03.
    """

    low_dbz: float = FLOOR_DBZ
    high_dbz: float = HIGH_DBZ
    window: WindowShape = "uniform"

    def __post_init__(self) -> None:
        if not self.low_dbz < self.high_dbz or self.window not in ("uniform", "gaussian"):
            raise SettingsError(
                f"ssim: got {self.low_dbz:g} to {self.high_dbz:g} dBZ, window {self.window!r}, expected "
                "low < high and 'uniform' or 'gaussian'"
            )

    @property
    def name(self) -> str:
        """``ssim`` for the uniform window, else with the window's name."""
        return "ssim" if self.window == "uniform" else f"ssim_{self.window}"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``similarity`` over ``windows``, each (S,)."""
        similarity, windows = by_frames(self._frames, pair(forecast, observed), parts=2)
        return {"similarity": similarity, "windows": windows}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where no window was wholly observed."""
        return ratio(sums["similarity"], sums["windows"])

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        k = len(window_weights(self.window))
        sums = np.zeros((2, len(forecast)))
        if min(forecast.shape[1:]) < k:
            return sums
        rows = forecast.shape[1] - k + 1
        for first in range(0, rows, _ROWS_AT_ONCE):
            part = slice(first, min(first + _ROWS_AT_ONCE, rows) + k - 1)
            for i in range(len(forecast)):
                sums[:, i] += self._rows(forecast[i, part], observed[i, part], k)
        return sums

    def _rows(self, forecast: Any, observed: Any, k: int) -> tuple[float, int]:
        """The sum over windows of some rows, and how many windows they have; where both are dry each is 1."""
        whole = whole_windows(~np.isnan(observed), k)
        windows = int(np.count_nonzero(whole))
        similarity = float(windows)
        for part in wet_columns(forecast, observed, self.low_dbz, reach=k - 1):
            both = pair(forecast[None, :, part], observed[None, :, part])
            (f,), (o,), (observed_mask,) = bounded(both, self.low_dbz, self.high_dbz)
            f -= self.low_dbz
            o -= self.low_dbz
            f[~observed_mask] = 0.0
            index = similarity_map(f, o, self.high_dbz - self.low_dbz, self.window)
            inside = whole[:, part.start : part.start + index.shape[1]]
            index[~inside] = 0.0
            similarity += float(index.sum()) - np.count_nonzero(inside)
        return similarity, windows


@dataclass(frozen=True)
class Fss:
    """Fractions skill score in square windows of ``window`` cells; 1 is best, 0 is no skill.

    Windows lie wholly inside the frame; fractions are taken over the observed cells of a window, and a
    window counts when at least half of it was observed. Pooled over frames before the division.

    Source: Roberts and Lean 2008, eqs. 5 to 7.
    """

    threshold_dbz: float
    window: int = 17

    def __post_init__(self) -> None:
        check_threshold(self.threshold_dbz)
        if self.window < 1:
            raise SettingsError(f"fss: got a window of {self.window} cells, expected at least 1")

    @property
    def name(self) -> str:
        """``fss_`` and the window in cells."""
        return f"fss_{self.window}"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up squared differences and the two squares of fractions over windows, each (S,)."""
        difference, reference = by_frames(self._frames, pair(forecast, observed), parts=2)
        return {"difference": difference, "reference": reference}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was neither forecast nor observed."""
        return 1.0 - ratio(sums["difference"], sums["reference"])

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        sums = np.zeros((2, len(forecast)))
        if min(forecast.shape[1:]) < self.window:
            return sums
        weights = np.full(self.window, 1.0 / self.window)
        for i in range(len(forecast)):
            observed_mask = ~np.isnan(observed[i])
            share = weigh(observed_mask.astype(np.float64), weights)
            events = self._forecast_events(forecast[i]), reaches(observed[i], self.threshold_dbz)
            enough = share >= 0.5 - 1e-9
            inside = (weigh(np.where(observed_mask, e, 0.0), weights) for e in events)
            f, o = (np.where(enough, part / np.where(enough, share, 1), 0) for part in inside)
            sums[:, i] = ((f - o) ** 2).sum(), (f * f + o * o).sum()
        return sums

    def _forecast_events(self, frame: Any) -> Any:
        """How much of an event each cell of a frame is forecast to be, from 0 to 1."""
        return reaches(frame, self.threshold_dbz)


@dataclass(frozen=True)
class FssProbability(Fss):
    """Fractions skill score of probabilities: the fraction of a window is the mean probability in it.

    A pixel without a probability (NaN) is one of 0.

    Source: Schwartz et al. 2010 (Weather and Forecasting 25), neighbourhood ensemble probability.
    """

    reads: ClassVar[str] = "probability"

    @property
    def name(self) -> str:
        """``fss_``, the window in cells, ``_probability``."""
        return f"{super().name}_probability"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """As `Fss.sums`; counts are not shared with those of dBZ."""
        return super().sums(forecast, observed)

    def _forecast_events(self, frame: Any) -> Any:
        probability = np.where(np.isnan(frame), 0.0, frame).astype(np.float64)
        check_probability(probability)
        return probability


def _joined(observed_mask: Any, rows: int | None = None) -> tuple[Any, Any]:
    """Which pairs of vertical, and of horizontal neighbours of the first ``rows``, were both observed."""
    beside = observed_mask[..., :rows, :]
    return observed_mask[..., 1:, :] & observed_mask[..., :-1, :], beside[..., 1:] & beside[..., :-1]
