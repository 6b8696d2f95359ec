"""The diagrams of a verification, made of its sums; all lead times pooled but for performance.

Dimensions: N nowcasts, K thresholds, S lead times, B classes of probability, b bins of the reliability diagram.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nowcast.evaluation.nowcast_sums import CLASSES
from nowcast.evaluation.period import Verification
from nowcast.report.diagram_content import DiagramCurve, Diagrams, RankShares, ReliabilityCurve
from nowcast.scores.arrays import Floats, ratio
from nowcast.scores.base import Metric
from nowcast.scores.categorical import far, pod
from nowcast.scores.confidence import Bootstrap, blocks_of, pooled_interval
from nowcast.scores.discrimination import EconomicValue, RocArea
from nowcast.scores.probability_classes import Reliability
from nowcast.scores.rank_histogram import RankHistogram

COST_LOSS = tuple(float(r) for r in np.round(np.geomspace(0.001, 0.9, 40), 6))
M = TypeVar("M", bound=Metric)


def diagrams_of(found: Verification, how: Bootstrap) -> Diagrams:
    """Every diagram of which the sums are there: those of scores that were asked for, and performance.

    Consistency bars say where the frequency of a bin would lie if probabilities were reliable: the spread of
    the gap between frequency and probability over resampled blocks of initialisation times, laid around the
    diagonal. With one block there is nothing to resample; then cases are taken for independent, and bars are
    far too short.

    Source: Bröcker and Smith 2007 (Weather and Forecasting 22) for consistency bars, of independent cases;
        Künsch 1989 for blocks.
    """
    return Diagrams(
        reliability=list(_reliability(found, how)),
        roc=list(_curves(found, RocArea, _roc)),
        value=list(_curves(found, EconomicValue, _value)),
        performance=list(_performance(found)),
        ranks=[
            RankShares(model, metric.least_dbz, (metric.classes * metric.shares(sums)[:, 0]).tolist())
            for model, metric, sums in _pooled(found, RankHistogram)
        ],
        blocks=int(blocks_of(found.reference_times, how.block_hours, how.storms).max()) + 1,
    )


def _pooled(found: Verification, kind: type[M]) -> Iterator[tuple[str, M, dict[str, Any]]]:
    """Model, metric and its sums over all lead times, kept as one, of every metric of a kind."""
    for model, tally in found.tallies.items():
        for metric in tally.metrics:
            if isinstance(metric, kind):
                sums = tally.sums(metric).items()
                yield model, metric, {name: np.asarray(part).sum(axis=0, keepdims=True) for name, part in sums}


def _reliability(found: Verification, how: Bootstrap) -> Iterator[ReliabilityCurve]:
    for model, metric, sums in _pooled(found, Reliability):
        shown = metric.diagram(sums)
        forecast, observed, pixels = (np.asarray(part)[:, 0] for part in shown)
        k = [m.threshold_dbz for m in found.tallies[model].metrics if isinstance(m, Reliability)].index(
            metric.threshold_dbz
        )
        low, high = consistency_bars(found.sums[model][CLASSES][:, k], metric, found.reference_times, how)
        events = np.nansum(observed * pixels) / max(pixels.sum(), 1)
        yield ReliabilityCurve(
            model,
            metric.threshold_dbz,
            forecast.tolist(),
            observed.tolist(),
            pixels.tolist(),
            low.tolist(),
            high.tolist(),
            float(events),
        )


def consistency_bars(
    classes: Floats, metric: Reliability, reference_times: npt.NDArray[np.datetime64], how: Bootstrap
) -> tuple[Floats, Floats]:
    """The ends of the consistency bar of each bin, (b,) each, within [0, 1]; NaN in an empty bin.

    Args:
        classes: pixels, events and probabilities by class of each nowcast (N, B, 3).
        metric: whose bins.
        reference_times: (N,).
        how: blocks, resamples, confidence.
    """
    first = np.searchsorted(metric.edges, np.arange(metric.bins) / metric.bins - 1e-9)
    bins = np.add.reduceat(classes, first, axis=1)
    pixels, _, forecast = np.moveaxis(bins.sum(axis=0), -1, 0)
    mean = np.asarray(ratio(forecast, pixels))

    def gap(sums: Floats) -> Floats:
        return np.asarray(ratio(sums[..., 1] - sums[..., 2], sums[..., 0]))

    drawn = pooled_interval(bins, reference_times, how, gap)
    if drawn.blocks < 2:
        low, high = _independent(mean, pixels, how.confidence)
    else:
        low, high = (mean + (end - drawn.value) for end in (drawn.low, drawn.high))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _independent(mean: Floats, cases: Floats, confidence: float) -> tuple[Floats, Floats]:
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    known = cases > 0
    ends = [
        np.where(known, binom.ppf(q, np.maximum(cases, 1), np.nan_to_num(mean)) / np.maximum(cases, 1), np.nan)
        for q in (tail, 1 - tail)
    ]
    return ends[0], ends[1]


def _curves(found: Verification, kind: type[M], points: Any) -> Iterator[DiagramCurve]:
    for model, metric, sums in _pooled(found, kind):
        x, y, texts = points(metric, sums)
        if np.isfinite(y).any():
            threshold = float(getattr(metric, "threshold_dbz"))  # noqa: B009 - of a kind that has one
            yield DiagramCurve(model, threshold, x, y, texts)


def _roc(metric: RocArea, sums: Mapping[str, Any]) -> tuple[list[float], list[float], list[str]]:
    curve = metric.curve(sums)
    texts = [f"P ≥ {edge:g}" for edge in metric.edges] + ["never"]
    return curve.false_detection[:, 0].tolist(), curve.detection[:, 0].tolist(), texts


def _value(metric: EconomicValue, sums: Mapping[str, Any]) -> tuple[list[float], list[float], list[str]]:
    return list(COST_LOSS), metric.curve(sums, COST_LOSS)[:, 0].tolist(), []


def _performance(found: Verification) -> Iterator[DiagramCurve]:
    """Of each model and threshold a point a lead time."""
    for model in found.models:
        counts = found.counts[model].sum(axis=0)
        for threshold, (hits, misses, false_alarms) in zip(
            found.thresholds, np.moveaxis(counts, -1, 1), strict=True
        ):
            success, detection = 1.0 - far(hits, false_alarms), pod(hits, misses)
            if np.isfinite(success + detection).any():
                texts = [f"+{lead:g} min" for lead in found.lead_minutes]
                yield DiagramCurve(model, threshold, success.tolist(), detection.tolist(), texts)
