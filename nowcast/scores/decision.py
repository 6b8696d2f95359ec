"""Decision levels: at which level of what a forecast says an event should be called to earn the highest CSI.

A forecast that was smoothed or trained on errors rarely reaches 40 dBZ where 40 dBZ comes; called at a
lower level of its own it may do well. Counts of one pass over the forecasts are enough to know the CSI of every
candidate level. Letters: K thresholds, S lead times, L candidate levels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.scores.arrays import pair, ratio
from nowcast.scores.categorical import check_threshold

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_NEARNESS = 1e-9
"""Weight of the distance from the preferred level: decides between levels of equal CSI and nothing else."""


class Chosen(NamedTuple):
    """Levels and what they are worth on the forecasts that were counted."""

    levels: Floats
    """(K, S)."""
    csi: Floats
    """(K, S) with these levels; NaN where the event was neither forecast nor observed."""
    csi_before: Floats
    """(K, S) with the preferred levels."""


def dbz_candidates(thresholds_dbz: Sequence[float]) -> npt.NDArray[np.float32]:
    """Give candidate levels of a dBZ field: every quarter of a dB from -10 to 80, and the thresholds."""
    grid = np.arange(-40, 321, dtype=np.float32) / np.float32(4)
    return np.unique(np.concatenate([grid, np.asarray(thresholds_dbz, np.float32)]))


def probability_candidates() -> npt.NDArray[np.float32]:
    """Give candidate levels of a probability: every half per cent above 0 and under 1."""
    return (np.arange(1, 200) / 200).astype(np.float32)


class DbzLevels:
    """Counts for the levels of forecasts in dBZ: one value a pixel, whatever the threshold.

    Pixels enter as in `nowcast.scores.categorical.Contingency`: what was not observed never counts, a
    forecast of NaN is no event.

    Args:
        thresholds_dbz: K rising thresholds of the observed event.
        leads: S.
    """

    def __init__(self, thresholds_dbz: Sequence[float], leads: int) -> None:
        self.thresholds = np.array([check_threshold(t) for t in thresholds_dbz], np.float32)
        self.candidates = dbz_candidates(thresholds_dbz)
        self._joint: Counts = np.zeros((leads, len(self.thresholds) + 1, len(self.candidates) + 1), np.int64)

    def add(self, forecast: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> None:
        """Count one pair of dBZ arrays (S, H, W)."""
        both = pair(forecast, observed)
        kinds, bins = self._joint.shape[1:]
        for lead, (said, came) in enumerate(zip(both.forecast, both.observed, strict=True)):
            matters = ((said >= self.candidates[0]) & ~np.isnan(came)) | (came >= self.thresholds[0])
            event = np.searchsorted(self.thresholds, came[matters], side="right")
            level = _levels_reached(self.candidates, said[matters])
            self._joint[lead] += np.bincount(event * bins + level, minlength=kinds * bins).reshape(kinds, bins)

    def choose(self) -> Chosen:
        """Choose the levels of highest CSI that do not fall as the threshold rises.

        Why never falling: only then is there one field whose events at every threshold they are. Where
        the best levels by themselves fall, the sum of CSI over thresholds decides. Of levels of equal CSI,
        and where the event was never observed, the one nearest to the threshold is taken.
        """
        reached = _from_above(self._joint)  # (S, K + 1, L): pixels at or above each level
        said = reached.sum(axis=1)[None]
        hits = np.moveaxis(reached[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:], 1, 0)
        events = np.moveaxis(self._joint.sum(axis=2)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:], 1, 0)
        csi = ratio(hits, events[..., None] + said - hits)
        worth = _worth(csi, events, self.candidates, self.thresholds)
        chosen = np.stack([_never_falling(worth[:, s]) for s in range(worth.shape[1])], axis=1)
        return _chosen(csi, chosen, self.candidates, self.thresholds)


class ProbabilityLevels:
    """Counts for the levels of forecast probabilities: one value a pixel and threshold.

    Args:
        thresholds_dbz: K thresholds, those of the probabilities.
        leads: S.
    """

    def __init__(self, thresholds_dbz: Sequence[float], leads: int) -> None:
        self.thresholds = np.array([check_threshold(t) for t in thresholds_dbz], np.float32)
        self.candidates = probability_candidates()
        shape = (len(self.thresholds), leads, 2, len(self.candidates) + 1)
        self._joint: Counts = np.zeros(shape, np.int64)

    def add(self, probabilities: npt.NDArray[np.floating], observed: npt.NDArray[np.floating]) -> None:
        """Count probabilities (K, S, H, W) against observed dBZ (S, H, W); NaN as in `DbzLevels`."""
        bins = self._joint.shape[-1]
        for k, threshold in enumerate(self.thresholds):
            both = pair(probabilities[k], observed)
            for lead, (said, came) in enumerate(zip(both.forecast, both.observed, strict=True)):
                matters = ((said >= self.candidates[0]) & ~np.isnan(came)) | (came >= threshold)
                event = (came[matters] >= threshold).astype(np.int64)
                level = _levels_reached(self.candidates, said[matters])
                self._joint[k, lead] += np.bincount(event * bins + level, minlength=2 * bins).reshape(2, bins)

    def choose(self) -> Chosen:
        """Choose the level of highest CSI for each threshold and lead time by itself.

        Of levels of equal CSI, and where the event was never observed, the one nearest to 0.5 is taken.
        A level near CSI / (1 + CSI) is to be expected: for calibrated probabilities that is the best one.
        """
        reached = _from_above(self._joint)  # (K, S, 2, L)
        events = self._joint[:, :, 1].sum(axis=-1)
        hits, said = reached[:, :, 1], reached.sum(axis=2)
        csi = ratio(hits, events[..., None] + said - hits)
        half = np.full(len(self.thresholds), 0.5, np.float32)
        chosen = _worth(csi, events, self.candidates, half).argmax(axis=-1)
        return _chosen(csi, chosen, self.candidates, half)


def _levels_reached(
    candidates: npt.NDArray[np.float32], said: npt.NDArray[np.floating]
) -> npt.NDArray[np.int64]:
    """Count the candidates at or below each value; NaN reaches none."""
    reached = np.searchsorted(candidates, said, side="right")
    return np.where(np.isnan(said), 0, reached)


def _from_above(joint: Counts) -> Counts:
    """Turn counts in each of L + 1 bins into counts at or above each of L levels."""
    above: Counts = joint[..., ::-1].cumsum(axis=-1)[..., ::-1][..., 1:]
    return above


def _worth(
    csi: Floats, events: Counts, candidates: npt.NDArray[np.float32], preferred: npt.NDArray[np.float32]
) -> Floats:
    """Give (K, S, L): CSI, a little less with the distance from the preferred level; 0 without events."""
    distance = np.abs(candidates.astype(np.float64) - preferred.astype(np.float64)[:, None])
    known = np.where((events > 0)[..., None], csi, 0.0)
    worth: Floats = known - _NEARNESS * distance[:, None]
    return worth


def _never_falling(worth: Floats) -> npt.NDArray[np.int64]:
    """Choose one column of each row of (K, L), never to the left of the row before, of highest sum."""
    columns = np.arange(worth.shape[1])
    best, came_from = worth[0], []
    for row in worth[1:]:
        highest = np.maximum.accumulate(best)
        came_from.append(np.maximum.accumulate(np.where(best == highest, columns, 0)))
        best = row + highest
    chosen = [int(best.argmax())]
    for places in reversed(came_from):
        chosen.append(int(places[chosen[-1]]))
    return np.array(chosen[::-1], np.int64)


def _chosen(
    csi: Floats, chosen: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.float32], preferred: npt.NDArray[np.float32],
) -> Chosen:
    plain = np.searchsorted(candidates, preferred)[:, None].repeat(csi.shape[1], axis=1)
    after, before = (
        np.take_along_axis(csi, index[..., None], axis=-1)[..., 0] for index in (chosen, plain)
    )
    return Chosen(candidates[chosen].astype(np.float64), after, before)
