"""Bins of forecast probability, fine where probabilities are small, and what is counted in them.

Dimensions: K thresholds, S lead times, B bins, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST = 1e-5
"""The smallest probability that is told from 0; 1 - LEAST is the largest that is told from 1."""
WIDTH = 0.2
"""Of a bin, in logits: 20 % in odds."""
_HALF = 58


def logit(probability: npt.ArrayLike) -> Floats:
    """The logarithm of the odds; probabilities under `LEAST` or over 1 - `LEAST` count as these."""
    p = np.clip(np.asarray(probability, np.float64), LEAST, 1.0 - LEAST)
    return np.asarray(np.log(p / (1.0 - p)))


def probability(logits: npt.ArrayLike) -> Floats:
    """The probability that a logit stands for."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64))))


CENTRES: Floats = np.arange(-_HALF, _HALF + 1) * np.float64(WIDTH)
"""Of the B bins, in logits; the outermost take what lies beyond."""


def bins_of(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The bin of each probability; none may be NaN."""
    index = np.zeros(probabilities.shape, np.int64)
    some = probabilities > LEAST  # most pixels are far from any rain: no logarithm for these
    index[some] = np.rint(logit(probabilities[some]) / WIDTH).astype(np.int64) + _HALF
    return np.clip(index, 0, len(CENTRES) - 1)


def log_score(probabilities: Floats, cases: Floats, events: Floats) -> float:
    """The sum over cases of minus the logarithm of the probability that was given to what happened."""
    p = np.clip(probabilities, LEAST, 1.0 - LEAST)
    return -float((events * np.log(p) + (cases - events) * np.log1p(-p)).sum())


@dataclass(frozen=True)
class BinCounts:
    """Counts of forecasts by threshold, lead time and bin, (K, S, B) each; those of two days add up."""

    cases: Floats
    events: Floats
    total: Floats
    """Sum of the probabilities."""

    def __add__(self, other: BinCounts) -> BinCounts:
        """Pool with other forecasts."""
        return BinCounts(self.cases + other.cases, self.events + other.events, self.total + other.total)

    def at(self, k: int, s: int) -> BinCounts:
        """Those of one threshold and lead time, (B,) each."""
        return BinCounts(self.cases[k, s], self.events[k, s], self.total[k, s])

    @property
    def forecast(self) -> Floats:
        """Mean probability of each bin; its centre where it has no case."""
        return np.where(
            self.cases > 0, self.total / np.where(self.cases > 0, self.cases, 1.0), probability(CENTRES)
        )


def count(
    probabilities: npt.NDArray[np.floating], observed: npt.NDArray[np.floating], thresholds_dbz: npt.ArrayLike
) -> BinCounts:
    """Count probabilities (K, S, H, W) against observed dBZ (S, H, W).

    What was not observed and where there is no forecast (NaN) does not count.
    """
    thresholds = np.asarray(thresholds_dbz, np.float32)
    found = np.zeros((3, *probabilities.shape[:2], len(CENTRES)))
    for k, threshold in enumerate(thresholds):
        for s, frame in enumerate(observed):
            forecast = probabilities[k, s]
            known = ~(np.isnan(frame) | np.isnan(forecast))
            p = np.asarray(forecast[known], np.float64)
            index, event = bins_of(p), np.asarray(frame[known] >= threshold, np.float64)
            for part, weights in enumerate((None, event, p)):
                found[part, k, s] = np.bincount(index, weights, len(CENTRES))
    return BinCounts(*found)
