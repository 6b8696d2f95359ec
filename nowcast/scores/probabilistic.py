"""Scores of probabilities: how far from what happened, and whether they are reliable.

A forecast here is the probability that reflectivity reaches ``threshold_dbz``, in [0, 1]; what was
observed is dBZ. A pixel that was not observed never counts; a pixel without a forecast (NaN) counts as
probability 0, as in `nowcast.scores.categorical`. Dimensions: S lead times, H rows, W columns, N frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, ScoreError, by_frames, pair, ratio, reaches
from nowcast.scores.base import Sums
from nowcast.scores.categorical import check_threshold


@dataclass(frozen=True)
class ProbabilityScore:
    """A score of the probability of one event: reflectivity >= ``threshold_dbz``."""

    threshold_dbz: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold_dbz)

    def _judged(self, probability: Any, observed: Any) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Probability and event (1 or 0) as float64, and which pixels count, (N, H, W) each."""
        wide = np.where(np.isnan(probability), 0.0, probability).astype(np.float64)
        if not (wide.min() >= 0 and wide.max() <= 1):
            raise ScoreError(
                f"probability: got values from {wide.min():g} to {wide.max():g}, expected [0, 1]; "
                "a forecast of dBZ is made one by nowcast.scores.probabilistic.certain"
            )
        return wide, reaches(observed, self.threshold_dbz).astype(np.float64), ~np.isnan(observed)


@dataclass(frozen=True)
class Brier(ProbabilityScore):
    """Brier score: the mean squared difference of probability and event; 0 is best, 1 is worst.

    Source: Brier 1950 (Monthly Weather Review 78), for one of two categories.
    """

    name: ClassVar[str] = "brier"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``squared`` over ``pixels``, each (S,); ``forecast`` is a probability (..., S, H, W)."""
        squared, pixels = by_frames(self._frames, pair(forecast, observed), parts=2)
        return {"squared": squared, "pixels": pixels}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        return ratio(sums["squared"], sums["pixels"])

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        probability, event, observed_mask = self._judged(forecast, observed)
        squared = np.where(observed_mask, (probability - event) ** 2, 0.0)
        return np.stack([squared.sum(axis=(1, 2)), observed_mask.sum(axis=(1, 2))])


class Diagram(NamedTuple):
    """What a reliability diagram shows, each (bins, S): NaN in a bin that no forecast fell into."""

    forecast: Any
    """Mean probability."""
    observed: Any
    """How often the event was observed."""
    pixels: Any
    """How many forecasts."""


@dataclass(frozen=True)
class Reliability(ProbabilityScore):
    """Reliability term of the Brier score: mean squared gap between probability and frequency; 0 is best.

    Forecasts are sorted into ``bins`` equal bins of probability (1 falls into the last), and of each bin the
    mean probability is set against the frequency of the event.

    Source: Murphy 1973 (J. Applied Meteorology 12), eq. 8, with the mean probability of each bin.
    """

    bins: int = 10
    name: ClassVar[str] = "reliability"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 1:
            raise SettingsError(f"reliability: got {self.bins} bins, expected at least 1")

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count by bin b ``pixels_b``, add up ``forecast_b`` and ``observed_b``, each (S,)."""
        found = by_frames(self._frames, pair(forecast, observed), parts=3 * self.bins)
        return dict(zip(self._names(), found, strict=True))

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        gaps, pixels = 0, 0
        for b in range(self.bins):
            n, forecast, observed = (sums[f"{part}_{b}"] for part in ("pixels", "forecast", "observed"))
            gaps = gaps + (forecast - observed) ** 2 / (n + (n == 0))  # an empty bin has no gap
            pixels = pixels + n
        return ratio(gaps, pixels)

    def diagram(self, sums: Mapping[str, Any]) -> Diagram:
        """The points of the diagram, numpy (bins, S) each; sums of several lead times may be pooled."""
        pixels, forecast, observed = (
            np.stack([np.asarray(sums[f"{part}_{b}"]) for b in range(self.bins)])
            for part in ("pixels", "forecast", "observed")
        )
        return Diagram(ratio(forecast, pixels), ratio(observed, pixels), pixels.astype(np.int64))

    def _names(self) -> list[str]:
        return [f"{part}_{b}" for part in ("pixels", "forecast", "observed") for b in range(self.bins)]

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        found = np.zeros((3, self.bins, len(forecast)))
        frames = zip(*self._judged(forecast, observed), strict=True)
        for i, (probability, event, observed_mask) in enumerate(frames):
            p = probability[observed_mask]
            bin_of = np.minimum((p * self.bins).astype(np.int64), self.bins - 1)
            for part, weights in enumerate((None, p, event[observed_mask])):
                found[part, :, i] = np.bincount(bin_of, weights, self.bins)
        return found.reshape(3 * self.bins, -1)


def certain(forecast: Any, threshold_dbz: float) -> Any:
    """Take a forecast of dBZ for one of probability: 1 where the threshold is reached, else 0."""
    return reaches(forecast, threshold_dbz) * 1.0
