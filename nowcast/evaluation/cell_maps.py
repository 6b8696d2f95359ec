"""Scores of one model on the map: sums of each block of cells, of all lead times together and of some alone.

Dimensions: S lead times, H rows, W columns of the grid, h, w rows and columns of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from nowcast.evaluation.grouping import NowcastArrays
from nowcast.scores.base import Sums, add
from nowcast.scores.catalog import build_metrics, named_scores
from nowcast.scores.cells import CellSums, OfPixels
from nowcast.scores.evaluate import counted_as
from nowcast.scores.forecast_inputs import ForecastInputs

MAPPED = ("csi", "gdl", "pod", "far", "bias", "mae", "brier")
"""Scores that are drawn on the map where they are asked for; CSI always is."""
CELL_KM = 5.0
"""About how wide a block is when nobody says."""
MOST_BLOCKS = 40_000
"""On larger grids blocks are wider, so that sums and pages stay small."""
MOST_LEADS = 6
Values = npt.NDArray[np.float32]


class CellKey(NamedTuple):
    """Which score of a model is on a map."""

    score: str
    threshold_dbz: float | None
    """None for scores of values rather than of events."""
    lead: int | None
    """Number of the lead time, from 0; None for all together."""


def block_of(shape: tuple[int, int], cell_km: tuple[float, float]) -> int:
    """Cells of a block, each way: about 5 km, wider where that would be more than `MOST_BLOCKS` blocks."""
    least = math.ceil(math.sqrt(shape[0] * shape[1] / MOST_BLOCKS))
    return max(1, round(CELL_KM / max(cell_km)), least)


def leads_shown(lead_times: int) -> tuple[int, ...]:
    """Lead times that have maps of their own, from 0: every one, or every second or third and so on of many."""
    step = math.ceil(lead_times / MOST_LEADS)
    return tuple(range(step - 1, lead_times, step)) if lead_times > 1 else ()


class CellMaps:
    """Running sums of one model by block of cells; their size does not grow with the number of nowcasts.

    Args:
        thresholds_dbz: of events that are drawn.
        scores: names of scores, of which those of `MAPPED` are kept, and CSI.
        block: cells of a block, each way.
    """

    def __init__(self, thresholds_dbz: Sequence[float], scores: Sequence[str], block: int) -> None:
        wanted = [name for name in MAPPED if name == "csi" or name in named_scores(scores)]
        self._metrics = [cast(OfPixels, m) for m in build_metrics(thresholds_dbz, wanted)]
        self._cells = {counted_as(m): CellSums(m, block) for m in self._metrics}
        self._sums: dict[Any, Sums] = {}

    def add(self, nowcast: NowcastArrays) -> None:
        """Count one nowcast."""
        inputs = ForecastInputs(nowcast.dbz, nowcast.probabilities, nowcast.members)
        shown = list(leads_shown(len(nowcast.observed)))
        for key, cells in self._cells.items():
            found = cells.sums(inputs.of(cells.metric), nowcast.observed)
            kept = {
                name: np.concatenate([part.sum(axis=0, keepdims=True), part[shown]])
                for name, part in found.items()
            }
            self._sums[key] = add(self._sums.get(key, {}), kept)

    def merge(self, later: CellMaps) -> None:
        """Add what others of the same settings have counted."""
        for key, sums in later._sums.items():
            self._sums[key] = add(self._sums.get(key, {}), sums)

    def values(self, lead_times: int) -> dict[CellKey, Values]:
        """Every map, (h, w); NaN where nothing was counted."""
        slots = (None, *leads_shown(lead_times))
        found: dict[CellKey, Values] = {}
        for metric in self._metrics:
            values = np.asarray(metric.value(self._sums[counted_as(metric)]), np.float32)
            threshold = getattr(metric, "threshold_dbz", None)
            found |= {CellKey(metric.name, threshold, lead): values[i] for i, lead in enumerate(slots)}
        return found
