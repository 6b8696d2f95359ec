"""Calibration: choose the decision thresholds of forecasters on validation periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nowcast.archive.thinned import RadarFrames
from nowcast.core.engine import Engine, InProcess, in_order
from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.files import provenance
from nowcast.core.text_table import text_table
from nowcast.core.times import Times, minutes, to_text
from nowcast.evaluation.calibration import CalibrationCounts
from nowcast.evaluation.windows import check_counts, windows
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.decision_thresholds import DecisionThresholds, identity_of
from nowcast.forecasters.neural import Neural
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import check_threshold
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

NONE = Initialisations([], np.zeros(0, np.int64), 0)
Period = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class Calibration:
    """Decision thresholds of several models, chosen on the same initialisation times."""

    chosen: tuple[DecisionThresholds, ...]
    names: tuple[str, ...]
    """Of the models, as they were given."""
    nowcasts: int
    made: dict[str, Any] = field(default_factory=dict)
    """What a file of decision thresholds records of how they were made."""


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
    least_past: int = LEAST_PAST,
    progress: bool = False,
    engine: Engine | None = None,
) -> Calibration:
    """Choose for each model, event and lead time the decision threshold with the highest pooled CSI.

    Each model forecasts once from each initialisation time of each period of each archive; counts over a
    grid of candidates are kept, not forecasts. A model that knows exceedance probabilities is calibrated on
    those, at its own thresholds; any other on its reflectivity, at the thresholds given.

    Args:
        archives: with one step. A period of which one holds no gap-free window is left out there.
        forecasters: by the name they go by in messages; decision thresholds that one has are left out.
        periods: half-open, UTC; keep them apart from what a network was trained and is tested on.
        thresholds: of events, in dBZ; sorted here.
        lead_times, stride, min_wet_pixels, wet_dbz, least_past, progress, engine: as
            `nowcast.workflows.verify.verify_period`.

    Raises:
        SettingsError: no archive or period, a setting out of range.
        TimeError: no window in any period of any archive, archives of different steps; a model needs
            another step or reaches less far.
    """
    models = {n: f.undecided() if isinstance(f, Neural) else f for n, f in named(forecasters).items()}
    if not archives or not periods:
        raise SettingsError("calibrate: got no archive or no period, expected at least one of each")
    build_metrics(thresholds, ["csi"])
    check_counts(stride=stride, least_past=least_past)
    check_threshold(wet_dbz)
    archives = _of_one_step([at_common_step(archive, models) for archive in archives])
    leads = common_leads(archives[0], models, lead_times)
    past = max(least_past, *(f.needs.past for f in models.values()))
    counts = {name: CalibrationCounts(sorted(thresholds), lead_times) for name in models}
    starts = _initialisations(
        archives, periods, past, lead_times, stride, min_wet_pixels, wet_dbz, progress, engine
    )
    total = sum(len(found.windows) for found in starts)
    with tqdm(total=total, desc="calibrating", unit="nowcast", disable=not progress) as bar:
        for archive, found in zip(archives, starts, strict=True):
            count = partial(_counted, archive, models, leads, past, sorted(thresholds))
            for one in in_order(engine or InProcess(), count, found.windows):
                for name, counted in one.items():
                    counts[name].merge(counted)
                bar.update()
    made = {
        "archives": [
            {"name": Path(a.path).name, "content": a.fingerprint, "nowcasts": len(found.windows)}
            for a, found in zip(archives, starts, strict=True)
        ],
        "periods": [f"{to_text(start)}/{to_text(end)}" for start, end in periods],
        "stride": stride, "min_wet_pixels": min_wet_pixels, "wet_dbz": wet_dbz, "made_with": provenance(),
    }
    lead_minutes = tuple(minutes(lead) for lead in leads)
    chosen = tuple(_chosen(models[name], lead_minutes, c) for name, c in counts.items())
    return Calibration(chosen, tuple(models), total, made)


def _counted(
    archive: RadarFrames, models: Mapping[str, Forecaster], leads: LeadTimes, past: int,
    thresholds: Sequence[float], times: Times,
) -> dict[str, CalibrationCounts]:
    """Count the forecasts of all models from one window."""
    observed = archive.frames(times[past:]).compute(scheduler="synchronous").values
    counts = {name: CalibrationCounts(thresholds, len(leads)) for name in models}
    for name, model in models.items():
        counts[name].add(forecast(archive, model, times[past - 1], leads), observed)
    return counts


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
    archives: Sequence[RadarFrames], periods: Sequence[Period], past: int, lead_times: int, stride: int,
    min_wet_pixels: int, wet_dbz: float, progress: bool, engine: Engine | None,
) -> list[Initialisations]:
    """Initialisation times of each archive; one without any is refused only if all others are, too."""
    found: list[Initialisations] = []
    problems: list[TimeError] = []
    for archive in archives:
        every: list[Times] = []
        for start, end in periods:
            try:
                every += windows(archive.times, archive.step, start, end, past + lead_times, stride)
            except TimeError as error:
                problems.append(error)
        try:
            found.append(
                wet_initialisations(archive, every, past, min_wet_pixels, wet_dbz, progress, engine)
                if every else NONE
            )
        except TimeError as error:
            problems.append(error)
            found.append(NONE)
    if not any(len(one.windows) for one in found):
        raise problems[0]
    return found


def summary(found: Calibration) -> str:
    """For each model and event, its decision thresholds and what they gain, as text."""
    leads = found.chosen[0].lead_minutes
    lines = [["model", "dBZ", "CSI", "calibrated", f"threshold at {leads[0]:g}", f"{leads[-1]:g} min"]]
    for name, one in zip(found.names, found.chosen, strict=True):
        rows = zip(one.thresholds_dbz, one.values, one.csi_before, one.csi, strict=True)
        lines += [
            [name, f"{threshold:g}", _mean(before), _mean(after), f"{row[0]:g}", f"{row[-1]:g}"]
            for threshold, row, before, after in rows
        ]
    head = f"mean CSI over lead times of {leads[0]:g} to {leads[-1]:g} minutes, {found.nowcasts} nowcasts"
    return f"{head}\n{text_table(lines)}"


def _mean(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.3f}" if known else "-"
