"""Scores of forecasters over a period, pooled over its nowcasts: counts are added before any is finished.

Dimensions: S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.score_row import ScoreRow
from nowcast.core.times import Times
from nowcast.evaluation.cell_maps import CellKey, CellMaps, Values
from nowcast.evaluation.grouping import Grouping, GroupScores, NowcastArrays
from nowcast.evaluation.nowcast_sums import NowcastSums
from nowcast.report.content import Case, GroupRow
from nowcast.scores.arrays import Floats
from nowcast.scores.base import reads
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import Csi
from nowcast.scores.evaluate import Tally

CALIBRATED = ", calibrated"
"""What a model's name has more where its events are called at calibrated decision thresholds."""


@dataclass(frozen=True)
class Verification:
    """Scores of several models over one period; grows with the number of nowcasts by times and counts only."""

    rows: list[ScoreRow]
    models: tuple[str, ...]
    lead_minutes: tuple[float, ...]
    reference_times: Times
    """Forecast reference time of each nowcast, in order."""
    wet_pixels: npt.NDArray[np.int64]
    """Of each nowcast: pixels at or above ``wet_dbz`` in the newest observed frame."""
    too_dry: int
    """How many initialisation times were left out because fewer pixels than asked were wet."""
    cells: dict[str, dict[CellKey, Values]]
    """By model, scores of each block of cells; NaN where nothing was counted."""
    block: int
    """Cells a block, each way."""
    seconds: dict[str, float]
    """Mean wall time of one nowcast of each model."""
    thresholds: tuple[float, ...]
    """Of events, in dBZ, as they were given."""
    sums: dict[str, dict[str, Floats]]
    """By model and compared score, of each nowcast: `nowcast.evaluation.nowcast_sums`."""
    tallies: dict[str, Tally]
    """By model, sums of all nowcasts of every score."""
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """By model, what made its forecasts."""
    groups: tuple[GroupRow, ...] = ()
    """Scores of parts of it, by hour of the day, region or event."""
    missing: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of each lead time: nowcasts without an observed frame, which count nothing there."""
    cases: tuple[Case, ...] = ()
    """The wettest nowcasts with their fields, for pictures."""

    @property
    def csi_cells(self) -> dict[tuple[str, float | None], Values]:
        """CSI of each block of cells by model and threshold, pooled over lead times; NaN without events."""
        return {
            (model, key.threshold_dbz): values
            for model, maps in self.cells.items()
            for key, values in maps.items()
            if key.score == "csi" and key.lead is None
        }

    @property
    def counts(self) -> dict[str, Floats]:
        """By model, of each nowcast: hits, misses and false alarms (nowcast, threshold, lead time, 3)."""
        return {model: sums["csi"] for model, sums in self.sums.items()}

    @property
    def nowcasts(self) -> int:
        """Number of nowcasts each model was scored on."""
        return len(self.reference_times)

    def value(
        self, model: str, score: str, threshold_dbz: float | None = None, lead_minutes: float | None = None
    ) -> float:
        """One value; no lead time means the mean over them.

        Raises:
            SettingsError: there is no such row.
        """
        key = (model, score, threshold_dbz, lead_minutes)
        for row in self.rows:
            if row[:4] == key:
                return row.value
        raise SettingsError(f"scores: got {key}, expected a model, score, threshold and lead that were scored")


class PeriodScores:
    """Running sums of one model over the nowcasts of a period.

    Args:
        thresholds: of events, in dBZ.
        scores: names of `nowcast.scores.catalog.METRICS` or of groups of them; what a forecast has not is made
            of what it has (`nowcast.scores.forecast_inputs`).
        cell_km: height and width of a grid cell.
        map_thresholds: thresholds for which scores are kept for each block of cells.
        block: cells of such a block, each way.
        grouping: into what the scores are parted beside the whole.

    Raises:
        SettingsError: a threshold that cannot be, or an unknown score.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        scores: Sequence[str],
        cell_km: tuple[float, float],
        map_thresholds: Sequence[float],
        block: int,
        grouping: Grouping | None = None,
    ) -> None:
        self.tally = Tally(build_metrics(thresholds, scores, cell_km))
        self._events = [Csi(t) for t in thresholds]
        everything = dict.fromkeys([*self.tally.metrics, *self._events])
        self._all = tuple(everything)
        self._read = {reads(metric) for metric in self._all}
        self._cells = CellMaps(map_thresholds, scores, block)
        self._nowcasts = NowcastSums(self._all)
        self._groups = GroupScores(grouping or Grouping(), self._all, self.tally.metrics)
        self._seconds: list[float] = []

    def add(self, forecast: xr.Dataset, observed: npt.NDArray[np.float32], seconds: float) -> None:
        """Count one nowcast against what was observed (S, H, W); ``seconds`` is what it took."""
        nowcast = self._arrays(forecast, observed)
        own = Tally(self._all)
        own.add(nowcast.dbz, observed, nowcast.probabilities, nowcast.members)
        self.tally.merge(own)
        self._nowcasts.add(own)
        self._cells.add(nowcast)
        reference_time: np.datetime64 = forecast["forecast_reference_time"].values.reshape(1)[0]
        self._groups.add(nowcast, own, reference_time)
        self._seconds.append(seconds)

    def merge(self, later: PeriodScores) -> None:
        """Add the nowcasts of other sums of the same settings after one's own.

        Sums of one nowcast each, merged in order, are the same to the last bit as sums of all nowcasts.
        """
        self.tally.merge(later.tally)
        self._cells.merge(later._cells)
        self._nowcasts.merge(later._nowcasts)
        self._groups.merge(later._groups)
        self._seconds += later._seconds

    def rows(self, model: str, lead_minutes: Sequence[float]) -> list[ScoreRow]:
        """Every score by lead time, and its mean over them."""
        return list(self.tally.rows(model, lead_minutes))

    def group_rows(self, model: str, lead_minutes: Sequence[float]) -> list[GroupRow]:
        """The same of every group."""
        return list(self._groups.rows(model, lead_minutes))

    @property
    def counts(self) -> Floats:
        """Hits, misses and false alarms of each nowcast (nowcast, threshold, lead time, 3)."""
        return self.nowcast_sums["csi"]

    @property
    def nowcast_sums(self) -> dict[str, Floats]:
        """Of each nowcast, what compared scores are made of: `nowcast.evaluation.nowcast_sums`."""
        return self._nowcasts.stacked()

    def cells(self, lead_times: int) -> dict[CellKey, Values]:
        """Scores of each block of cells: `nowcast.evaluation.cell_maps`."""
        return self._cells.values(lead_times)

    @property
    def seconds(self) -> float:
        """Mean wall time of a nowcast."""
        return sum(self._seconds) / len(self._seconds)

    def _arrays(self, forecast: xr.Dataset, observed: npt.NDArray[np.float32]) -> NowcastArrays:
        """What any of the scores reads of a forecast."""
        known: dict[float, npt.NDArray[np.float32]] = {}
        if PROBABILITY in forecast and self._read & {"probability", "ladder"}:
            values = forecast[PROBABILITY].values
            known = dict(zip(forecast["threshold"].values.tolist(), values, strict=True))
        members = forecast[MEMBERS].values if MEMBERS in forecast and self._read - {"dbz"} else None
        return NowcastArrays(np.asarray(forecast[NAME].values, np.float32), observed, known, members)
