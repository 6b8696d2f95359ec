"""Verification: forecast from every initialisation time of a period and score it against what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nowcast.archive.masked import masked
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames, thinned
from nowcast.core.engine import Engine, InProcess, in_order
from nowcast.core.errors import SettingsError, complain
from nowcast.core.times import minutes, parse_period
from nowcast.evaluation.cell_maps import block_of
from nowcast.evaluation.comparison import Against
from nowcast.evaluation.grouping import REGION_KM, Grouping, Masks, area_masks, grouped_by
from nowcast.evaluation.period import PeriodScores, Verification
from nowcast.evaluation.skill_report import SkillReport, drawn_thresholds, write_skill
from nowcast.evaluation.windows import MOST_MISSING_FUTURE, check_counts, is_held, wettest, windows
from nowcast.forecasters.neural import Neural
from nowcast.forecasters.stored import StoredHindcast, at_stored_times
from nowcast.models.device import Device
from nowcast.postprocessing.members import Members
from nowcast.report.content import Case
from nowcast.report.palettes import palette_of
from nowcast.scores.catalog import DEFAULT_SCORES, PROBABILITY_SCORES
from nowcast.scores.categorical import DEFAULT_THRESHOLDS_DBZ, check_threshold
from nowcast.workflows.calibrated import read_calibrations
from nowcast.workflows.drawn_members import with_members
from nowcast.workflows.engine_choice import engine_for
from nowcast.workflows.initialisation import (
    LEAST_PAST,
    Models,
    at_common_step,
    common_leads,
    named,
    wet_initialisations,
)
from nowcast.workflows.readings import readings_of, with_calibrated
from nowcast.workflows.score_nowcast import NowcastScorer, Reading


def verify(
    archive: RadarFrames | Path | str,
    models: Models,
    period: str,
    out: Path | str | None = None,
    *,
    stride: int = 6,
    lead_times: int = 10,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS_DBZ,
    scores: Sequence[str] | None = None,
    step_minutes: float | None = None,
    min_wet_pixels: int = 0,
    most_missing: int = MOST_MISSING_FUTURE,
    mask: Sequence[str] = (),
    calibration: Sequence[Path | str] = (),
    decision_thresholds: Sequence[Path | str] = (),
    against: Against | None = None,
    members: int | None = None,
    seed: int = 0,
    device: Device = "cpu",
    by: Sequence[str] = (),
    regions: Masks | Path | str | None = None,
    region_km: float = REGION_KM,
    cases: int = 3,
    title: str = "",
    notes: Sequence[str] = (),
    palette: str = "safe",
    progress: bool = False,
    engine: Engine | None = None,
) -> SkillReport:
    """Score forecasters over a period on the same initialisation times; with ``out``, write tables and a page.

    Args:
        archive: an open archive, or its folder.
        models: names and checkpoints, or forecasters, or a mapping of names to forecasters.
        period: START/END, UTC; a bare end date is included.
        out: folder for scores.csv, confidence.csv and index.html, all or none; None writes nothing.
        stride: frames between two initialisation times of an unbroken run; of a stored hindcast all are taken.
        lead_times: how many, one step apart.
        thresholds: of events, in dBZ.
        scores: names of docs/reference/scores.md; None takes those that are always computed, and some of
            probabilities where a network knows them.
        step_minutes: take frames so far apart; None takes the longest step that a model needs.
        min_wet_pixels: leave out initialisation times with fewer pixels of 20 dBZ or more.
        most_missing: so many lead times of a nowcast may lack an observed frame; these add nothing to the
            scores of any model. 0 takes initialisation times without a gap after them alone.
        mask: quality marks left out of past and truth alike, as `nowcast.forecast` does.
        calibration: files of `nowcast calibrate`: each model that one of them knows is scored calibrated, too.
        decision_thresholds: the same, of which the decision thresholds alone are taken.
        against: with which model the others are compared, and how.
        members: draw so many from the probabilities of each model that knows some and has no members of its
        own.
        seed: of these.
        device: that networks among named models forecast on: ``cpu``, ``cuda`` or ``auto``.
        by: ``hour``, ``region``, ``event``: scores of each hour of the day, of each region and of each event
            (`nowcast.evaluation.windows.events_of`) as well, in groups.csv.
        regions: named masks (y, x) of the grid, or a GeoJSON file of areas; None takes blocks of about
            ``region_km``.
        region_km: width of such a block.
        cases: how many of the wettest nowcasts the page shows frame by frame.
        title, notes: of the page.
        palette: colours of reflectivity on it, ``safe`` or ``radar``.
        progress: show a bar on stderr.
        engine: of `nowcast.open_engine`; None spreads long work over the cores of this machine, unless a GPU
            does it. The values are the same to the last bit.

    Raises:
        NowcastError: as `verify_period`; the folder cannot be written.

    Example:
        >>> import nowcast
        >>> skill = nowcast.verify(
        ...     "italy.zarr", ["extrapolation", "motionrnn"], "2025-03-21/2025-03-22"
        ... )  # doctest: +SKIP
        >>> skill.verification.value("motionrnn", "csi", 20.0)  # doctest: +SKIP
    """
    start, end = parse_period(period)
    palette_of(name=palette)
    frames = masked(Archive.open(archive) if isinstance(archive, (str, Path)) else archive, mask)
    if step_minutes is not None:
        frames = thinned(frames, _step(step_minutes))
    readings = {name: Reading(f) for name, f in named(models, frames.step, device).items()}
    if calibration or decision_thresholds:
        readings = with_calibrated(readings, read_calibrations(calibration, decision_thresholds))
    if members is not None:
        readings = with_members(readings, Members(members, seed))
    if isinstance(regions, (str, Path)):
        regions = area_masks(frames.grid, regions)
    grouping = grouped_by(by, frames.grid.shape, frames.grid.cell_km, regions, region_km)
    against = against or Against()
    against.check(list(readings), list(thresholds))
    with engine_for((reading.forecaster for reading in readings.values()), engine) as own:
        found = verify_period(
            frames,
            readings,
            start,
            end,
            stride=stride,
            lead_times=lead_times,
            thresholds=thresholds,
            scores=scores or default_scores(readings),
            min_wet_pixels=min_wet_pixels,
            most_missing=most_missing,
            map_thresholds=drawn_thresholds(thresholds),
            grouping=grouping,
            cases=cases if out is not None else 0,
            progress=progress,
            engine=own,
        )
    if members is not None and not any("members" in known for known in found.metadata.values()):
        raise SettingsError(
            complain(
                "--members",
                f"models without probabilities: {', '.join(found.models)}",
                "at least one that knows them, as motionrnn does",
                "add one, or leave --members away",
            )
        )
    if mask:
        notes = (*notes, f"Past and truth are without what bears the quality marks: {', '.join(mask)}.")
    return write_skill(
        None if out is None else Path(out),
        frames,
        found,
        (start, end),
        against,
        title=title,
        notes=notes,
        palette=palette,
    )


def verify_period(
    archive: RadarFrames,
    forecasters: Models | Mapping[str, Reading],
    start: np.datetime64,
    end: np.datetime64,
    *,
    stride: int = 1,
    lead_times: int = 10,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS_DBZ,
    scores: Sequence[str] = DEFAULT_SCORES,
    min_wet_pixels: int = 0,
    wet_dbz: float = 20.0,
    most_missing: int = 0,
    least_past: int = LEAST_PAST,
    map_thresholds: Sequence[float] | None = None,
    block: int | None = None,
    grouping: Grouping | None = None,
    cases: int = 0,
    progress: bool = False,
    engine: Engine | None = None,
) -> Verification:
    """Forecast from every initialisation time of a period and score each lead time.

    An initialisation time stands in a window of past and future frames that lies wholly in [start, end);
    windows are built from times, so a missing frame is never bridged. None is missing in the past, and in the
    future ``most_missing`` at most: such a lead time is not scored. A forecaster is handed past frames alone.
    Counts are pooled over all nowcasts, in the order of their initialisation times, before any score is
    finished. A worker has one window in memory at a time; the fields of ``cases`` stay.

    Args:
        archive: where the frames are.
        forecasters: by the name they have in the table; a `Reading` calls events its own way.
        start, end: the period, UTC.
        stride: frames between two initialisation times of an unbroken run; of a stored hindcast all are taken.
        lead_times: how many, each one step longer.
        thresholds: of events, in dBZ.
        scores: names of `nowcast.scores.catalog.METRICS`.
        min_wet_pixels: leave an initialisation time out if its newest frame has fewer pixels >= ``wet_dbz``.
        wet_dbz: what counts as wet for that.
        most_missing: so many lead times of a nowcast may lack an observed frame.
        least_past: past frames of a window when no forecaster needs more.
        map_thresholds: thresholds for which scores are kept for each block of cells; None for all.
        block: cells of such a block, each way; None for about 5 km.
        grouping: into what scores are parted beside the whole.
        cases: of how many of the wettest nowcasts, hours apart, the fields are kept.
        progress: show a bar on stderr.
        engine: where nowcasts are made and scored; None is this process.

    Raises:
        SettingsError: a setting out of range.
        TimeError: no frames, no window or no wet window in the period; a model needs another step or
            reaches less far.
    """
    readings = readings_of(forecasters)
    models = {name: reading.forecaster for name, reading in readings.items()}
    archive = at_common_step(archive, models)
    leads = common_leads(archive, models, lead_times)
    past = max(least_past, *(f.needs.past for f in models.values()))
    check_counts(stride=stride, least_past=least_past)
    check_threshold(wet_dbz)
    block = block or block_of(archive.grid.shape, archive.grid.cell_km)
    mapped = thresholds if map_thresholds is None else map_thresholds
    length, leads_only = past + lead_times, {"lead_times": lead_times, "most_missing": most_missing}
    stored = any(isinstance(model, StoredHindcast) for model in models.values())
    every = windows(archive.times, archive.step, start, end, length, 1 if stored else stride, **leads_only)
    every = at_stored_times(every, past, list(models.values())) if stored else every
    starts = wet_initialisations(archive, every, past, min_wet_pixels, wet_dbz, progress, engine)
    reference_times = starts.windows[:, past - 1]
    grouping = grouping and grouping.with_events_of(reference_times)
    empty = partial(PeriodScores, thresholds, scores, archive.grid.cell_km, mapped, block, grouping)
    counted = {name: empty() for name in readings}
    shown = wettest(reference_times, starts.wet_pixels, cases)
    score = NowcastScorer(archive, readings, leads, past, empty, tuple(shown), tuple(mapped))
    kept: list[Case] = []
    metadata: dict[str, dict[str, str]] = {}
    every_scored = in_order(engine or InProcess(), score, list(starts.windows))
    for scored in tqdm(every_scored, "verifying", len(starts.windows), unit="nowcast", disable=not progress):
        for name, sums in scored.scores.items():
            counted[name].merge(sums)
        metadata = metadata or scored.metadata
        kept += [scored.case] if scored.case is not None else []
    lead_minutes = tuple(minutes(lead) for lead in leads)
    return Verification(
        rows=[row for name, c in counted.items() for row in c.rows(name, lead_minutes)],
        models=tuple(readings),
        lead_minutes=lead_minutes,
        reference_times=reference_times,
        wet_pixels=starts.wet_pixels,
        too_dry=starts.too_dry,
        cells={name: c.cells(len(leads)) for name, c in counted.items()},
        block=block,
        seconds={name: c.seconds for name, c in counted.items()},
        thresholds=tuple(thresholds),
        sums={name: c.nowcast_sums for name, c in counted.items()},
        tallies={name: c.tally for name, c in counted.items()},
        metadata=metadata,
        groups=tuple(row for name, c in counted.items() for row in c.group_rows(name, lead_minutes)),
        cases=tuple(kept),
        missing=(~is_held(starts.windows[:, past:], archive.times)).sum(axis=0),
    )


def default_scores(readings: Mapping[str, Reading]) -> tuple[str, ...]:
    """What is scored when nobody says: more where a network knows probabilities."""
    known = any(
        isinstance(r.forecaster, Neural) and r.forecaster.knows_probabilities for r in readings.values()
    )
    return (*DEFAULT_SCORES, *(PROBABILITY_SCORES if known else ()))


def _step(step_minutes: float) -> np.timedelta64:
    if not 0 < step_minutes < 525_600:  # no archive has a step of a year
        raise SettingsError(f"--step: got {step_minutes:g}, expected minutes above 0, for example 10")
    return np.timedelta64(round(step_minutes * 60e9), "ns")
