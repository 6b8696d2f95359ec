"""How sure a difference of scores is: paired block bootstrap of pooled CSI, and how long a CSI holds.

Start times minutes apart see the same rain: they say little more than one. So whole blocks of hours are
drawn, and both models always on the same ones: what makes a day hard for all cancels.
Letters: N start times, B blocks, K thresholds, S lead times, R resamples; the last axis of counts holds
hits, misses and false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import ratio

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_MOST_UNDEFINED = 0.05
_AT_ONCE = 200


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn."""

    block_hours: float = 6.0
    """Length of a block of start times; blocks begin at 00 UTC."""
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
    """Give CSI from hits, misses and false alarms on the last axis; NaN where all are 0."""
    return np.asarray(ratio(counts[..., 0], counts.sum(axis=-1)))


def mean_over_leads(csi: Floats) -> Floats:
    """Take the mean over the last axis of what is defined, as score tables do; NaN if nothing is."""
    known = ~np.isnan(csi)
    return np.asarray(ratio(np.where(known, csi, 0.0).sum(axis=-1), known.sum(axis=-1)))


def blocks_of(issued: npt.NDArray[np.datetime64], hours: float = 6.0) -> npt.NDArray[np.int64]:
    """Number the blocks of start times: (N,) from 0 without gaps, in order of time."""
    length = np.timedelta64(round(hours * 3600), "s")
    _, number = np.unique(issued.astype("datetime64[s]").astype(np.int64) // length.astype(np.int64),
                          return_inverse=True)
    return np.asarray(number, np.int64)


def paired_difference(
    model: Counts, reference: Counts, issued: npt.NDArray[np.datetime64], how: Bootstrap | None = None
) -> Difference:
    """Give the difference of pooled CSI, mean over lead times, and its bootstrap interval.

    Blocks are drawn with replacement, as many as there are, the same for both; counts of what was drawn
    are pooled before anything is divided. The interval lies between percentiles. It is undefined with one
    block, and where CSI is undefined in more than 5 % of the resamples, for an event too rare to be in
    most blocks. With fewer than about ten blocks it is rather too narrow.

    Args:
        model, reference: (N, K, S, 3) on the same start times.
        issued: (N,) when each nowcast was issued.
        how: blocks, resamples, seed, confidence.

    Raises:
        SettingsError: counts of different shape, or not one for each start time.

    Source: Künsch (1989), Ann. Stat. 17, 1217-1241, for the blocks; Hamill (1999), Wea. Forecasting 14,
        155-167, for pairing and pooling.
    """
    how = how or Bootstrap()
    if model.shape != reference.shape or model.ndim != 4 or model.shape[0] != len(issued) or not len(issued):
        raise SettingsError(
            f"confidence: got counts {model.shape} and {reference.shape} for {len(issued)} start times, "
            "expected (start times, thresholds, lead times, 3) for both"
        )
    block = blocks_of(issued, how.block_hours)
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


def holds_until(csi: Floats, lead_minutes: npt.ArrayLike, level: float) -> float:
    """Give the lead time in minutes at which a CSI first falls under a level, linear between lead times.

    At lead time 0 a forecast is the newest frame, with a CSI of 1. Undefined lead times are passed
    over.

    Args:
        csi: (S,).
        lead_minutes: S, rising.
        level: above 0, at most 1.

    Returns:
        Infinity if it holds to the last lead time, NaN if it is never defined.

    Raises:
        SettingsError: a level out of range.
    """
    if not 0 < level <= 1:
        raise SettingsError(f"level of CSI: got {level:g}, expected one above 0 and at most 1")
    known = ~np.isnan(csi)
    if not known.any():
        return float("nan")
    leads = np.concatenate([[0.0], np.asarray(lead_minutes, np.float64)[known]])
    values = np.concatenate([[1.0], csi[known]])
    under = np.flatnonzero(values < level)
    if not len(under):
        return float("inf")
    i = int(under[0])
    share = (values[i - 1] - level) / (values[i - 1] - values[i])
    return float(leads[i - 1] + share * (leads[i] - leads[i - 1]))


def _difference(counts: npt.NDArray[np.generic]) -> Floats:
    """Take (..., 2, K, S, 3) apart: mean CSI of the first minus that of the second, (..., K)."""
    csi = mean_over_leads(pooled_csi(counts))
    return np.asarray(csi[..., 0, :] - csi[..., 1, :])


def _drawn(summed: Counts, how: Bootstrap) -> Floats:
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
