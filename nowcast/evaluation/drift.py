"""Drift: whether the probabilities of late still mean what the calibration found that they mean."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.postprocessing.reliability import EDGES, ReliabilityTable

LEAST_GAP = 0.05
"""A smaller gap between probability and frequency is none."""
LEAST_CASES = 1000
"""Of a bin and threshold, all lead times together; a bin with fewer is not judged."""
LEAST_SHARE = 0.001
"""Of a threshold's cases that a bin must hold to be judged."""
LEVEL = 0.05
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
    zero than chance makes it: normal, with the variance of independent pixels times the calibration's
    ``inflation``, at `LEVEL` over the number of bins judged (Bonferroni).

    Args:
        recent: pooled tables of, say, the last two weeks.
        reference: that of the calibration; same thresholds.

    Raises:
        SettingsError: other thresholds.
    """
    if recent.thresholds_dbz != reference.thresholds_dbz:
        own, others = (", ".join(f"{t:g}" for t in r.thresholds_dbz) for r in (recent, reference))
        raise SettingsError(complain("drift: thresholds", f"{own} dBZ", f"{others} dBZ as calibrated",
                                     "compare tables of one forecaster"))
    cases, now, before, spread = _compared(recent, reference)
    share = cases / np.maximum(cases.sum(axis=1, keepdims=True), 1.0)
    judged = (cases >= LEAST_CASES) & (share >= LEAST_SHARE) & (spread > 0)
    if not judged.any():
        return Drift(False, 0.0, 0, f"calibration not judged: no bin has {LEAST_CASES} cases yet")
    gap = now - before
    distance = np.where(judged, np.abs(gap) / np.where(judged, spread, 1.0), 0.0)
    limit = NormalDist().inv_cdf(1.0 - LEVEL / 2.0 / int(judged.sum()))
    far = judged & (distance > limit) & (np.abs(gap) >= LEAST_GAP)
    k, b = np.unravel_index(int(np.where(far | ~far.any(), distance, -1.0).argmax()), gap.shape)
    found, of = float(gap[k, b]), int(cases[k, b])
    bounds = (0.0, *EDGES, 1.0)
    where = (f"{recent.thresholds_dbz[k]:g} dBZ, forecasts of {bounds[b]:.0%} to {bounds[b + 1]:.0%}: it "
             f"happened {abs(found):.1%} {'more' if found > 0 else 'less'} often than calibrated, {of} cases")
    said = f"calibration has drifted; {where}" if far.any() else f"calibration holds; largest gap at {where}"
    return Drift(bool(far.any()), found, of, said)


def _compared(
    recent: ReliabilityTable, reference: ReliabilityTable
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """By threshold and bin: recent cases, gap now, gap then, and the standard deviation of their difference."""
    gaps, variances, counted = [], [], []
    for table in (recent, reference):
        cases, forecast, events = (part.sum(axis=1) for part in table.sums)
        some = np.maximum(cases, 1.0)
        gaps.append((events - forecast) / some)
        mean = (events + 0.5) / (some + 1.0)
        variances.append(np.where(cases > 0, reference.inflation * mean * (1.0 - mean) / some, 0.0))
        counted.append(cases)
    return counted[0], gaps[0], gaps[1], np.sqrt(variances[0] + variances[1])
