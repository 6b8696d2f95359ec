"""How sure a difference of scores is: paired block bootstrap of pooled CSI; and the skill horizon.

Initialisation times minutes apart see the same rain and are not independent. So whole blocks of hours are
drawn, the same ones for both models: what makes a day hard for all cancels.
Dimensions: N initialisation times, B blocks, K thresholds, S lead times, R resamples; the last axis of counts
holds hits, misses and false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, Integers, ratio
from nowcast.scores.categorical import csi

_MOST_UNDEFINED = 0.05
_AT_ONCE = 200


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn."""

    block_hours: float = 6.0
    """Length of a block of initialisation times; blocks begin at 00 UTC."""
    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.block_hours > 0 or self.resamples < 1 or not 0 < self.confidence < 1 or self.seed < 0:
            raise SettingsError(
                f"bootstrap: got blocks of {self.block_hours:g} h, {self.resamples} resamples, confidence "
                f"{self.confidence:g}, seed {self.seed}, expected blocks and resamples above 0, a confidence "
                "between 0 and 1 and a seed of 0 or more"
            )


class Difference(NamedTuple):
    """Mean CSI over lead times, one model minus another, for each threshold."""

    value: Floats
    """(K,); NaN where one of the two is undefined."""
    low: Floats
    """(K,) lower end of the interval; NaN where it is undefined, as it is with a single block."""
    high: Floats
    blocks: int
    """How many blocks there were to draw from."""


def pooled_csi(counts: npt.NDArray[np.generic]) -> Floats:
    """CSI from hits, misses and false alarms on the last axis; NaN where all are 0."""
    return np.asarray(csi(counts[..., 0], counts[..., 1], counts[..., 2]))


def mean_over_leads(values: Floats) -> Floats:
    """The mean over the last axis of what is defined, as in score tables; NaN if nothing is."""
    known = ~np.isnan(values)
    return np.asarray(ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1)))


def blocks_of(reference_times: npt.NDArray[np.datetime64], hours: float = 6.0) -> Integers:
    """Number the blocks of initialisation times: (N,) from 0 without gaps, in order of time."""
    seconds = reference_times.astype("datetime64[s]").astype(np.int64)
    _, number = np.unique(seconds // round(hours * 3600), return_inverse=True)
    return np.asarray(number, np.int64)


def paired_difference(
    model: Integers, reference: Integers, reference_times: npt.NDArray[np.datetime64],
    how: Bootstrap | None = None,
) -> Difference:
    """The difference of pooled CSI, mean over lead times, and its bootstrap interval.

    Blocks are drawn with replacement, as many as there are, the same for both; counts of what was drawn
    are pooled before anything is divided. The interval lies between percentiles. It is undefined with one
    block, and where CSI is undefined in more than 5 % of the resamples, for an event too rare to be in
    most blocks. With fewer than about ten blocks it is rather too narrow.

    Args:
        model, reference: (N, K, S, 3) on the same initialisation times.
        reference_times: (N,) forecast reference time of each nowcast.
        how: blocks, resamples, seed, confidence.

    Raises:
        SettingsError: counts of different shape, or not one for each initialisation time.

    Source: Künsch (1989), Ann. Stat. 17, 1217-1241, for the blocks; Hamill (1999), Wea. Forecasting 14,
        155-167, for pairing and pooling.
    """
    how = how or Bootstrap()
    n = len(reference_times)
    if model.shape != reference.shape or model.ndim != 4 or model.shape[0] != n or not n:
        raise SettingsError(
            f"confidence: got counts {model.shape} and {reference.shape} for {n} initialisation times, "
            "expected (initialisation times, thresholds, lead times, 3) for both"
        )
    block = blocks_of(reference_times, how.block_hours)
    count = int(block.max()) + 1
    both = np.stack([model, reference], axis=1)
    summed = np.zeros((count, *both.shape[1:]), np.int64)
    np.add.at(summed, block, both)
    value = _difference(summed.sum(axis=0))
    if count < 2:
        none = np.full_like(value, np.nan)
        return Difference(value, none, none.copy(), count)
    low, high = _interval(_drawn(summed, how), how.confidence)
    return Difference(value, low, high, count)


def skill_horizon(values: Floats, lead_minutes: npt.ArrayLike, least_csi: float) -> float:
    """The lead time in minutes at which CSI first falls under ``least_csi``, linear between lead times.

    At lead time 0 a forecast is the newest frame, with a CSI of 1. Undefined lead times are passed
    over.

    Args:
        values: of CSI (S,).
        lead_minutes: S, rising.
        least_csi: above 0, at most 1.

    Returns:
        Infinity if CSI stays above it up to the last lead time, NaN if CSI is never defined.

    Raises:
        SettingsError: a CSI out of range.
    """
    if not 0 < least_csi <= 1:
        raise SettingsError(f"CSI of the skill horizon: got {least_csi:g}, expected one above 0 and at most 1")
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    leads = np.concatenate([[0.0], np.asarray(lead_minutes, np.float64)[known]])
    values = np.concatenate([[1.0], values[known]])
    under = np.flatnonzero(values < least_csi)
    if not len(under):
        return float("inf")
    i = int(under[0])
    share = (values[i - 1] - least_csi) / (values[i - 1] - values[i])
    return float(leads[i - 1] + share * (leads[i] - leads[i - 1]))


def _difference(counts: npt.NDArray[np.generic]) -> Floats:
    """Take (..., 2, K, S, 3) apart: mean CSI of the first minus that of the second, (..., K)."""
    means = mean_over_leads(pooled_csi(counts))
    return np.asarray(means[..., 0, :] - means[..., 1, :])


def _drawn(summed: Integers, how: Bootstrap) -> Floats:
    """Draw blocks again and again: (R, K)."""
    count = len(summed)
    random = np.random.default_rng(how.seed)
    flat = summed.reshape(count, -1).astype(np.float64)  # exact: counts stay far below 2 ** 53
    found = []
    for first in range(0, how.resamples, _AT_ONCE):
        size = min(_AT_ONCE, how.resamples - first)
        times = random.multinomial(count, np.full(count, 1.0 / count), size=size)
        pooled = (times.astype(np.float64) @ flat).reshape(size, *summed.shape[1:])
        found.append(_difference(pooled))
    return np.concatenate(found)


def _interval(drawn: Floats, confidence: float) -> tuple[Floats, Floats]:
    low, high = (np.full(drawn.shape[1], np.nan) for _ in range(2))
    tail = (1.0 - confidence) / 2.0
    for k, values in enumerate(drawn.T):
        known = values[~np.isnan(values)]
        if len(known) >= (1.0 - _MOST_UNDEFINED) * len(values):
            low[k], high[k] = np.quantile(known, [tail, 1.0 - tail])
    return low, high
