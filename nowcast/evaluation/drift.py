"""Drift: whether the probabilities of late still mean what the calibration found that they mean."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.postprocessing.probability_bins import Floats
from nowcast.postprocessing.reliability import EDGES, ReliabilityTable

LEAST_GAP = 0.05
"""A smaller gap between probability and frequency is none."""
LEAST_CASES = 1000
"""Of a bin and threshold, all lead times together; a bin with fewer is not judged."""
LEAST_SHARE = 0.001
"""Of a threshold's cases that a bin must hold to be judged."""
LEAST_SPREAD = 20.0
"""Variance of the number of independent events that a bin must have: with less, chance is not normal."""
LEVEL = 0.01
"""How often at most a forecaster that has not drifted is said to have, all bins together."""


class Drift(NamedTuple):
    """What a comparison with the calibration found."""

    drifted: bool
    gap: float
    """Frequency less probability, less what the calibration found there, in the bin where it is clearest."""
    cases: int
    """Recent cases of that bin; 0 when no bin had enough."""
    sentence: str
    """For a page or a status."""


def drift(recent: ReliabilityTable, reference: ReliabilityTable) -> Drift:
    """Compare a running reliability with that of the calibration.

    For each threshold and bin of probability, lead times pooled, the gap of frequency and mean probability is
    taken against that of the calibration. It counts as drift when it is `LEAST_GAP` or more and further from
    zero than chance makes it: normal, with the variance that independent pixels of the calibrated frequency
    have, times the calibration's ``inflation``, at `LEVEL` over the number of bins judged (Bonferroni).

    Args:
        recent: pooled tables of, say, the last two weeks.
        reference: that of the calibration; same thresholds.

    Raises:
        SettingsError: other thresholds.
    """
    if recent.thresholds_dbz != reference.thresholds_dbz:
        own, others = (", ".join(f"{t:g}" for t in r.thresholds_dbz) for r in (recent, reference))
        raise SettingsError(
            complain(
                "drift: thresholds",
                f"{own} dBZ",
                f"{others} dBZ as calibrated",
                "compare tables of one forecaster",
            )
        )
    cases, now, before, spread, events = _compared(recent, reference)
    share = cases / np.maximum(cases.sum(axis=1, keepdims=True), 1.0)
    judged = (cases >= LEAST_CASES) & (share >= LEAST_SHARE) & (events >= LEAST_SPREAD)
    if not judged.any():
        return Drift(False, 0.0, 0, "calibration not judged: no bin of probability has enough cases yet")
    gap = now - before
    distance = np.where(judged, np.abs(gap) / np.where(judged, spread, 1.0), 0.0)
    limit = NormalDist().inv_cdf(1.0 - LEVEL / 2.0 / int(judged.sum()))
    far = judged & (distance > limit) & (np.abs(gap) >= LEAST_GAP)
    k, b = np.unravel_index(int(np.where(far | ~far.any(), distance, -1.0).argmax()), gap.shape)
    found, of = float(gap[k, b]), int(cases[k, b])
    bounds = (0.0, *EDGES, 1.0)
    where = (
        f"{recent.thresholds_dbz[k]:g} dBZ, forecasts of {bounds[b]:.0%} to {bounds[b + 1]:.0%}: it "
        f"happened {abs(found):.1%} {'more' if found > 0 else 'less'} often than calibrated, {of} cases"
    )
    said = f"calibration has drifted; {where}" if far.any() else f"calibration holds; largest gap at {where}"
    return Drift(bool(far.any()), found, of, said)


def _compared(recent: ReliabilityTable, reference: ReliabilityTable) -> tuple[Floats, ...]:
    """By threshold and bin: recent cases, gap now, gap then, and what chance alone makes of them.

    That is the standard deviation of the difference of the gaps if nothing has changed, and the variance of
    the recent number of independent events.
    """
    cases, forecast, events = (part.sum(axis=1) for part in recent.sums)
    then, forecast_then, events_then = (part.sum(axis=1) for part in reference.sums)
    some, some_then = np.maximum(cases, 1.0), np.maximum(then, 1.0)
    before = (events_then - forecast_then) / some_then
    expected = np.clip(forecast / some + before, 0.0, 1.0)
    one = expected * (1.0 - expected)
    spread = np.sqrt(reference.inflation * one * (1.0 / some + 1.0 / some_then))
    return cases, (events - forecast) / some, before, spread, cases * one / reference.inflation
