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
from nowcast.core.field import NAME, PROBABILITY
from nowcast.core.score_row import ScoreRow
from nowcast.core.times import Times
from nowcast.report.content import Case
from nowcast.scores.base import Sums, add
from nowcast.scores.catalog import METRICS, build_metrics
from nowcast.scores.categorical import CellCounts, Csi
from nowcast.scores.evaluate import Tally

CALIBRATED = ", calibrated"
"""What a model's name has more where its events are called at calibrated decision thresholds."""
MAP_CELL_KM = 5.0
"""About how wide a block of the CSI map is when nobody says."""


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
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """By model, what made its forecasts."""
    cases: tuple[Case, ...] = ()
    """The wettest nowcasts with their fields, for pictures."""

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
        scores: names of `nowcast.scores.catalog.METRICS`; those of probabilities take a forecast of dBZ
            alone for certain of what it forecasts.
        cell_km: height and width of a grid cell.
        map_thresholds: thresholds for which CSI is kept for each block of cells.
        block: cells of such a block, each way.

    Raises:
        SettingsError: a threshold that cannot be, or an unknown score.
    """

    def __init__(
        self, thresholds: Sequence[float], scores: Sequence[str], cell_km: tuple[float, float],
        map_thresholds: Sequence[float], block: int,
    ) -> None:
        self._tally = Tally(build_metrics(thresholds, scores, cell_km))
        self._probabilistic = any(METRICS[s].reads == "probability" for s in scores)
        self._events = [Csi(t) for t in thresholds]
        self._cells = [CellCounts(t, block) for t in map_thresholds]
        self._in_cells: dict[float, Sums] = {}
        self._counts: list[npt.NDArray[np.int64]] = []
        self._seconds = 0.0

    def add(self, forecast: xr.Dataset, observed: npt.NDArray[np.float32], seconds: float) -> None:
        """Count one nowcast against what was observed (S, H, W); ``seconds`` is what it took."""
        dbz = np.asarray(forecast[NAME].values, np.float32)
        probabilities = {}
        if self._probabilistic and PROBABILITY in forecast:
            known = forecast["threshold"].values.tolist()
            probabilities = dict(zip(known, forecast[PROBABILITY].values, strict=True))
        own = Tally([*self._tally.metrics, *self._events])
        own.add(dbz, observed, probabilities)
        self._tally.merge(own)
        sums = [own.sums(event) for event in self._events]
        self._counts.append(np.stack(
            [np.stack([s[k] for k in ("hits", "misses", "false_alarms")], axis=-1) for s in sums]
        ))
        for metric in self._cells:
            known = self._in_cells.get(metric.threshold_dbz, {})
            self._in_cells[metric.threshold_dbz] = add(known, metric.sums(dbz, observed))
        self._seconds += seconds

    def merge(self, later: PeriodScores) -> None:
        """Add the nowcasts of other sums of the same settings after one's own.

        Sums of one nowcast each, merged in order, are the same to the last bit as sums of all nowcasts.
        """
        self._tally.merge(later._tally)
        for threshold, sums in later._in_cells.items():
            self._in_cells[threshold] = add(self._in_cells.get(threshold, {}), sums)
        self._counts += later._counts
        self._seconds += later._seconds

    def rows(self, model: str, lead_minutes: Sequence[float]) -> list[ScoreRow]:
        """Every score by lead time, and its mean over them."""
        return list(self._tally.rows(model, lead_minutes))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Hits, misses and false alarms of each nowcast (nowcast, threshold, lead time, 3)."""
        return np.stack(self._counts)

    @property
    def csi_cells(self) -> dict[float, npt.NDArray[np.float64]]:
        """CSI of each block of cells by threshold, pooled over lead times; NaN without events."""
        return {
            m.threshold_dbz: np.asarray(m.value(self._in_cells[m.threshold_dbz])) for m in self._cells
        }

    @property
    def seconds(self) -> float:
        """Mean wall time of a nowcast."""
        return self._seconds / len(self._counts)
