"""Fit dressing from counts, and choose by held-out days how wide a neighbourhood is looked at.

Dimensions: K thresholds, S lead times, N widths, F classes of a share, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.postprocessing.dressing import SHARES, DressingTable, Shares
from nowcast.postprocessing.folds import held_out, pooled
from nowcast.postprocessing.monotone import MOST_ROUNDS, rising_table
from nowcast.postprocessing.probability_bins import Floats, log_score

WIDTHS_KM = (3.0, 5.0, 9.0, 17.0, 33.0, 65.0)
"""Of neighbourhoods that are tried."""
CASES_DRAWN = 20.0
"""With the weight of so many cases a class is drawn to what is known of wider ones."""


@dataclass(frozen=True)
class ClassCounts:
    """Cases and events by threshold, lead time, width and class, (K, S, N, F, F); those of two days add up."""

    cases: Floats
    events: Floats

    def __add__(self, other: ClassCounts) -> ClassCounts:
        """Pool with other forecasts."""
        return ClassCounts(self.cases + other.cases, self.events + other.events)

    def at(self, k: int, s: int, n: int) -> ClassCounts:
        """Those of one threshold, lead time and width, (F, F) each."""
        return ClassCounts(self.cases[k, s, n], self.events[k, s, n])


def count_classes(
    dbz: npt.NDArray[np.float32],
    observed: npt.NDArray[np.floating],
    thresholds_dbz: Sequence[float],
    cell_km: float,
) -> ClassCounts:
    """Count forecasts of dBZ (S, H, W) against observed dBZ; NaN in either does not count."""
    shape = len(thresholds_dbz), len(dbz), len(WIDTHS_KM), SHARES, SHARES
    cases, events = np.zeros(shape), np.zeros(shape)
    for s, (frame, seen) in enumerate(zip(dbz, observed, strict=True)):
        known = ~(np.isnan(frame) | np.isnan(seen))
        shares = Shares(frame, cell_km)
        for k, threshold in enumerate(thresholds_dbz):
            event = seen[known] >= np.float32(threshold)
            for n, width in enumerate(WIDTHS_KM):
                lower, upper = shares.both(threshold, width)
                index = lower[known].astype(np.intp) * SHARES + upper[known]
                for part, chosen in ((cases, index), (events, index[event])):
                    part[k, s, n] = np.bincount(chosen, minlength=SHARES**2).reshape(SHARES, SHARES)
    return ClassCounts(cases, events)


def class_frequencies(counts: ClassCounts, rounds: int = MOST_ROUNDS) -> Floats:
    """Fit the table (F, F) to counts of one threshold, lead time and width.

    Each class is drawn to all of its class of the share at the threshold, and that to the frequency of all;
    then the nearest table that falls in neither direction is taken, or one near it after few ``rounds``.
    """
    n, e = counts.cases, counts.events
    base = e.sum() / max(n.sum(), 1.0)
    column = (e.sum(axis=0) + CASES_DRAWN * base) / (n.sum(axis=0) + CASES_DRAWN)
    weight = n + CASES_DRAWN
    return np.clip(rising_table((e + CASES_DRAWN * column) / weight, weight, rounds), 0.0, 1.0)


def fit_dressing(
    folds: Mapping[str, ClassCounts], thresholds_dbz: Sequence[float], lead_minutes: Sequence[float]
) -> DressingTable:
    """Fit a table for each threshold and lead time, of the width of lowest log score on held-out days.

    Each fold (a day) is judged by tables fitted on the others. With one fold, and among widths of equal
    score, the narrowest is taken. Widths never shrink with the lead time. Then tables are fitted on all folds.

    Args:
        folds: counts by day; they are all that is known of the forecasts.
        thresholds_dbz, lead_minutes: K and S of the counts.
    """
    every = pooled(folds.values())
    widths, tables = [], []
    for k in range(len(thresholds_dbz)):
        scores = np.array([_held_out_scores(folds, k, s) for s in range(len(lead_minutes))])
        chosen = _never_shrinking(scores)
        widths.append(tuple(WIDTHS_KM[n] for n in chosen))
        tables.append(
            tuple(
                tuple(tuple(float(round(v, 5)) for v in row) for row in class_frequencies(every.at(k, s, n)))
                for s, n in enumerate(chosen)
            )
        )
    return DressingTable(tuple(thresholds_dbz), tuple(lead_minutes), tuple(widths), tuple(tables))


def _held_out_scores(folds: Mapping[str, ClassCounts], k: int, s: int) -> list[float]:
    """The log score of each width, summed over the cases of all folds."""
    scores = [0.0] * len(WIDTHS_KM)
    for judged, others in held_out(folds):
        for n in range(len(WIDTHS_KM)):
            p = class_frequencies(pooled(other.at(k, s, n) for other in others), rounds=1)
            one = judged.at(k, s, n)
            scores[n] += log_score(p, one.cases, one.events)
    return scores


def _never_shrinking(scores: Floats) -> list[int]:
    """The column of each row of (S, N), never to the left of the row before, of lowest sum."""
    best = scores[0]
    sources = []
    for row in scores[1:]:
        lowest = np.minimum.accumulate(best)
        sources.append([int(np.argmin(best[: n + 1])) for n in range(len(best))])
        best = row + lowest
    chosen = [int(np.argmin(best))]
    for places in reversed(sources):
        chosen.append(places[chosen[-1]])
    return chosen[::-1]
