"""Choose decision levels on validation periods: the same start times for all, one forecast for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.files import provenance
from nowcast.core.grid import Grid
from nowcast.core.times import Times, minutes, to_text
from nowcast.evaluation.period import LEAST_PAST
from nowcast.evaluation.windows import (
    Frames,
    check_counts,
    checked_values,
    lead_times,
    named,
    windows,
)
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.calibrated import raw_of
from nowcast.forecasters.levels import Levels, identity_of, thresholds_of
from nowcast.forecasters.remembered import Probabilistic
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import check_threshold
from nowcast.scores.decision import ChosenThresholds, DbzDecisionCounts, ProbabilityDecisionCounts

Period = tuple[np.datetime64, np.datetime64]


class Archived(Frames, Protocol):
    """What is asked of an archive besides its frames: how a levels file names it."""

    @property
    def path(self) -> Any: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Calibration:
    """What came out."""

    levels: tuple[Levels, ...]
    names: tuple[str, ...]
    """Of the models, as they were given."""
    nowcasts: int
    made: dict[str, Any] = field(default_factory=dict)
    """What a levels file says of how its levels were made."""


def calibrate(
    archives: Sequence[Archived],
    forecasters: Mapping[str, Forecaster] | Iterable[Forecaster],
    periods: Sequence[Period],
    *,
    thresholds: Sequence[float],
    steps: int = 10,
    stride: int = 6,
    min_wet_pixels: int = 0,
    wet_dbz: float = 20.0,
    least_past: int = LEAST_PAST,
    progress: bool = False,
) -> Calibration:
    """Choose for each model, threshold and lead time the level with the highest pooled CSI.

    Each model forecasts once from each start time of each period of each archive; counts over a grid of
    candidate levels are kept, not forecasts. A model that gives probabilities of exceedance is
    calibrated on those, at its own thresholds; any other on its dBZ, at the thresholds given.

    Args:
        archives: with one step. A period of which one holds no gap-free window is left out there.
        forecasters: by the name they go by in messages; levels that one has already are left out.
        periods: half-open, UTC; keep them apart from what a network was trained and is tested on.
        thresholds: in dBZ; sorted here.
        steps, stride, min_wet_pixels, wet_dbz, least_past, progress: as
            `nowcast.evaluation.period.verify_period`.

    Raises:
        SettingsError: no archive or period, a setting out of range.
        TimeError: no window in any period of any archive, archives of different steps; a model needs
            another step or reaches less far.
    """
    models = {name: raw_of(forecaster) for name, forecaster in named(forecasters).items()}
    if not archives or not periods:
        raise SettingsError("calibrate: got no archive or no period, expected at least one of each")
    build_metrics(thresholds, ["csi"])
    check_counts(stride=stride, least_past=least_past)
    check_threshold(wet_dbz)
    leads = _common_leads(archives, models, steps)
    past = max(least_past, *(f.needs.past for f in models.values()))
    counters = {
        name: _ProbabilityCounter(name, f, steps) if thresholds_of(f)
        else _DbzCounter(name, f, sorted(thresholds), steps)
        for name, f in models.items()
    }
    nowcasts = [0] * len(archives)
    for which, times in tqdm(
        _starts(archives, periods, past + steps, stride), desc="calibrating", unit="nowcast",
        disable=not progress,
    ):
        archive = archives[which]
        frames = archive.frames(times).compute()
        if int((frames.values[past - 1] >= wet_dbz).sum()) < min_wet_pixels:
            continue
        nowcasts[which] += 1
        for counter in counters.values():
            counter.add(frames[:past].copy(deep=True), leads, frames.values[past:], archive.grid)
    if not any(nowcasts):
        raise TimeError(
            f"period: got no start time with {min_wet_pixels} pixels >= {wet_dbz:g} dBZ, expected at least "
            "one; lower --min-wet-pixels"
        )
    lead_minutes = tuple(minutes(lead) for lead in leads)
    made = {
        "archives": [
            {"name": Path(a.path).name, "content": a.fingerprint, "nowcasts": n}
            for a, n in zip(archives, nowcasts, strict=True)
        ],
        "periods": [f"{to_text(start)}/{to_text(end)}" for start, end in periods],
        "stride": stride, "min_wet_pixels": min_wet_pixels, "wet_dbz": wet_dbz, "made_with": provenance(),
    }
    found = tuple(counter.levels(lead_minutes) for counter in counters.values())
    return Calibration(found, tuple(models), sum(nowcasts), made)


def summary(found: Calibration) -> str:
    """Give, for each model and threshold, the levels and what they gain on the calibration period."""
    leads = found.levels[0].lead_minutes
    lines = [["model", "dBZ", "CSI", "calibrated", f"level at {leads[0]:g}", f"{leads[-1]:g} min"]]
    for name, levels in zip(found.names, found.levels, strict=True):
        rows = zip(levels.thresholds_dbz, levels.levels, levels.csi_before, levels.csi, strict=True)
        lines += [
            [name, f"{threshold:g}", _mean(before), _mean(after), f"{row[0]:g}", f"{row[-1]:g}"]
            for threshold, row, before, after in rows
        ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head = f"mean CSI over lead times of {leads[0]:g} to {leads[-1]:g} minutes, {found.nowcasts} nowcasts"
    body = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    return "\n".join([head, *body])


class _DbzCounter:
    """Counts of one model that forecasts dBZ."""

    def __init__(self, name: str, forecaster: Forecaster, thresholds: Sequence[float], steps: int) -> None:
        self._name, self._forecaster, self._thresholds = name, forecaster, thresholds
        self._counts = DbzDecisionCounts(thresholds, steps)

    def add(
        self, observed: xr.DataArray, leads: LeadTimes, came: npt.NDArray[np.float32], grid: Grid
    ) -> None:
        said = self._forecaster.forecast(observed, leads)
        self._counts.add(checked_values(self._name, said, leads, grid), came)

    def levels(self, lead_minutes: tuple[float, ...]) -> Levels:
        return _levels(self._forecaster, "dbz", self._thresholds, lead_minutes, self._counts.choose())


class _ProbabilityCounter:
    """Counts of one model that forecasts probabilities, at its own thresholds."""

    def __init__(self, name: str, forecaster: Forecaster, steps: int) -> None:
        self._name, self._forecaster, self._thresholds = name, forecaster, thresholds_of(forecaster)
        self._counts = ProbabilityDecisionCounts(self._thresholds, steps)

    def add(
        self, observed: xr.DataArray, leads: LeadTimes, came: npt.NDArray[np.float32], grid: Grid
    ) -> None:
        said = cast(Probabilistic, self._forecaster).probabilities(observed, leads)
        expected = (len(self._thresholds), len(leads), *grid.shape)
        if said.dims != ("threshold_dbz", "lead_time", "y", "x") or said.shape != expected:
            raise SettingsError(
                f"{self._name}: got probabilities {dict(said.sizes)}, expected (threshold_dbz, lead_time, y, "
                f"x) of {expected}; this forecaster is at fault"
            )
        self._counts.add(said.values, came)

    def levels(self, lead_minutes: tuple[float, ...]) -> Levels:
        return _levels(
            self._forecaster, "probability", self._thresholds, lead_minutes, self._counts.choose()
        )


def _levels(
    forecaster: Forecaster, kind: Any, thresholds: Sequence[float], lead_minutes: tuple[float, ...],
    chosen: ChosenThresholds,
) -> Levels:
    short = tuple(tuple(float(str(np.float32(v))) for v in row) for row in chosen.thresholds)
    csi, before = (
        tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in table)
        for table in (chosen.csi, chosen.csi_before)
    )
    return Levels(
        forecaster.name, identity_of(forecaster), kind, tuple(float(t) for t in thresholds), lead_minutes,
        short, csi, before,
    )


def _common_leads(archives: Sequence[Archived], models: Mapping[str, Forecaster], steps: int) -> LeadTimes:
    first = lead_times(archives[0], models, steps)
    for archive in archives[1:]:
        if archive.step != archives[0].step:
            raise TimeError(
                f"archive {archive.path}: got a step of {minutes(archive.step):g} min, expected "
                f"{minutes(archives[0].step):g} min as in {archives[0].path}; calibrate each step by itself"
            )
    return first


def _starts(
    archives: Sequence[Archived], periods: Sequence[Period], length: int, stride: int
) -> list[tuple[int, Times]]:
    """Give every window as the number of its archive and its times."""
    found: list[tuple[int, Times]] = []
    problems: list[TimeError] = []
    for which, archive in enumerate(archives):
        for start, end in periods:
            try:
                found += [(which, times) for times in windows(archive, start, end, length, stride)]
            except TimeError as error:
                problems.append(error)
    if not found:
        raise problems[0]
    return found


def _mean(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.3f}" if known else "-"
