"""Score forecasters over a period of an archive: the same start times for all, frame by frame, pooled.

Letters: S lead times, H rows, W columns.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.score_row import ScoreRow
from nowcast.core.times import Times, minutes
from nowcast.evaluation.windows import (
    Frames,
    check_counts,
    checked_probabilities,
    checked_values,
    lead_times,
    named,
    windows,
)
from nowcast.forecasters.base import Forecaster
from nowcast.scores.base import Sums, add
from nowcast.scores.catalog import DEFAULT_SCORES, METRICS, build_metrics
from nowcast.scores.categorical import DEFAULT_THRESHOLDS_DBZ, CellCounts, Csi, check_threshold
from nowcast.scores.evaluate import Tally

LEAST_PAST = 5
"""Past frames a start time must have even if no forecaster asks for so many, so that start times do
not depend on which forecasters are compared."""
MAP_CELL_KM = 5.0
"""About how wide a block of the CSI map is when nobody says."""


@dataclass(frozen=True)
class Verification:
    """What came out; its size grows with the number of nowcasts only by their times and counts."""

    rows: list[ScoreRow]
    models: tuple[str, ...]
    lead_minutes: tuple[float, ...]
    issued: Times
    """When each nowcast was issued, in order."""
    wet_pixels: npt.NDArray[np.int64]
    """Of each nowcast: pixels at or above ``wet_dbz`` in the newest observed frame."""
    too_dry: int
    """How many start times were left out because fewer pixels than asked were wet."""
    csi_cells: dict[tuple[str, float], npt.NDArray[np.float64]]
    """CSI of each block of cells by model and threshold, pooled over lead times; NaN without events."""
    block: int
    """Cells a block, each way."""
    seconds: dict[str, float]
    """Mean wall time of one nowcast of each model."""
    thresholds: tuple[float, ...]
    """Of events, in dBZ, as they were given."""
    counts: dict[str, npt.NDArray[np.int64]]
    """By model, of each nowcast: hits, misses and false alarms (nowcast, threshold, lead time, 3)."""

    @property
    def nowcasts(self) -> int:
        """Number of nowcasts each model was scored on."""
        return len(self.issued)

    def value(
        self, model: str, score: str, threshold_dbz: float | None = None, lead_minutes: float | None = None
    ) -> float:
        """Look one value up; no lead time means the mean over them.

        Raises:
            SettingsError: there is no such row.
        """
        key = (model, score, threshold_dbz, lead_minutes)
        for row in self.rows:
            if row[:4] == key:
                return row.value
        raise SettingsError(f"scores: got {key}, expected a model, score, threshold and lead that were scored")


@dataclass(frozen=True)
class NowcastCase:
    """One nowcast of every model with what came, in memory, for pictures."""

    issued: np.datetime64
    past: xr.DataArray
    observed: xr.DataArray
    forecasts: dict[str, xr.DataArray]
    rows: list[ScoreRow]
    """CSI of this nowcast alone."""


@dataclass
class _Counted:
    """Running sums of one model."""

    tally: Tally
    events: Sequence[Csi]
    cells: dict[float, Sums] = field(default_factory=dict)
    counts: list[npt.NDArray[np.int64]] = field(default_factory=list)
    """Of each nowcast (threshold, lead time, 3)."""
    seconds: float = 0.0

    def add(
        self, forecast: npt.NDArray[np.float32], observed: npt.NDArray[np.float32],
        probabilities: Mapping[float, npt.NDArray[np.float32]],
    ) -> None:
        """Score one nowcast (S, H, W), and what it says of the probability of thresholds."""
        own = Tally([*self.tally.metrics, *self.events])
        own.add(forecast, observed, probabilities)
        self.tally.merge(own)
        sums = [own.sums(event) for event in self.events]
        self.counts.append(np.stack(
            [np.stack([s[k] for k in ("hits", "misses", "false_alarms")], axis=-1) for s in sums]
        ))


def verify_period(
    archive: Frames,
    forecasters: Mapping[str, Forecaster] | Iterable[Forecaster],
    start: np.datetime64,
    end: np.datetime64,
    *,
    stride: int = 1,
    steps: int = 10,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS_DBZ,
    scores: Sequence[str] = DEFAULT_SCORES,
    min_wet_pixels: int = 0,
    wet_dbz: float = 20.0,
    least_past: int = LEAST_PAST,
    map_thresholds: Sequence[float] | None = None,
    block: int | None = None,
    progress: bool = False,
) -> Verification:
    """Forecast from every start time of a period and score each lead time against what came.

    A start time stands in a gap-free window of past and future frames that lies wholly in
    [start, end); windows are built from times, so a missing frame is never bridged. Forecasters are
    handed the past frames alone, in a copy of their own. Counts are pooled over all nowcasts before any
    score is finished. One window is in memory at a time.

    Args:
        archive: where the frames are.
        forecasters: by the name they shall have in the table.
        start, end: the period, UTC.
        stride: frames between two start times of an unbroken run.
        steps: number of lead times, each one archive step longer.
        thresholds: of events, in dBZ.
        scores: names of `nowcast.scores.catalog.METRICS`; those of probabilities take a forecast of dBZ
            alone for certain of what it says.
        min_wet_pixels: leave a start time out if its newest frame has fewer pixels >= ``wet_dbz``.
        wet_dbz: what counts as wet for that.
        least_past: past frames of a window when no forecaster needs more.
        map_thresholds: thresholds for which CSI is kept for each block of cells; None for all.
        block: cells of such a block, each way; None for about 5 km.
        progress: show a bar on stderr.

    Raises:
        SettingsError: a setting out of range.
        TimeError: no frames, no window or no wet window in the period; a model needs another step or
            reaches less far.
    """
    models = named(forecasters)
    leads = lead_times(archive, models, steps)
    past = max(least_past, *(f.needs.past for f in models.values()))
    check_counts(stride=stride, least_past=least_past)
    check_threshold(wet_dbz)
    metrics = build_metrics(thresholds, scores, archive.grid.cell_km)
    judged = any(METRICS[s].reads == "probability" for s in scores)
    if block is None:
        block = max(1, round(MAP_CELL_KM / max(archive.grid.cell_km)))
    cells = [CellCounts(t, block) for t in (thresholds if map_thresholds is None else map_thresholds)]
    starts = windows(archive, start, end, past + steps, stride)

    events = [Csi(t) for t in thresholds]
    counted = {name: _Counted(Tally(metrics), events) for name in models}
    issued: list[np.datetime64] = []
    wet: list[int] = []
    wettest = 0
    for times in tqdm(starts, desc="verifying", unit="nowcast", disable=not progress):
        frames = archive.frames(times).compute()
        wet_now = int((frames.values[past - 1] >= wet_dbz).sum())
        wettest = max(wettest, wet_now)
        if wet_now < min_wet_pixels:
            continue
        issued.append(times[past - 1])
        wet.append(wet_now)
        observed = frames.values[past:]
        for name, forecaster in models.items():
            began = time.perf_counter()
            said = forecaster.forecast(frames[:past].copy(deep=True), leads)
            forecast = checked_values(name, said, leads, archive.grid)
            counted[name].seconds += time.perf_counter() - began
            probabilities = (
                checked_probabilities(name, forecaster, frames[:past].copy(deep=True), leads, archive.grid)
                if judged else {}
            )
            counted[name].add(forecast, observed, probabilities)
            for metric in cells:
                kept = counted[name].cells
                kept[metric.threshold_dbz] = add(
                    kept.get(metric.threshold_dbz, {}), metric.sums(forecast, observed)
                )
    if not issued:
        raise TimeError(
            f"period: got {len(starts)} start times of which none has {min_wet_pixels} pixels >= "
            f"{wet_dbz:g} dBZ (the wettest has {wettest}), expected at least one; lower --min-wet-pixels"
        )
    lead_minutes = tuple(minutes(lead) for lead in leads)
    return Verification(
        rows=[r for name, c in counted.items() for r in c.tally.rows(name, lead_minutes)],
        models=tuple(models), lead_minutes=lead_minutes,
        issued=np.array(issued, "datetime64[ns]"), wet_pixels=np.array(wet, np.int64),
        too_dry=len(starts) - len(issued),
        csi_cells={
            (name, m.threshold_dbz): np.asarray(m.value(c.cells[m.threshold_dbz]))
            for name, c in counted.items() for m in cells
        },
        block=block, seconds={name: c.seconds / len(issued) for name, c in counted.items()},
        thresholds=tuple(thresholds), counts={name: np.stack(c.counts) for name, c in counted.items()},
    )


def make_case(
    archive: Frames,
    forecasters: Mapping[str, Forecaster] | Iterable[Forecaster],
    issued: np.datetime64,
    *,
    steps: int = 10,
    least_past: int = LEAST_PAST,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS_DBZ,
) -> NowcastCase:
    """Run every forecaster once from ``issued`` and keep the fields, for pictures.

    Raises:
        TimeError: a frame before or after ``issued`` is missing (the archive says which).
    """
    models = named(forecasters)
    leads = lead_times(archive, models, steps)
    past = max(least_past, *(f.needs.past for f in models.values()))
    moment = issued.astype("datetime64[ns]")
    times = moment + archive.step * np.arange(1 - past, steps + 1)
    frames = archive.frames(times).compute()
    forecasts: dict[str, xr.DataArray] = {}
    rows: list[ScoreRow] = []
    for name, forecaster in models.items():
        forecasts[name] = forecaster.forecast(frames[:past].copy(deep=True), leads)
        tally = Tally(build_metrics(thresholds, ["csi"]))
        tally.add(checked_values(name, forecasts[name], leads, archive.grid), frames.values[past:])
        rows += tally.rows(name, [minutes(lead) for lead in leads])
    return NowcastCase(moment, frames[:past], frames[past:], forecasts, rows)


def wettest(verification: Verification, count: int) -> list[np.datetime64]:
    """Give the start times of the ``count`` wettest nowcasts that lie at least six hours apart, in order."""
    apart = np.timedelta64(6, "h")
    chosen: list[np.datetime64] = []
    for i in np.argsort(-verification.wet_pixels, kind="stable"):
        moment = verification.issued[i]
        if len(chosen) < count and all(abs(moment - c) >= apart for c in chosen):
            chosen.append(moment)
    return sorted(chosen)
