"""Events counted by class of forecast probability: reliability, resolution and the reliability diagram.

Forecasts as in `nowcast.scores.probabilistic`. Dimensions: S lead times, B classes of probability, N frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, frame_sums, pair, ratio
from nowcast.scores.base import Sums
from nowcast.scores.class_counts import ClassFinder, counted
from nowcast.scores.probabilistic import ProbabilityScore

FINE = (0.0, 0.001, 0.002, 0.005, 0.01, *(k / 50 for k in range(1, 51)))
"""Where classes begin, whatever the bins of the diagram: rare events are told apart by small probabilities."""


@dataclass(frozen=True)
class ProbabilityClasses(ProbabilityScore):
    """Counts of forecasts and events by class of probability, from which several scores are made.

    Classes begin at `FINE` and at each of ``bins`` equal parts of [0, 1]; probabilities are compared in
    float32.
    """

    bins: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 1:
            raise SettingsError(f"reliability: got {self.bins} bins, expected at least 1")

    @property
    def edges(self) -> Floats:
        """Where each class begins (B,), rising from 0 to 1; the last holds what is certain."""
        return _edges(self.bins)

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count ``pixels`` and ``events`` and add up ``forecast``, the probabilities, by class: each (S, B)."""
        count = len(self.edges)
        found = frame_sums(self._frames, pair(forecast, observed), parts=3 * count)
        return {
            name: found[i * count : (i + 1) * count].T
            for i, name in enumerate(("pixels", "events", "forecast"))
        }

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        classes = class_finder(self.bins)
        frames = zip(*self._judged(forecast, observed), strict=True)
        found = [counted(classes, *frame) for frame in frames]
        return np.stack(found, axis=-1).reshape(3 * len(self.edges), -1)

    def _by_bin(self, sums: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
        """Pixels, events and probabilities of each bin of the diagram, (S,) each."""
        first = np.searchsorted(self.edges, np.arange(self.bins) / self.bins - 1e-9)
        for begin, end in zip(first, [*first[1:], len(self.edges)], strict=True):
            pixels, events, forecast = (
                sums[name][..., int(begin) : int(end)].sum(-1) for name in ("pixels", "events", "forecast")
            )
            yield pixels, events, forecast


class Diagram(NamedTuple):
    """What a reliability diagram shows, each (bins, S): NaN in a bin that no forecast fell into."""

    forecast: Any
    """Mean probability."""
    observed: Any
    """How often the event was observed."""
    pixels: Any
    """How many forecasts."""


@dataclass(frozen=True)
class Reliability(ProbabilityClasses):
    """Reliability term of the Brier score: mean squared gap between probability and frequency; 0 is best.

    Forecasts are sorted into ``bins`` equal bins of probability (1 falls into the last), and of each bin the
    mean probability is set against the frequency of the event.

    Source: Murphy 1973 (J. Applied Meteorology 12), eq. 8, with the mean probability of each bin.
    """

    name: ClassVar[str] = "reliability"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        gaps, total = 0, 0
        for pixels, events, forecast in self._by_bin(sums):
            gaps = gaps + (forecast - events) ** 2 / (pixels + (pixels == 0))  # an empty bin has no gap
            total = total + pixels
        return ratio(gaps, total)

    def diagram(self, sums: Mapping[str, Any]) -> Diagram:
        """The points of the diagram, numpy (bins, S) each; sums of several lead times may be pooled."""
        pixels, events, forecast = (
            np.stack([np.asarray(part) for part in parts]) for parts in zip(*self._by_bin(sums), strict=True)
        )
        return Diagram(ratio(forecast, pixels), ratio(events, pixels), pixels.astype(np.int64))


@dataclass(frozen=True)
class Resolution(ProbabilityClasses):
    """Resolution term of the Brier score: how far frequencies of the bins differ from that of all; more is
    better.

    At best it is the uncertainty. Brier score = reliability - resolution + uncertainty, exactly where all
    forecasts of a bin say the same; else there is the variation within bins as well.

    Source: Murphy 1973 (J. Applied Meteorology 12), eq. 8; Stephenson, Coelho and Jolliffe 2008 (Weather and
        Forecasting 23) for the rest within bins.
    """

    name: ClassVar[str] = "resolution"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        total = sums["pixels"].sum(-1)
        frequency = ratio(sums["events"].sum(-1), total)
        gaps = 0
        for pixels, events, _ in self._by_bin(sums):
            gaps = gaps + (events - pixels * frequency) ** 2 / (pixels + (pixels == 0))
        return ratio(gaps, total)


@lru_cache(maxsize=8)
def class_finder(bins: int) -> ClassFinder:
    """What finds the class of a probability."""
    return ClassFinder.of(_edges(bins))


@lru_cache(maxsize=8)
def _edges(bins: int) -> Floats:
    """Starts of classes: fine ones and those of the bins, none twice."""
    return np.unique(np.round([*FINE, *(np.arange(bins) / bins)], 9))
