"""Decision thresholds: where a forecast should be taken for an event to earn the highest CSI.

A forecast that was smoothed or trained on errors rarely reaches 40 dBZ where 40 dBZ is observed; with a
lower threshold of its own it may do well. Counts of one pass over the forecasts are enough to know the CSI of
every candidate. Dimensions: K thresholds of the event, S lead times, L candidates, H rows, W columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.scores.arrays import Floats, Integers, pair
from nowcast.scores.categorical import check_threshold, csi

Narrow = npt.NDArray[np.float32]
_NEARNESS = 1e-9
"""Weight of the distance from the preferred candidate: decides between those of equal CSI and nothing else."""


class ChosenThresholds(NamedTuple):
    """Decision thresholds and the CSI they reach on the forecasts that were counted."""

    thresholds: Floats
    """(K, S)."""
    csi: Floats
    """(K, S) with these thresholds; NaN where the event was neither forecast nor observed."""
    csi_before: Floats
    """(K, S) with the preferred ones."""


def dbz_candidates(thresholds_dbz: Sequence[float]) -> Narrow:
    """Candidates for a dBZ field: every quarter of a dB from -10 to 80, and the thresholds of the events."""
    grid = np.arange(-40, 321, dtype=np.float32) / np.float32(4)
    return np.unique(np.concatenate([grid, np.asarray(thresholds_dbz, np.float32)]))


def probability_candidates() -> Narrow:
    """Candidates for a probability: every half per cent above 0 and under 1."""
    return (np.arange(1, 200) / 200).astype(np.float32)


class DecisionCounts(ABC):
    """Counts of forecasts and observations from which decision thresholds are chosen.

    Pixels enter as in `nowcast.scores.categorical.Contingency`: what was not observed never counts, a
    forecast of NaN is no event, everything is compared in float32.

    Args:
        thresholds_dbz: K rising thresholds of the observed event.
        candidates: L rising values that a decision threshold may have.
        counted: shape of what is counted, before that of the candidates reached.
    """

    def __init__(self, thresholds_dbz: Sequence[float], candidates: Narrow, *counted: int) -> None:
        self.thresholds = np.array([check_threshold(t) for t in thresholds_dbz], np.float32)
        self.candidates = candidates
        self._joint: Integers = np.zeros((*counted, len(candidates) + 1), np.int64)

    @abstractmethod
    def add(self, forecast: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> None:
        """Count one pair of a forecast and observed dBZ (S, H, W)."""

    def merge(self, other: DecisionCounts) -> None:
        """Add what other counts of the same thresholds and candidates have seen."""
        self._joint += other._joint

    @abstractmethod
    def choose(self) -> ChosenThresholds:
        """Choose the decision thresholds of highest CSI."""

    def _tally(self, forecast: Narrow, observed: Narrow, thresholds: Narrow) -> Integers:
        """Count the pixels of one frame by events observed and candidates reached: (K + 1, L + 1)."""
        counted = ((forecast >= self.candidates[0]) & ~np.isnan(observed)) | (observed >= thresholds[0])
        event = np.searchsorted(thresholds, observed[counted], side="right")
        forecast = forecast[counted]
        reached = np.where(np.isnan(forecast), 0, np.searchsorted(self.candidates, forecast, side="right"))
        shape = len(thresholds) + 1, len(self.candidates) + 1
        return np.bincount(event * shape[1] + reached, minlength=shape[0] * shape[1]).reshape(shape)

    def _worth(self, values: Floats, events: Integers, preferred: Narrow) -> Floats:
        """CSI less a little with the distance from the preferred candidate, 0 without events: (K, S, L)."""
        distance = np.abs(self.candidates.astype(np.float64) - preferred.astype(np.float64)[:, None])
        known = np.where((events > 0)[..., None], values, 0.0)
        return np.asarray(known - _NEARNESS * distance[:, None])

    def _chosen(self, values: Floats, chosen: Integers, preferred: Narrow) -> ChosenThresholds:
        plain = np.searchsorted(self.candidates, preferred)[:, None].repeat(values.shape[1], axis=1)
        after, before = (
            np.take_along_axis(values, index[..., None], axis=-1)[..., 0] for index in (chosen, plain)
        )
        return ChosenThresholds(self.candidates[chosen].astype(np.float64), after, before)


class DbzDecisionCounts(DecisionCounts):
    """Counts of forecasts in dBZ: one value a pixel, whatever the threshold."""

    def __init__(self, thresholds_dbz: Sequence[float], n_lead_times: int) -> None:
        candidates = dbz_candidates(thresholds_dbz)
        super().__init__(thresholds_dbz, candidates, n_lead_times, len(thresholds_dbz) + 1)

    def add(self, forecast: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> None:
        """Count one pair of dBZ arrays (S, H, W)."""
        for s, (one, other) in enumerate(zip(*_narrow(forecast, observed), strict=True)):
            self._joint[s] += self._tally(one, other, self.thresholds)

    def choose(self) -> ChosenThresholds:
        """Choose the decision thresholds of highest CSI that do not fall as the event's threshold rises.

        Why never falling: only then is there one field whose events at every threshold they are. Where
        the best ones by themselves fall, the sum of CSI over thresholds decides. Of those of equal CSI,
        and where the event was never observed, the one nearest to the event's threshold is taken.
        """
        reached = _from_above(self._joint, axis=2)  # (S, K + 1, L): pixels at or above each candidate
        hits = np.moveaxis(_from_above(reached, axis=1), 1, 0)
        events = np.moveaxis(_from_above(self._joint.sum(axis=2), axis=1), 1, 0)
        values = csi(hits, events[..., None] - hits, reached.sum(axis=1)[None] - hits)
        worth = self._worth(values, events, self.thresholds)
        chosen = np.stack([_never_falling(worth[:, s]) for s in range(worth.shape[1])], axis=1)
        return self._chosen(values, chosen, self.thresholds)


class ProbabilityDecisionCounts(DecisionCounts):
    """Counts of forecast probabilities: one value a pixel and threshold."""

    def __init__(self, thresholds_dbz: Sequence[float], n_lead_times: int) -> None:
        candidates = probability_candidates()
        super().__init__(thresholds_dbz, candidates, len(thresholds_dbz), n_lead_times, 2)

    def add(self, forecast: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> None:
        """Count probabilities (K, S, H, W) against observed dBZ (S, H, W)."""
        for k, probabilities in enumerate(forecast):
            for s, (one, other) in enumerate(zip(*_narrow(probabilities, observed), strict=True)):
                self._joint[k, s] += self._tally(one, other, self.thresholds[k : k + 1])

    def choose(self) -> ChosenThresholds:
        """Choose the decision threshold of highest CSI for each threshold and lead time by itself.

        Of those of equal CSI, and where the event was never observed, the one nearest to 0.5 is taken.
        One near CSI / (1 + CSI) is to be expected: for calibrated probabilities that is the best one.
        """
        hits, misses, false_alarms = self._of_candidates()
        values, half = csi(hits, misses, false_alarms), np.full(len(self.thresholds), 0.5, np.float32)
        return self._chosen(
            values, self._worth(values, hits[..., 0] + misses[..., 0], half).argmax(axis=-1), half
        )

    def at(self, decision_thresholds: npt.ArrayLike) -> Integers:
        """Hits, misses and false alarms (K, S, 3) with decision thresholds (K, S), each a candidate."""
        chosen = np.searchsorted(self.candidates, np.asarray(decision_thresholds, np.float32))
        counts = [np.take_along_axis(n, chosen[..., None], axis=-1) for n in self._of_candidates()]
        return np.concatenate(counts, axis=-1)

    def _of_candidates(self) -> tuple[Integers, Integers, Integers]:
        """Hits, misses and false alarms of each candidate: (K, S, L)."""
        reached = _from_above(self._joint, axis=3)  # (K, S, 2, L)
        events = self._joint[:, :, 1].sum(axis=-1, keepdims=True)
        return reached[:, :, 1], events - reached[:, :, 1], reached[:, :, 0]


def _narrow(forecast: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> list[Narrow]:
    return [np.asarray(a, np.float32) for a in pair(forecast, observed)[:2]]


def _from_above(counts: Integers, axis: int) -> Integers:
    """Turn counts in each of L + 1 bins along an axis into counts at or above each of L bounds."""
    above = np.flip(np.flip(counts, axis).cumsum(axis=axis), axis)
    return np.asarray(np.delete(above, 0, axis))


def _never_falling(worth: Floats) -> Integers:
    """Choose one column of each row of (K, L), never to the left of the row before, of highest sum."""
    columns = np.arange(worth.shape[1])
    best, sources = worth[0], []
    for row in worth[1:]:
        highest = np.maximum.accumulate(best)
        sources.append(np.maximum.accumulate(np.where(best == highest, columns, 0)))
        best = row + highest
    chosen = [int(best.argmax())]
    for places in reversed(sources):
        chosen.append(int(places[chosen[-1]]))
    return np.array(chosen[::-1], np.int64)
