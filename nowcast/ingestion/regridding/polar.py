"""Polar volumes on a grid that is asked for: gates straight onto its cells, or means of places in them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import GridError, complain
from nowcast.core.grid import Grid
from nowcast.ingestion.polar.reader import PolarVolumes
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.lazy import MOST_CELLS
from nowcast.ingestion.regridding.frames import RegriddedReader
from nowcast.ingestion.regridding.settings import ResampleSettings

POLAR = "polar volumes"
"""What the ledger and an archive's attributes name where other files have a grid of their own."""

_SLACK = 0.05
"""Of a part of a cell: by so much it may be larger, as the cells of a projection are not quite of one size."""


def polar_reader(reading: PolarVolumes, grid: Grid, settings: ResampleSettings) -> Reader:
    """Return what reads a volume onto a grid.

    ``nearest`` takes the gates over the middle of each cell. The means are over the middles of so many equal
    parts of a cell that each is about ``cell_km`` of the polar settings or smaller.

    Why not by way of the grid around the radars: each cell would hold the value of a gate beside it, and
    another one where that grid has another middle, as it has when a radar is added.

    Raises:
        GridError: the parts of the cells would be too many.
    """
    if settings.method == "nearest":
        return replace(reading, grid=grid)
    tall, wide = (max(1, math.ceil(side / reading.settings.cell_km - _SLACK)) for side in grid.cell_km)
    if tall * wide == 1:
        return replace(reading, grid=grid)
    rows, columns = tall * grid.shape[0], wide * grid.shape[1]
    if rows * columns > MOST_CELLS:
        raise GridError(
            complain(
                "polar volumes",
                f"{rows} x {columns} places of at most {reading.settings.cell_km:g} km, whose means are wanted",
                f"at most {MOST_CELLS / 1e6:.0f} million",
                "take a larger cell_km with --polar, or --resample nearest",
            )
        )
    parts = Grid(grid.crs_wkt, _split(grid.y, tall), _split(grid.x, wide))
    return RegriddedReader(replace(reading, grid=parts), grid, settings)


def _split(centres: npt.NDArray[np.floating], number: int) -> npt.NDArray[np.float64]:
    """Return the middles of so many equal parts of each cell, in the same order."""
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    return np.asarray(centres[0] + step * ((np.arange(len(centres) * number) + 0.5) / number - 0.5), np.float64)
