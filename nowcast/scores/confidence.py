"""How sure a score and a difference of scores are: block bootstrap of pooled sums; and the skill horizon.

Initialisation times minutes apart see the same rain and are not independent. So whole blocks of hours are
drawn, the same ones for both models: what makes a day hard for all cancels.
Dimensions: N initialisation times, B blocks, K thresholds, S lead times, R resamples; the last axis of sums
holds what a score is made of, for CSI hits, misses and false alarms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, Integers, ratio
from nowcast.scores.categorical import csi

Finish = Callable[[Floats], Floats]
"""From sums on the last axis to what is drawn an interval of."""
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
    storms: bool = False
    """Blocks are storms, which end where no initialisation time follows for ``block_hours``."""

    def __post_init__(self) -> None:
        if not self.block_hours > 0 or self.resamples < 1 or not 0 < self.confidence < 1 or self.seed < 0:
            raise SettingsError(
                f"bootstrap: got blocks of {self.block_hours:g} h, {self.resamples} resamples, confidence "
                f"{self.confidence:g}, seed {self.seed}, expected blocks and resamples above 0, a confidence "
                "between 0 and 1 and a seed of 0 or more"
            )


class Interval(NamedTuple):
    """Values with their intervals."""

    value: Floats
    """NaN where it is undefined."""
    low: Floats
    """Lower end of the interval; NaN where it is undefined, as it is with a single block."""
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


def blocks_of(
    reference_times: npt.NDArray[np.datetime64], hours: float = 6.0, storms: bool = False
) -> Integers:
    """Number the blocks of initialisation times, in order: (N,) from 0 without gaps, in order of time."""
    seconds = reference_times.astype("datetime64[s]").astype(np.int64)
    if storms:
        return np.cumsum(np.diff(seconds, prepend=seconds[:1]) > round(hours * 3600))
    _, number = np.unique(seconds // round(hours * 3600), return_inverse=True)
    return np.asarray(number, np.int64)


def paired_difference(
    model: npt.NDArray[np.generic],
    reference: npt.NDArray[np.generic],
    reference_times: npt.NDArray[np.datetime64],
    how: Bootstrap | None = None,
    finish: Finish = pooled_csi,
) -> Interval:
    """The difference of a pooled score, mean over lead times, and its bootstrap interval: (K,).

    Blocks are drawn with replacement, as many as there are, the same for both; sums of what was drawn
    are pooled before anything is divided. The interval lies between percentiles. It is undefined with one
    block, and where the score is undefined in more than 5 % of the resamples, for an event too rare to be in
    most blocks. With fewer than about ten blocks it is rather too narrow.

    Args:
        model, reference: (N, K, S, sums) on the same initialisation times.
        reference_times: (N,) forecast reference time of each nowcast.
        how: blocks, resamples, seed, confidence.
        finish: makes the score (..., K, S) of sums (..., K, S, sums); CSI by default.

    Raises:
        SettingsError: sums of different shape, or not one for each initialisation time.

    Source: Künsch (1989), Ann. Stat. 17, 1217-1241, for the blocks; Hamill (1999), Wea. Forecasting 14,
        155-167, for pairing and pooling.
    """
    n = len(reference_times)
    if model.shape != reference.shape or model.ndim != 4 or model.shape[0] != n or not n:
        raise SettingsError(
            f"confidence: got counts {model.shape} and {reference.shape} for {n} initialisation times, "
            "expected (initialisation times, thresholds, lead times, 3) for both"
        )

    def difference(pooled: Floats) -> Floats:
        means = mean_over_leads(finish(pooled))
        return np.asarray(means[..., 0, :] - means[..., 1, :])

    return pooled_interval(np.stack([model, reference], axis=1), reference_times, how, difference)


def pooled_interval(
    sums: npt.NDArray[np.generic],
    reference_times: npt.NDArray[np.datetime64],
    how: Bootstrap | None = None,
    finish: Finish = pooled_csi,
) -> Interval:
    """A value of pooled sums and its bootstrap interval, drawn as `paired_difference` says.

    Args:
        sums: (N, ..., sums).
        reference_times: (N,) forecast reference time of each nowcast.
        how: blocks, resamples, seed, confidence.
        finish: makes the value of sums (..., sums) that are pooled over nowcasts.
    """
    how = how or Bootstrap()
    block = blocks_of(reference_times, how.block_hours, how.storms)
    count = int(block.max()) + 1
    exact = np.int64 if np.issubdtype(sums.dtype, np.integer) else np.float64
    summed = np.zeros((count, *sums.shape[1:]), exact)
    np.add.at(summed, block, sums)
    value = finish(summed.sum(axis=0))
    if count < 2:
        none = np.full_like(value, np.nan)
        return Interval(value, none, none.copy(), count)
    low, high = _percentiles(_drawn(summed, how, finish), how.confidence)
    return Interval(value, low, high, count)


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


def _drawn(summed: npt.NDArray[np.generic], how: Bootstrap, finish: Finish) -> Floats:
    """Draw blocks again and again: (R, ...)."""
    count = len(summed)
    random = np.random.default_rng(how.seed)
    flat = summed.reshape(count, -1).astype(np.float64)  # exact: counts stay far below 2 ** 53
    found = []
    for first in range(0, how.resamples, _AT_ONCE):
        size = min(_AT_ONCE, how.resamples - first)
        times = random.multinomial(count, np.full(count, 1.0 / count), size=size)
        pooled = (times.astype(np.float64) @ flat).reshape(size, *summed.shape[1:])
        found.append(finish(pooled))
    return np.concatenate(found)


def _percentiles(drawn: Floats, confidence: float) -> tuple[Floats, Floats]:
    """The ends of the interval of each value (R, ...), NaN where too many draws are undefined."""
    flat = drawn.reshape(len(drawn), -1)
    low, high = (np.full(flat.shape[1], np.nan) for _ in range(2))
    tail = (1.0 - confidence) / 2.0
    for k, values in enumerate(flat.T):
        known = values[~np.isnan(values)]
        if len(known) >= (1.0 - _MOST_UNDEFINED) * len(values):
            low[k], high[k] = np.quantile(known, [tail, 1.0 - tail])
    return low.reshape(drawn.shape[1:]), high.reshape(drawn.shape[1:])
