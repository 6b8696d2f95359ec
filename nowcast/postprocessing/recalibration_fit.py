"""Fit recalibration from counts, and choose by held-out days how: not at all, logistic or isotonic.

Dimensions: K thresholds, S lead times, B bins of probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nowcast.postprocessing.folds import held_out, pooled
from nowcast.postprocessing.monotone import rising_fit
from nowcast.postprocessing.probability_bins import CENTRES, BinCounts, Floats, log_score, logit, probability
from nowcast.postprocessing.recalibration import Method, RecalibrationTable

CASES_PER_SAMPLE = 1000.0
"""About so many pixels of 1 km are worth one independent case: rain is wide. It sets how far a fit may leave
the identity, not what is chosen: held-out days decide that."""
LEAST_EVENTS = 1000
"""Of a threshold, over all lead times: with fewer its probabilities stay what they are."""
_PRIOR = 0.5
"""Standard deviation of slope and offset around the identity, in logits."""
_STEPS = 50
METHODS: tuple[Method, ...] = ("identity", "logistic", "isotonic")


class FittedRecalibration(NamedTuple):
    """A recalibration and what it was worth on days that it was not fitted on."""

    table: RecalibrationTable
    held_out: tuple[dict[str, float], ...]
    """By threshold, the log score a case (nats) of each method on held-out days; empty without any."""
    notes: tuple[str, ...]
    """Where nothing was fitted, why not."""


def logistic(counts: BinCounts) -> Floats:
    """Fit slope and offset of logits to counts of one threshold and lead time (B,): the map, (B,) logits.

    Maximum of the likelihood with a normal prior around the identity, each `CASES_PER_SAMPLE` cases
    counting as one; a falling map becomes level.

    Source: Platt 1999 (Advances in Large Margin Classifiers), with a prior in place of his targets.
    """
    used = counts.cases > 0
    n, e = counts.cases[used] / CASES_PER_SAMPLE, counts.events[used] / CASES_PER_SAMPLE
    x = logit(counts.forecast[used])
    design, pull = np.stack([x, np.ones_like(x)]), 1.0 / _PRIOR**2
    found = start = np.array([1.0, 0.0])
    worth = _penalised(found, design, n, e, start, pull)
    for _ in range(_STEPS):
        p = probability(found @ design)
        slope = design @ (e - n * p) - pull * (found - start)
        curve = (design * (n * p * (1.0 - p))) @ design.T + pull * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while _penalised(found + step, design, n, e, start, pull) < worth and np.abs(step).max() > 1e-9:
            step = step / 2.0
        found = found + step
        worth = _penalised(found, design, n, e, start, pull)
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(max(found[0], 0.0) * CENTRES + found[1])


def _penalised(at: Floats, design: Floats, n: Floats, e: Floats, start: Floats, pull: float) -> float:
    z = at @ design
    likelihood = (e * z - n * np.logaddexp(0.0, z)).sum()
    return float(likelihood - 0.5 * pull * ((at - start) ** 2).sum())


def isotonic(counts: BinCounts) -> Floats:
    """Fit a never falling frequency to counts of one threshold and lead time (B,): the map, (B,) logits.

    Each bin is drawn to its own mean probability with the weight of one independent case, so that an
    empty bin stays what it is.

    Source: Zadrozny and Elkan 2002 (KDD).
    """
    weight = counts.cases + CASES_PER_SAMPLE
    return logit(rising_fit((counts.events + CASES_PER_SAMPLE * counts.forecast) / weight, weight))


def fit_recalibration(
    folds: Mapping[str, BinCounts], thresholds_dbz: Sequence[float], lead_minutes: Sequence[float]
) -> FittedRecalibration:
    """Fit a map for each threshold and lead time by the method of lowest log score on held-out days.

    Each fold (a day) is judged by maps fitted on the others; scores are summed over folds and lead times,
    and a method other than the identity must be better. Then it is fitted on all folds.

    Args:
        folds: counts by day; they are all that is known of the forecasts.
        thresholds_dbz, lead_minutes: K and S of the counts.
    """
    every = pooled(folds.values())
    methods: list[Method] = []
    scores: list[dict[str, float]] = []
    notes = []
    for k, threshold in enumerate(thresholds_dbz):
        events = every.events[k].sum()
        if len(folds) < 2 or events < LEAST_EVENTS:
            few = f"{len(folds)} day" if len(folds) < 2 else f"{events:.0f} events, of at least {LEAST_EVENTS}"
            notes.append(f"{threshold:g} dBZ: {few}: probabilities stay as they are")
            methods.append("identity")
            scores.append({})
            continue
        found = {method: _held_out_score(folds, k, method) for method in METHODS}
        methods.append(min(METHODS, key=lambda method: found[method]))
        scores.append({method: round(value / every.cases[k].sum(), 9) for method, value in found.items()})
    logits = tuple(
        ()
        if method == "identity"
        else tuple(
            tuple(float(round(v, 4)) for v in fit(every.at(k, s), method)) for s in range(len(lead_minutes))
        )
        for k, method in enumerate(methods)
    )
    table = RecalibrationTable(tuple(thresholds_dbz), tuple(lead_minutes), tuple(methods), logits)
    return FittedRecalibration(table, tuple(scores), tuple(notes))


def fit(counts: BinCounts, method: Method) -> Floats:
    """Fit one map by a method: logits (B,) at the centres of the bins."""
    if method == "identity":
        return CENTRES
    return logistic(counts) if method == "logistic" else isotonic(counts)


def recalibrated(counts: BinCounts, logits: Floats) -> Floats:
    """The probability that each bin (B,) has after a map, at its mean forecast."""
    return probability(np.interp(logit(counts.forecast), CENTRES, logits))


def _held_out_score(folds: Mapping[str, BinCounts], k: int, method: Method) -> float:
    """The sum of the log score of all cases of a threshold, each judged by a fit without its day."""
    score = 0.0
    for judged, others in held_out(folds):
        fitted = pooled(others)
        for s in range(fitted.cases.shape[1]):
            one = judged.at(k, s)
            score += log_score(recalibrated(one, fit(fitted.at(k, s), method)), one.cases, one.events)
    return score
