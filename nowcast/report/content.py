"""What pages show, as plain data and plain text: whoever calls makes these from its own results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.grid import Grid
from nowcast.core.score_row import ScoreRow


@dataclass(frozen=True)
class Case:
    """Forecasts from one forecast reference time by every model, with the frames around it."""

    reference_time: np.datetime64
    past: xr.DataArray
    """Field (time, y, x) of the frames up to ``reference_time``."""
    forecasts: Mapping[str, xr.DataArray]
    """By model: dBZ (lead_time, y, x) as `nowcast.forecasters` makes it, all with the same lead times."""
    observed: xr.DataArray | None = None
    """Field (time, y, x) of the frames after ``reference_time``; absent ones are shown as not there yet."""
    captions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By model: one short line a lead time to stand under its map, for example its CSI."""
    name: str = ""
    """What the list of cases calls it; the forecast reference time if empty."""
    probabilities: Mapping[str, xr.DataArray] = field(default_factory=dict)
    """By model that knows some: of reaching thresholds (threshold, lead_time, y, x), to be shown beside."""


@dataclass(frozen=True)
class CellMap:
    """One score of each block of cells of a grid, to be drawn on the map."""

    model: str
    threshold_dbz: float | None
    """None for scores of values rather than of events."""
    grid: Grid
    """The grid of single cells."""
    values: npt.NDArray[np.floating]
    """(ceil(H / block), ceil(W / block)); NaN where it is undefined."""
    block: int = 1
    score: str = "csi"
    lead_minutes: float | None = None
    """None for all lead times together."""


class Comparison(NamedTuple):
    """A score of a model less that of another, mean over lead times, at one threshold, with its interval."""

    model: str
    reference: str
    threshold_dbz: float | None
    """None for scores of values rather than of events."""
    difference: float
    low: float
    """NaN, like ``high``, where there is no interval."""
    high: float
    blocks: int
    """How many blocks of initialisation times were drawn from."""
    block_hours: float
    resamples: int
    confidence: float
    score: str = "csi"
    storms: bool = False
    """Whether the blocks are storms rather than hours of the clock."""


FEW_BLOCKS = 10
"""With fewer blocks the intervals of a bootstrap are rather too narrow."""


class IntervalRow(NamedTuple):
    """CSI of one model at one threshold and lead time, with its interval."""

    model: str
    threshold_dbz: float
    lead_minutes: float
    value: float
    low: float
    """NaN, like ``high``, where there is no interval."""
    high: float
    blocks: int


class SkillHorizon(NamedTuple):
    """Lead time up to which the CSI of a model at a threshold stays above a value."""

    model: str
    threshold_dbz: float
    csi: float
    """The value that it falls under."""
    minutes: float
    """Infinity if not up to the longest lead time, NaN if CSI is undefined."""
    longest: float
    """Longest lead time in minutes."""


class GroupRow(NamedTuple):
    """One score of one group of a model's nowcasts."""

    by: str
    """``hour``, ``region`` or ``event``."""
    group: str
    score: ScoreRow


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    best: bool = False
    """Whether it is the best of what was computed in its column."""
    reported: bool = False
    """Whether it is what a paper prints, not what was computed."""
    detail: str = ""
    """Stands small behind the text."""
    style: int | None = None
    """Number of the model whose colour stands before the text."""


class Table(NamedTuple):
    """One table; its first column names the rows."""

    caption: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Picture(NamedTuple):
    """One picture with its caption."""

    source: str
    """Path relative to the page, or a data URI."""
    caption: str
