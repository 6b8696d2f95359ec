"""The scores that can be named: a line here is the registration, the conformance tests run over it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from nowcast.core.errors import SettingsError
from nowcast.scores.base import Metric
from nowcast.scores.categorical import Csi, Far, FrequencyBias, Pod, check_threshold
from nowcast.scores.continuous import Mae, MeanError, Mse, Rmse
from nowcast.scores.probabilistic import Brier, Reliability
from nowcast.scores.spatial import Fss, Gdl, Ssim
from nowcast.scores.spectral import RapsdRatio


class MetricEntry(NamedTuple):
    """How to make a metric, and how to read its value; `docs/reference/scores.md` tells what each is."""

    make: Callable[[float], Metric]
    """Takes the threshold in dBZ; scores of values rather than events do not look at it."""
    best: float
    """Value of a perfect forecast."""
    per_threshold: bool = False
    reads: Literal["dbz", "probability"] = "dbz"
    """What its forecasts are; probabilities are those of reaching the threshold."""


METRICS: dict[str, MetricEntry] = {
    "csi": MetricEntry(Csi, 1, True),
    "pod": MetricEntry(Pod, 1, True),
    "far": MetricEntry(Far, 0, True),
    "bias": MetricEntry(FrequencyBias, 1, True),
    "fss_17": MetricEntry(lambda t: Fss(t, 17), 1, True),
    "mae": MetricEntry(lambda _: Mae(), 0),
    "mse": MetricEntry(lambda _: Mse(), 0),
    "rmse": MetricEntry(lambda _: Rmse(), 0),
    "mean_error": MetricEntry(lambda _: MeanError(), 0),
    "gdl": MetricEntry(lambda _: Gdl(1), 0),
    "gdl_sum": MetricEntry(lambda _: Gdl(1, "sum"), 0),
    "gdl_alpha2": MetricEntry(lambda _: Gdl(2), 0),
    "gdl_alpha2_sum": MetricEntry(lambda _: Gdl(2, "sum"), 0),
    "ssim": MetricEntry(lambda _: Ssim(), 1),
    "ssim_gaussian": MetricEntry(lambda _: Ssim(window="gaussian"), 1),
    "rapsd_ratio": MetricEntry(lambda _: RapsdRatio(), 1),
    "brier": MetricEntry(Brier, 0, True, "probability"),
    "reliability": MetricEntry(Reliability, 0, True, "probability"),
}

DEFAULT_SCORES = ("csi", "pod", "far", "bias", "mae", "mse", "rmse", "mean_error", "gdl", "ssim")
"""What `nowcast verify` computes unless told otherwise."""


def build_metrics(
    thresholds_dbz: Sequence[float],
    names: Sequence[str] = DEFAULT_SCORES,
    cell_km: tuple[float, float] | None = None,
) -> list[Metric]:
    """Make every named score, those of events once for each threshold.

    Args:
        thresholds_dbz: of events.
        names: of the scores.
        cell_km: height and width of the cells, for the scores that measure wavelengths; None takes 1 km.

    Raises:
        SettingsError: an unknown score; no threshold, one given twice, or one that cannot be.
    """
    if not thresholds_dbz or len(set(thresholds_dbz)) != len(thresholds_dbz):
        raise SettingsError(
            f"thresholds: got {list(thresholds_dbz)}, expected at least one in dBZ, each once; "
            "for example 10 20 30 40 50"
        )
    for threshold in thresholds_dbz:
        check_threshold(threshold)
    for name in names:
        if name not in METRICS:
            raise SettingsError(f"score: got '{name}', expected one of {', '.join(METRICS)}")
    made: list[Metric] = []
    for name in names:
        entry = METRICS[name]
        made += [entry.make(t) for t in (thresholds_dbz if entry.per_threshold else (0.0,))]
    if cell_km is None:
        return made
    return [dataclasses.replace(m, cell_km=cell_km) if isinstance(m, RapsdRatio) else m for m in made]
