"""Calibration: learn on validation periods how to read forecasters: decisions, probabilities, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from nowcast.archive.thinned import RadarFrames
from nowcast.core.engine import Engine, in_order
from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.files import provenance
from nowcast.core.text_table import text_table
from nowcast.core.times import Times, minutes, to_text
from nowcast.evaluation.calibration import CalibrationCounts
from nowcast.evaluation.probability_calibration import LearntProbabilities, ProbabilityLearner
from nowcast.evaluation.windows import Windows, check_counts, windows
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.calibration_file import ModelCalibration
from nowcast.forecasters.decision_thresholds import DecisionThresholds, identity_of
from nowcast.models.device import Device
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import check_threshold
from nowcast.workflows.calibrated import uncalibrated
from nowcast.workflows.engine_choice import engine_for
from nowcast.workflows.forecast import forecast
from nowcast.workflows.initialisation import (
    LEAST_PAST,
    Initialisations,
    Models,
    at_common_step,
    common_leads,
    named,
    wet_initialisations,
)
from nowcast.workflows.truth import read_truth

NONE = Initialisations(np.zeros((0, 0), "datetime64[ns]"), np.zeros(0, np.int64), 0)
Period = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class Calibration:
    """What was learnt of several models from the same initialisation times."""

    learnt: tuple[ModelCalibration, ...]
    names: tuple[str, ...]
    """Of the models, as they were given."""
    nowcasts: int
    made: dict[str, Any] = field(default_factory=dict)
    """What a calibration file records of how it was made."""


def calibrate(
    archives: Sequence[RadarFrames],
    forecasters: Models,
    periods: Sequence[Period],
    *,
    thresholds: Sequence[float],
    lead_times: int = 10,
    stride: int = 6,
    min_wet_pixels: int = 0,
    wet_dbz: float = 20.0,
    most_missing: int = 0,
    least_past: int = LEAST_PAST,
    device: Device = "cpu",
    progress: bool = False,
    engine: Engine | None = None,
) -> Calibration:
    """Learn for each model its decision thresholds, recalibration or dressing, reliability and tail.

    Each model forecasts once from each initialisation time of each period of each archive; counts are kept,
    not forecasts. For each event and lead time the decision threshold with the highest pooled CSI is chosen. A
    model that knows exceedance probabilities is calibrated on those, at its own thresholds; any other on its
    reflectivity, at the thresholds given, for which it is dressed.

    Args:
        archives: with one step. A period of which one holds no gap-free window is left out there.
        forecasters: by the name they go by in messages; a calibration that one has is left out.
        periods: half-open, UTC; keep them apart from what a network was trained and is tested on.
        thresholds: of events, in dBZ; sorted here.
        lead_times, stride, min_wet_pixels, wet_dbz, most_missing, least_past, progress: as
            `nowcast.workflows.verify.verify_period`.
        engine: as `nowcast.verify`.
        device: that networks among named models forecast on.

    Raises:
        SettingsError: no archive or period, a setting out of range.
        TimeError: no window in any period of any archive, archives of different steps; a model needs
            another step or reaches less far.
    """
    if not archives or not periods:
        raise SettingsError("calibrate: got no archive or no period, expected at least one of each")
    models = {n: uncalibrated(model) for n, model in named(forecasters, archives[0].step, device).items()}
    build_metrics(thresholds, ["csi"])
    check_counts(stride=stride, least_past=least_past)
    check_threshold(wet_dbz)
    archives = _of_one_step([at_common_step(archive, models) for archive in archives])
    leads = common_leads(archives[0], models, lead_times)
    past = max(least_past, *(f.needs.past for f in models.values()))
    counts = {name: CalibrationCounts(sorted(thresholds), lead_times) for name in models}
    learners = {name: ProbabilityLearner(sorted(thresholds)) for name in models}
    with engine_for(models.values(), engine) as own:
        starts = _initialisations(
            archives, periods, past, lead_times, stride, min_wet_pixels, wet_dbz, most_missing, progress, own
        )
        total = sum(len(found.windows) for found in starts)
        with tqdm(total=total, desc="calibrating", unit="nowcast", disable=not progress) as bar:
            for archive, found in zip(archives, starts, strict=True):
                count = partial(_counted, archive, models, leads, past, sorted(thresholds))
                for one in in_order(own, count, list(found.windows)):
                    for name, (decisions, probabilities) in one.items():
                        counts[name].merge(decisions)
                        learners[name].merge(probabilities)
                    bar.update()
    made = {
        "archives": [
            {"name": a.path.name, "content": a.fingerprint, "nowcasts": len(found.windows)}
            for a, found in zip(archives, starts, strict=True)
        ],
        "periods": [f"{to_text(start)}/{to_text(end)}" for start, end in periods],
        "stride": stride,
        "min_wet_pixels": min_wet_pixels,
        "wet_dbz": wet_dbz,
        "most_missing": most_missing,
        "made_with": provenance(),
    }
    lead_minutes = tuple(minutes(lead) for lead in leads)
    learnt = tuple(
        _calibration(_chosen(model, lead_minutes, counts[name]), learners[name].learn(lead_minutes))
        for name, model in models.items()
    )
    return Calibration(learnt, tuple(models), total, made)


def _calibration(decision: DecisionThresholds, learnt: LearntProbabilities) -> ModelCalibration:
    return ModelCalibration(
        decision.model,
        decision.identity,
        decision,
        learnt.dressing,
        learnt.recalibration,
        learnt.reliability,
        learnt.tail_dbz,
        learnt.held_out,
        learnt.notes,
    )


def _counted(
    archive: RadarFrames,
    models: Mapping[str, Forecaster],
    leads: LeadTimes,
    past: int,
    thresholds: Sequence[float],
    times: Times,
) -> dict[str, tuple[CalibrationCounts, ProbabilityLearner]]:
    """Count the forecasts of all models from one window."""
    observed = read_truth(archive, times[past:]).values
    found = {}
    for name, model in models.items():
        coming = forecast(archive, model, times[past - 1], leads)
        counts, learner = CalibrationCounts(thresholds, len(leads)), ProbabilityLearner(thresholds)
        counts.add(coming, observed)
        learner.add(coming, observed)
        found[name] = counts, learner
    return found


def _chosen(
    model: Forecaster, lead_minutes: tuple[float, ...], counts: CalibrationCounts
) -> DecisionThresholds:
    chosen = counts.choose()
    short = tuple(tuple(float(str(np.float32(v))) for v in row) for row in chosen.thresholds)
    csi, before = (
        tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in table)
        for table in (chosen.csi, chosen.csi_before)
    )
    return DecisionThresholds(
        model.name, identity_of(model), counts.kind, counts.thresholds_dbz, lead_minutes, short, csi, before
    )


def _of_one_step(archives: list[RadarFrames]) -> list[RadarFrames]:
    for archive in archives[1:]:
        if archive.step != archives[0].step:
            raise TimeError(
                f"archive {archive.path}: got a step of {minutes(archive.step):g} min, expected "
                f"{minutes(archives[0].step):g} min as in {archives[0].path}; calibrate each step by itself"
            )
    return archives


def _initialisations(
    archives: Sequence[RadarFrames],
    periods: Sequence[Period],
    past: int,
    lead_times: int,
    stride: int,
    min_wet_pixels: int,
    wet_dbz: float,
    most_missing: int,
    progress: bool,
    engine: Engine | None,
) -> list[Initialisations]:
    """Initialisation times of each archive; one without any is refused only if all others are, too."""
    found: list[Initialisations] = []
    problems: list[TimeError] = []
    for archive in archives:
        every: list[Windows] = []
        for start, end in periods:
            try:
                every.append(
                    windows(
                        archive.times,
                        archive.step,
                        start,
                        end,
                        past + lead_times,
                        stride,
                        lead_times=lead_times,
                        most_missing=most_missing,
                    )
                )
            except TimeError as error:
                problems.append(error)
        try:
            found.append(
                wet_initialisations(
                    archive, np.concatenate(every), past, min_wet_pixels, wet_dbz, progress, engine
                )
                if every
                else NONE
            )
        except TimeError as error:
            problems.append(error)
            found.append(NONE)
    if not any(len(one.windows) for one in found):
        raise problems[0]
    return found


def summary(found: Calibration) -> str:
    """What calibration chose and what it gains, for each model and event, as text."""
    leads = [f"{lead:g}" for lead in _decision(found.learnt[0]).lead_minutes]
    lines = [["model", "dBZ", "CSI", "calibrated", f"threshold at {leads[0]}", f"{leads[-1]} min"]]
    lines[0].append("probabilities")
    for name, one in zip(found.names, found.learnt, strict=True):
        made = _decision(one)
        said = _probabilities(one)
        rows = zip(made.thresholds_dbz, made.values, made.csi_before, made.csi, said, strict=True)
        lines += [
            [name, f"{threshold:g}", _mean(before), _mean(after), f"{row[0]:g}", f"{row[-1]:g}", words]
            for threshold, row, before, after, words in rows
        ]
    head = f"mean CSI over lead times of {leads[0]} to {leads[-1]} minutes, {found.nowcasts} nowcasts"
    pairs = zip(found.names, found.learnt, strict=True)
    notes = [f"{name}: {note}" for name, one in pairs for note in one.notes]
    return "\n".join([head, text_table(lines), *notes])


def _decision(one: ModelCalibration) -> DecisionThresholds:
    assert one.decision is not None, "calibrate always chooses them"
    return one.decision


def _probabilities(one: ModelCalibration) -> list[str]:
    """By threshold, how probabilities are made, with the log score that it changes on held-out days."""
    if one.recalibration is None:
        return ["dressed"] * len(_decision(one).thresholds_dbz)
    said = []
    for method, scores in zip(one.recalibration.methods, one.held_out, strict=True):
        change = f" {scores[method] / scores['identity'] - 1.0:+.1%}" if scores.get("identity") else ""
        said.append("as forecast" if method == "identity" else f"{method}{change}")
    return said


def _mean(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.3f}" if known else "-"
