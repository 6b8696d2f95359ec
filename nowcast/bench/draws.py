"""Scores of a network that holds several futures possible: their mean, or those of the best, told by name.

Dimensions: N draws, B batch, S forecast steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import SequenceModel
from nowcast.scores.base import Metric, Sums, add
from nowcast.scores.protocols import PROTOCOLS

DrawProtocol = Literal["mean", "best", "first"]
OF_ALL_VIDEOS = ("fvd",)
"""Scores that no single clip has, so that no draw is the best of a clip."""


class Forecast(Protocol):
    """What is scored: a `SequenceModel`, or what is called like one."""

    def __call__(
        self, past: Tensor, steps: int, targets: None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast (B, S, C, H, W) from ``past`` (B, T, C, H, W) and its observed mask."""
        ...


@dataclass(frozen=True)
class Draws:
    """How many futures of a stochastic network are scored, and what of them counts.

    mean: each score of each future of all clips, then the mean of the N values.
    best: of each clip, and for each score by itself, the future with the best value, as a mean over lead times.
    That takes the truth to choose, so the table says "best of N" and never marks it as the best row.
    first: the future of seed 0 alone.

    The futures are those of the seeds 0 to N - 1. One draw is `SequenceModel.forward`, whatever the protocol.
    """

    count: int = 1
    protocol: DrawProtocol = "mean"

    @property
    def told(self) -> str:
        """What a table calls it; empty for one draw."""
        return "" if self.count == 1 else f"{self.protocol} of {self.count}"

    def check(self, where: str, scores: Sequence[str]) -> None:
        """Refuse the best draw of a clip by scores that a clip does not have.

        Raises:
            SettingsError: there is one among ``scores``.
        """
        none = [name for name in scores if name in OF_ALL_VIDEOS]
        if self.count > 1 and self.protocol == "best" and none:
            raise SettingsError(
                complain(
                    f"{where} draw_protocol",
                    f"best, with the score {none[0]} of all videos at once",
                    "scores that each clip has",
                    "take mean or first, or leave that score out",
                )
            )

    def sentence(self, row: str) -> str:
        """How a row's scores came about."""
        ways = {
            "mean": f"each score is the mean of its values for {self.count} futures, each of all clips",
            "best": f"best of {self.count} futures of each clip, by each score and with the truth in sight; "
            "not to be compared with one forecast, and never marked as best",
            "first": f"the first of {self.count} futures",
        }
        return f"{row} ({self.told}): {ways[self.protocol]}."


ONE = Draws()


def futures(forecast: Forecast, draws: Draws) -> list[Forecast]:
    """The forecasts to score; the one that there is where nothing is drawn."""
    if draws.count == 1 or not isinstance(forecast, SequenceModel) or not forecast.stochastic:
        return [forecast]
    return [_Future(forecast, seed) for seed in range(1 if draws.protocol == "first" else draws.count)]


class _Future:
    def __init__(self, network: SequenceModel, seed: int) -> None:
        self.network, self.seed = network, seed

    def __call__(
        self, past: Tensor, steps: int, targets: None = None, observed: Tensor | None = None
    ) -> Tensor:
        return self.network.draw(past, steps, self.seed, observed)


class MeanOfDraws:
    """Sums of each draw over all clips, and the mean of their values."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self._sums: dict[tuple[str, int], Sums] = {}

    def add(self, number: int, forecast: Tensor, future: Tensor) -> None:
        """Take the forecast (B, S, C, H, W) of draw ``number`` and what came."""
        for name, metric in self.metrics.items():
            old = self._sums.get((name, number), {})
            self._sums[name, number] = add(old, metric.sums(forecast, future))

    def next_batch(self) -> None:
        """Every draw of a batch has been added."""

    def values(self) -> dict[str, list[float]]:
        """Name -> value a lead time."""
        found: dict[str, list[Any]] = {name: [] for name in self.metrics}
        for (name, _), sums in self._sums.items():
            found[name].append(np.atleast_1d(self.metrics[name].value(sums)))
        return {name: np.mean(each, axis=0).tolist() for name, each in found.items()}


class BestOfDraws:
    """Sums of the best draw of each clip, chosen for each score by itself."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self._sums: dict[str, Sums] = {name: {} for name in metrics}
        self._best: dict[tuple[str, int], tuple[float, Sums]] = {}

    def add(self, number: int, forecast: Tensor, future: Tensor) -> None:
        """Take the forecast (B, S, C, H, W) of draw ``number`` and what came."""
        del number
        for name, metric in self.metrics.items():
            sign = 1.0 if PROTOCOLS[name].better == "higher" else -1.0
            for clip in range(len(forecast)):
                sums = metric.sums(forecast[clip : clip + 1], future[clip : clip + 1])
                merit = sign * _finite_mean(metric.value(sums))
                known = self._best.get((name, clip))
                if known is None or merit > known[0] or math.isnan(known[0]):
                    self._best[name, clip] = merit, sums

    def next_batch(self) -> None:
        """Every draw of a batch has been added: what was best of each clip is counted."""
        for (name, _), (_, sums) in self._best.items():
            self._sums[name] = add(self._sums[name], sums)
        self._best = {}

    def values(self) -> dict[str, list[float]]:
        """Name -> value a lead time."""
        found = {name: metric.value(self._sums[name]) for name, metric in self.metrics.items()}
        return {name: np.atleast_1d(value).tolist() for name, value in found.items()}


def tally(metrics: Mapping[str, Metric], draws: Draws, count: int) -> MeanOfDraws | BestOfDraws:
    """What adds up the scores of ``count`` futures by this protocol."""
    return BestOfDraws(metrics) if draws.protocol == "best" and count > 1 else MeanOfDraws(metrics)


def _finite_mean(values: Any) -> float:
    known = np.atleast_1d(values)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan
