"""The cells of a grid that an EDR query asks for.

Dimensions: a window of rows and columns, and of it the cells inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.postprocessing.places.locations import Location, cell_at, locate
from nowcast.serve.problems import not_found

_DECIMALS = 6


@dataclass(frozen=True)
class Region:
    """A window of the grid, and which of its cells are inside."""

    rows: slice
    columns: slice
    inside: npt.NDArray[np.bool_]
    """(rows, columns)."""

    @property
    def size(self) -> int:
        """Cells of the window, which are read."""
        return int(self.inside.size)

    def degrees(self, grid: Grid) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Longitude and latitude of the centres of the window's cells (rows, columns)."""
        lon, lat = grid.lonlat(*np.meshgrid(grid.y[self.rows], grid.x[self.columns], indexing="ij"))
        return np.round((lon + 180.0) % 360.0 - 180.0, _DECIMALS), np.round(lat, _DECIMALS)


def of_point(grid: Grid, point: Location) -> Region:
    """The one cell that holds a point.

    Raises:
        RefusedRequestError: the point lies outside the grid.
    """
    index = int(cell_at(grid, np.array([point.latitude]), np.array([point.longitude]))[0])
    if index < 0:
        place = f"POINT({point.longitude:g} {point.latitude:g})"
        raise not_found(
            "coords", place, "a place on the grid of the forecast", "see the extent of /collections/nowcast"
        )
    row, column = divmod(index, grid.shape[1])
    return Region(slice(row, row + 1), slice(column, column + 1), np.ones((1, 1), bool))


def of_area(grid: Grid, area: Location) -> Region:
    """The cells whose centres lie in a polygon; of a smaller one the cell that holds its middle.

    Raises:
        RefusedRequestError: the polygon lies outside the grid.
    """
    cells = locate(grid, [area])
    if not len(cells.index):
        raise not_found("coords", "the polygon", "one on the grid of the forecast", "see /collections/nowcast")
    rows, columns = cells.window(grid.shape)
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    inside.ravel()[cells.moved_into(grid.shape, (rows, columns)).index] = True
    return Region(rows, columns, inside)


def of_box(grid: Grid, box: tuple[float, float, float, float]) -> Region:
    """The smallest window with every cell whose centre lies in a box of degrees; those beside it are outside.

    Raises:
        RefusedRequestError: fewer than 2 x 2 cells have their centres there.
    """
    west, south, east, north = box
    try:
        rows, columns = (slice(*span) for span in grid.window(west, south, east, north))
    except GridError as error:
        text = f"{west:g},{south:g},{east:g},{north:g}"
        expected = "a box on the grid with 2 x 2 cells or more"
        remedy = "see the extent of /collections/nowcast, or ask /position"
        raise not_found("bbox", text, expected, remedy) from error
    lon, lat = grid.lonlat(*np.meshgrid(grid.y[rows], grid.x[columns], indexing="ij"))
    inside = ((lon - west) % 360.0 <= (east - west) % 360.0) & (lat >= south) & (lat <= north)
    return Region(rows, columns, inside)
