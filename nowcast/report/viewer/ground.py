"""What lies on the map beside the frames: coasts, borders, a graticule and towns, in cells of the grid.

Positions count from the north-west corner of the grid, in tenths of a cell where they are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.grid import Grid
from nowcast.report.coastlines import Kind, on_grid
from nowcast.report.gazetteer import towns_on
from nowcast.report.viewer.lattice import lattice_of

Array = npt.NDArray[np.floating]
TOWNS = 400
_STEPS_DEGREES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_MOST_LINES = 7
_POINTS = 61


def ground(grid: Grid) -> dict[str, Any]:
    """Everything of the ground as the page's script reads it."""
    rows, columns = grid.shape
    km_y, km_x = grid.cell_km
    return {
        "rows": rows,
        "columns": columns,
        "km_y": round(km_y, 6),
        "km_x": round(km_x, 6),
        "lattice": lattice_of(grid).as_json(),
        "coast": _lines(grid, "coast"),
        "border": _lines(grid, "border"),
        "graticule": graticule(grid),
        "towns": [
            [t.name, round(t.row, 2), round(t.column, 2), t.lat, t.lon, t.people] for t in towns_on(grid, TOWNS)
        ],
    }


def graticule(grid: Grid) -> list[dict[str, Any]]:
    """Meridians and parallels on the grid, each with its label."""
    rows, columns = (
        np.linspace(first, last, 25) for first, last in ((grid.y[0], grid.y[-1]), (grid.x[0], grid.x[-1]))
    )
    lon, lat = grid.lonlat(*(a.ravel() for a in np.meshgrid(rows, columns, indexing="ij")))
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return []
    middle = np.degrees(np.angle(np.exp(1j * np.radians(lon[known])).mean()))
    east = (lon[known] - middle + 180.0) % 360.0 - 180.0
    found = []
    for values, other, names, along_lon in (
        (lat[known], middle + east, ("N", "S"), False),
        (middle + east, lat[known], ("E", "W"), True),
    ):
        ends = np.linspace(other.min(), other.max(), _POINTS)
        for degrees in _round_degrees(values.min(), values.max()):
            where = (ends * 0 + degrees, ends) if along_lon else (ends, ends * 0 + degrees)
            turned = (degrees + 180.0) % 360.0 - 180.0 if along_lon else degrees
            label = f"{abs(turned):g}\u00b0{names[int(turned < 0)] if turned else ''}"
            y, x = grid.yx(*where)
            found += [{"label": label, "line": line} for line in _pieces(grid, x, y)]
    return found


def _round_degrees(low: float, high: float) -> Array:
    """Round numbers between two."""
    step = next((s for s in _STEPS_DEGREES if (high - low) / s <= _MOST_LINES), _STEPS_DEGREES[-1])
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _pieces(grid: Grid, x: Array, y: Array) -> list[list[int]]:
    """The parts of a line that lie on the grid, or a step off it."""
    west, east, south, north = grid.extent
    with np.errstate(invalid="ignore"):
        inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    keep = (inside | np.r_[inside[1:], False] | np.r_[False, inside[:-1]]) & np.isfinite(x) & np.isfinite(y)
    cuts = np.flatnonzero(np.diff(keep.astype(int))) + 1
    parts = [part for part in np.split(np.arange(len(x)), cuts) if keep[part[0]] and len(part) > 1]
    return [_tenths(grid, np.stack([x[part], y[part]], axis=1)) for part in parts]


def _lines(grid: Grid, kind: Kind) -> list[list[int]]:
    lines = [_tenths(grid, line) for line in on_grid(grid, kind)]
    return [line for line in lines if len(line) > 2]


def _tenths(grid: Grid, line: Array) -> list[int]:
    """A line (N, 2) of x and y as columns and rows in tenths of a cell: the first point, then differences."""
    west, _, _, north = grid.extent
    dy, dx = grid.spacing
    points = np.round(np.stack([(line[:, 0] - west) / dx, (north - line[:, 1]) / dy], axis=1) * 10).astype(int)
    fresh = points[np.r_[True, np.any(np.diff(points, axis=0) != 0, axis=1)]]
    whole: Sequence[int] = np.concatenate([fresh[:1], np.diff(fresh, axis=0)]).ravel().tolist()
    return list(whole)
