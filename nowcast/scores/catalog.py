"""The scores that can be named: a line here is the registration, the conformance tests run over it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nowcast.core.errors import SettingsError, complain
from nowcast.scores.base import Metric, Reads, reads
from nowcast.scores.categorical import Csi, Far, FrequencyBias, Pod, check_threshold
from nowcast.scores.contingency_skill import Accuracy, Ets, Hss, Sedi
from nowcast.scores.continuous import AnomalyCorrelation, Mae, MeanError, Mse, Rmse
from nowcast.scores.discrimination import EconomicValue, RocArea
from nowcast.scores.ensemble import Crps, CrpsFair, EnsembleRmse, EnsembleSpread, SpreadError
from nowcast.scores.ladder import CrpsLadder
from nowcast.scores.probabilistic import Brier, BrierSkill, Uncertainty
from nowcast.scores.probability_classes import Reliability, Resolution
from nowcast.scores.rank_histogram import RankHistogram
from nowcast.scores.spatial import Fss, FssProbability, Gdl, Ssim
from nowcast.scores.spectral import RapsdRatio, RapsdRatioMembers


class MetricEntry(NamedTuple):
    """How to make a metric, and how to read its value; `docs/reference/scores.md` tells what each is."""

    make: Callable[[float], Metric]
    """Takes the threshold in dBZ; scores of values rather than events do not look at it."""
    best: float | None
    """Value of a perfect forecast; None where that depends on what was observed."""
    per_threshold: bool = False

    @property
    def reads(self) -> Reads:
        """What its forecasts are."""
        return reads(self.make(20.0))


METRICS: dict[str, MetricEntry] = {
    "csi": MetricEntry(Csi, 1, True),
    "pod": MetricEntry(Pod, 1, True),
    "far": MetricEntry(Far, 0, True),
    "bias": MetricEntry(FrequencyBias, 1, True),
    "ets": MetricEntry(Ets, 1, True),
    "hss": MetricEntry(Hss, 1, True),
    "sedi": MetricEntry(Sedi, 1, True),
    "acc": MetricEntry(Accuracy, 1, True),
    "fss_17": MetricEntry(lambda t: Fss(t, 17), 1, True),
    "mae": MetricEntry(lambda _: Mae(), 0),
    "mse": MetricEntry(lambda _: Mse(), 0),
    "rmse": MetricEntry(lambda _: Rmse(), 0),
    "mean_error": MetricEntry(lambda _: MeanError(), 0),
    "anomaly_correlation": MetricEntry(lambda _: AnomalyCorrelation(), 1),
    "gdl": MetricEntry(lambda _: Gdl(1), 0),
    "gdl_sum": MetricEntry(lambda _: Gdl(1, "sum"), 0),
    "gdl_alpha2": MetricEntry(lambda _: Gdl(2), 0),
    "gdl_alpha2_sum": MetricEntry(lambda _: Gdl(2, "sum"), 0),
    "ssim": MetricEntry(lambda _: Ssim(), 1),
    "ssim_gaussian": MetricEntry(lambda _: Ssim(window="gaussian"), 1),
    "rapsd_ratio": MetricEntry(lambda _: RapsdRatio(), 1),
    "rapsd_ratio_members": MetricEntry(lambda _: RapsdRatioMembers(), 1),
    "brier": MetricEntry(Brier, 0, True),
    "brier_skill": MetricEntry(BrierSkill, 1, True),
    "reliability": MetricEntry(Reliability, 0, True),
    "resolution": MetricEntry(Resolution, None, True),
    "uncertainty": MetricEntry(Uncertainty, None, True),
    "roc_area": MetricEntry(RocArea, 1, True),
    "economic_value": MetricEntry(EconomicValue, 1, True),
    "fss_17_probability": MetricEntry(lambda t: FssProbability(t, 17), 1, True),
    "crps_ladder": MetricEntry(lambda _: CrpsLadder(), 0),
    "crps": MetricEntry(lambda _: Crps(), 0),
    "crps_fair": MetricEntry(lambda _: CrpsFair(), 0),
    "ensemble_rmse": MetricEntry(lambda _: EnsembleRmse(), 0),
    "ensemble_spread": MetricEntry(lambda _: EnsembleSpread(), None),
    "spread_error": MetricEntry(lambda _: SpreadError(), 1),
    "rank_histogram": MetricEntry(lambda _: RankHistogram(), 1),
    "rank_histogram_20": MetricEntry(lambda _: RankHistogram(20.0), 1),
}

DEFAULT_SCORES = ("csi", "pod", "far", "bias", "mae", "mse", "rmse", "mean_error", "gdl", "ssim")
"""What `nowcast verify` computes unless told otherwise."""

PROBABILITY_SCORES = ("brier", "brier_skill", "reliability", "roc_area")
"""Scored as well when nobody says what, where a network knows probabilities; diagrams are made of these."""
SCORE_GROUPS: dict[str, tuple[str, ...]] = {
    "default": DEFAULT_SCORES,
    "events": ("csi", "pod", "far", "bias", "ets", "hss", "sedi", "acc"),
    "probabilistic": (
        "brier",
        "brier_skill",
        "reliability",
        "resolution",
        "uncertainty",
        "roc_area",
        "economic_value",
        "fss_17_probability",
        "crps_ladder",
    ),
    "ensemble": (
        "crps",
        "crps_fair",
        "ensemble_rmse",
        "ensemble_spread",
        "spread_error",
        "rank_histogram",
        "rank_histogram_20",
    ),
}
"""Names that stand for several scores, wherever scores are named."""


def named_scores(names: Sequence[str]) -> tuple[str, ...]:
    """The scores that are named, groups spelt out; one that is in several groups once.

    Raises:
        SettingsError: none, an unknown one, or one twice.
    """
    if not names or len(set(names)) < len(names):
        raise SettingsError(
            complain("scores", ", ".join(names) or "none", "names, each once", "give for example csi,mae")
        )
    for name in names:
        if name not in METRICS and name not in SCORE_GROUPS:
            known = f"one of {', '.join(METRICS)}, or of the groups {', '.join(SCORE_GROUPS)}"
            raise SettingsError(complain("score", f"'{name}'", known, "correct it"))
    return tuple(dict.fromkeys(score for name in names for score in SCORE_GROUPS.get(name, (name,))))


def build_metrics(
    thresholds_dbz: Sequence[float],
    names: Sequence[str] = DEFAULT_SCORES,
    cell_km: tuple[float, float] | None = None,
) -> list[Metric]:
    """Make every named score, those of events once for each threshold.

    Args:
        thresholds_dbz: of events.
        names: of the scores, or of groups of them.
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
    made: list[Metric] = []
    for name in named_scores(names):
        entry = METRICS[name]
        made += [entry.make(t) for t in (thresholds_dbz if entry.per_threshold else (0.0,))]
    return [_fitted(metric, tuple(sorted(thresholds_dbz)), cell_km) for metric in made]


def _fitted(metric: Metric, thresholds_dbz: tuple[float, ...], cell_km: tuple[float, float] | None) -> Metric:
    """Give a metric the grid and the thresholds that it is made for, where it has such parameters."""
    if isinstance(metric, CrpsLadder):
        return dataclasses.replace(metric, thresholds_dbz=thresholds_dbz)
    if isinstance(metric, RapsdRatio) and cell_km is not None:
        return dataclasses.replace(metric, cell_km=cell_km)
    if isinstance(metric, RapsdRatioMembers) and cell_km is not None:
        return dataclasses.replace(metric, of_one=dataclasses.replace(metric.of_one, cell_km=cell_km))
    return metric
