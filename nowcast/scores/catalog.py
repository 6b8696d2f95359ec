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
    """How to make a metric, and how to read its value."""

    make: Callable[[float], Metric]
    """Takes the threshold in dBZ; scores of values rather than events do not look at it."""
    per_threshold: bool
    best: float
    """Value of a perfect forecast."""
    better: Literal["higher", "lower", "nearer"]
    """Which of two values is the better one; ``nearer`` is nearer to ``best``."""
    unit: str
    text: str
    reads: Literal["dbz", "probability"] = "dbz"
    """What its forecasts are; probabilities are those of reaching the threshold."""


METRICS: dict[str, MetricEntry] = {
    "csi": MetricEntry(Csi, True, 1, "higher", "", "critical success index"),
    "pod": MetricEntry(Pod, True, 1, "higher", "", "probability of detection"),
    "far": MetricEntry(Far, True, 0, "lower", "", "false alarm ratio"),
    "bias": MetricEntry(FrequencyBias, True, 1, "nearer", "", "frequency bias"),
    "fss_17": MetricEntry(
        lambda t: Fss(t, 17), True, 1, "higher", "", "fractions skill score, windows of 17 x 17 cells"
    ),
    "mae": MetricEntry(lambda _: Mae(), False, 0, "lower", "dB", "mean absolute error"),
    "mse": MetricEntry(lambda _: Mse(), False, 0, "lower", "dB²", "mean squared error"),
    "rmse": MetricEntry(lambda _: Rmse(), False, 0, "lower", "dB", "root mean squared error"),
    "mean_error": MetricEntry(lambda _: MeanError(), False, 0, "nearer", "dB", "mean error"),
    "gdl": MetricEntry(lambda _: Gdl(1), False, 0, "lower", "dB", "gradient difference loss, alpha 1, mean"),
    "gdl_sum": MetricEntry(
        lambda _: Gdl(1, "sum"), False, 0, "lower", "dB", "gradient difference loss, alpha 1, sum"
    ),
    "gdl_alpha2": MetricEntry(
        lambda _: Gdl(2), False, 0, "lower", "dB²", "gradient difference loss, alpha 2, mean"
    ),
    "gdl_alpha2_sum": MetricEntry(
        lambda _: Gdl(2, "sum"), False, 0, "lower", "dB²", "gradient difference loss, alpha 2, sum"
    ),
    "ssim": MetricEntry(
        lambda _: Ssim(), False, 1, "higher", "", "structural similarity, data range 60 dB, 7 x 7 windows"
    ),
    "ssim_gaussian": MetricEntry(
        lambda _: Ssim(window="gaussian"), False, 1, "higher", "",
        "structural similarity, data range 60 dB, Gaussian windows",
    ),
    "rapsd_ratio": MetricEntry(
        lambda _: RapsdRatio(), False, 1, "nearer", "",
        "power at wavelengths of 8 to 16 km, forecast over observed",
    ),
    "brier": MetricEntry(Brier, True, 0, "lower", "", "Brier score of probabilities", "probability"),
    "reliability": MetricEntry(
        Reliability, True, 0, "lower", "", "reliability term of the Brier score, 10 bins", "probability"
    ),
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
