"""Scores of parts of a verification: by hour of the day, by region and by event.

Dimensions: S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.core.text_table import csv_text
from nowcast.core.times import Times, to_text
from nowcast.evaluation.windows import events_of
from nowcast.report.content import GroupRow
from nowcast.scores.base import Metric
from nowcast.scores.categorical import Contingency
from nowcast.scores.evaluate import HEADER, Tally, row_cells

KINDS = ("hour", "region", "event")
REGION_KM = 200.0
"""About how wide a region is where nobody names any."""
Masks = Mapping[str, npt.NDArray[np.bool_]]


class NowcastArrays(NamedTuple):
    """One nowcast and what was observed, as arrays."""

    dbz: npt.NDArray[np.float32]
    """(S, H, W)."""
    observed: npt.NDArray[np.float32]
    probabilities: Mapping[float, Any]
    """By threshold in dBZ, (S, H, W) each."""
    members: Any = None
    """(M, S, H, W), or None."""

    def cropped(self, rows: slice, columns: slice, mask: npt.NDArray[np.bool_]) -> NowcastArrays:
        """A part of the grid, of which only what the mask (of the whole grid) holds counts as observed."""
        part = (..., rows, columns)
        observed = np.where(mask[part], self.observed[part], np.float32(np.nan))
        probabilities = {t: p[part] for t, p in self.probabilities.items()}
        members = None if self.members is None else self.members[part]
        return NowcastArrays(self.dbz[part], observed, probabilities, members)


@dataclass(frozen=True)
class Grouping:
    """Into what a verification is parted beside its whole."""

    hours: bool = False
    """By the hour of the forecast reference time, UTC."""
    regions: Masks = field(default_factory=dict)
    """Named masks (H, W); they may overlap and need not cover all."""
    by_event: bool = False
    """By the event of the initialisation time."""
    events: tuple[np.datetime64, ...] = ()
    """When each event begins, in order (`nowcast.evaluation.windows.events_of`)."""

    def with_events_of(self, reference_times: Times) -> Grouping:
        """Return the grouping with the events that initialisation times form, where it parts by these."""
        if not self.by_event:
            return self
        return replace(self, events=tuple(np.unique(events_of(reference_times))))

    def event(self, reference_time: np.datetime64) -> str:
        """The event of an initialisation time, by the hour and minute it begins at."""
        last = int(np.searchsorted(np.array(self.events), reference_time, side="right")) - 1
        return to_text(self.events[last])[:16] + "Z"


class GroupScores:
    """Running sums of one model by group; they grow with the number of groups, not of nowcasts.

    Args:
        grouping: into what.
        metrics: what is counted, the scores of some events among them.
        shown: those of them that have rows.
    """

    def __init__(self, grouping: Grouping, metrics: Sequence[Metric], shown: Sequence[Metric]) -> None:
        self._grouping, self._metrics, self._shown = grouping, tuple(metrics), tuple(shown)
        self._boxes = {name: (*_box(mask), mask) for name, mask in grouping.regions.items()}
        self._tallies: dict[tuple[str, str], Tally] = {}

    def add(self, nowcast: NowcastArrays, whole: Tally, reference_time: np.datetime64) -> None:
        """Count one nowcast, of which ``whole`` has the sums over the grid."""
        if self._grouping.hours:
            self._tally("hour", to_text(reference_time)[11:13]).merge(whole)
        if self._grouping.by_event:
            self._tally("event", self._grouping.event(reference_time)).merge(whole)
        for name, box in self._boxes.items():
            part = nowcast.cropped(*box)
            self._tally("region", name).add(part.dbz, part.observed, part.probabilities, part.members)

    def merge(self, later: GroupScores) -> None:
        """Add what others of the same grouping have counted."""
        for key, tally in later._tallies.items():
            self._tally(*key).merge(tally)

    def rows(self, model: str, lead_minutes: Sequence[float]) -> Iterator[GroupRow]:
        """Every score of every group in which anything was observed."""
        for (by, group), tally in sorted(self._tallies.items()):
            if _observed(tally):
                for row in tally.rows(model, lead_minutes, self._shown):
                    yield GroupRow(by, group, row)

    def _tally(self, by: str, group: str) -> Tally:
        return self._tallies.setdefault((by, group), Tally(self._metrics))


def grouped_by(
    by: Sequence[str],
    shape: tuple[int, int],
    cell_km: tuple[float, float],
    regions: Masks | None = None,
    region_km: float = REGION_KM,
) -> Grouping:
    """The grouping that is asked for by name, on a grid.

    Args:
        by: of ``hour``, ``region`` and ``event``.
        shape, cell_km: of the grid.
        regions: named masks, which also ask for ``region``; None takes `blocks_of_grid`.
        region_km: width of such a block.

    Raises:
        SettingsError: another name, a mask of another shape, or one that holds nothing.
    """
    for name in by:
        if name not in KINDS:
            raise SettingsError(complain("--by", f"'{name}'", f"one of {', '.join(KINDS)}", "correct it"))
    if regions is None and "region" in by:
        regions = blocks_of_grid(shape, cell_km, region_km)
    for name, mask in (regions or {}).items():
        if mask.shape != shape or not mask.any():
            found = "nothing of it" if mask.shape == shape else f"a mask of {mask.shape}"
            raise SettingsError(
                complain(
                    f"region {name}",
                    found,
                    f"a part of the grid of {shape[0]} x {shape[1]} cells",
                    "draw it where the archive has cells",
                )
            )
    return Grouping("hour" in by, regions or {}, "event" in by)


def blocks_of_grid(shape: tuple[int, int], cell_km: tuple[float, float], region_km: float = REGION_KM) -> Masks:
    """Part a grid into blocks of about ``region_km`` each way: ``r1c1`` lies in the north-west.

    Raises:
        SettingsError: a width that is not above 0.
    """
    if not region_km > 0:
        raise SettingsError(complain("--region-km", f"{region_km:g}", "kilometres above 0", "take 200"))
    parts = [max(1, round(n * km / region_km)) for n, km in zip(shape, cell_km, strict=True)]
    cuts = [np.linspace(0, n, part + 1).round().astype(int) for n, part in zip(shape, parts, strict=True)]
    masks = {}
    for i in range(parts[0]):
        for j in range(parts[1]):
            mask = np.zeros(shape, np.bool_)
            mask[cuts[0][i] : cuts[0][i + 1], cuts[1][j] : cuts[1][j + 1]] = True
            masks[f"r{i + 1}c{j + 1}"] = mask
    return masks


def area_masks(grid: Grid, areas: Path | str | Mapping[str, Any]) -> Masks:
    """The cells of each area of a GeoJSON file, by its name; those outside the grid hold nothing.

    Raises:
        NowcastError: as `nowcast.postprocessing.places.files.read_areas`.
    """
    from nowcast.postprocessing.places.files import read_areas
    from nowcast.postprocessing.places.locations import locate

    places = read_areas(areas)
    cells = locate(grid, places)
    masks = {}
    for place, index in zip(places, np.split(cells.index, np.cumsum(cells.count)[:-1]), strict=True):
        flat = np.zeros(grid.shape[0] * grid.shape[1], np.bool_)
        flat[index] = True
        masks[place.name] = flat.reshape(grid.shape)
    return masks


def groups_csv(rows: Sequence[GroupRow]) -> str:
    """The text of ``groups.csv``: the columns of scores.csv behind ``by`` and ``group``."""
    return csv_text([("by", "group", *HEADER), *((row.by, row.group, *row_cells(row.score)) for row in rows)])


def _box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _observed(tally: Tally) -> bool:
    events = next(metric for metric in tally.metrics if isinstance(metric, Contingency))
    return bool(sum(np.asarray(count).sum() for count in tally.sums(events).values()))
