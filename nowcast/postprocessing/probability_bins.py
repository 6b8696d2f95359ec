"""Bins of forecast probability, fine where probabilities are small, and what is counted in them.

Dimensions: K thresholds, S lead times, B bins, H rows, W columns.
"""

from __future__ import annotations

from typing import NamedTuple

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


CENTRES: Floats = WIDTH * np.arange(-_HALF, _HALF + 1)
"""Of the B bins, in logits; the outermost take what lies beyond."""


def bins_of(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The bin of each probability; none may be NaN."""
    index = np.zeros(probabilities.shape, np.int64)
    some = probabilities > LEAST  # most pixels are far from any rain: no logarithm for these
    index[some] = np.rint(logit(probabilities[some]) / WIDTH).astype(np.int64) + _HALF
    return np.clip(index, 0, len(CENTRES) - 1)


class BinCounts(NamedTuple):
    """Counts of forecasts by threshold, lead time and bin, (K, S, B) each; those of two days add up."""

    cases: Floats
    events: Floats
    total: Floats
    """Sum of the probabilities."""

    def __add__(self, other: object) -> BinCounts:
        """Pool with other forecasts."""
        if not isinstance(other, BinCounts):
            return NotImplemented
        return BinCounts(*(a + b for a, b in zip(self, other, strict=True)))


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
            p, event = np.asarray(forecast[known], np.float64), np.asarray(frame[known] >= threshold, np.float64)
            index = bins_of(p)
            for part, weights in enumerate((None, event, p)):
                found[part, k, s] = np.bincount(index, weights, len(CENTRES))
    return BinCounts(*found)
