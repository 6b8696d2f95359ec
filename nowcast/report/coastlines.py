"""Coastlines and borders from the package's own file: no network, in degrees or on a grid.

Natural Earth 1:10m thinned to 0.006 degrees; `scripts/make_coastlines.py` makes the file, NOTICE says
whose the lines are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.grid import Grid

Array = npt.NDArray[np.float64]
Kind = Literal["coast", "border"]
CREDIT = "Coastlines and borders: Natural Earth, public domain."
"""What stands below whatever shows them."""
_MARGIN_DEGREES = 1.0


@lru_cache(maxsize=2)
def world(kind: Kind) -> tuple[Array, ...]:
    """Every line of the world as (N, 2) longitude and latitude in degrees."""
    with (files("nowcast.report") / "coastlines.npz").open("rb") as handle, np.load(handle) as stored:
        step = float(stored["step_degrees"])
        starts, lengths, steps = (stored[f"{kind}_{key}"] for key in ("starts", "lengths", "steps"))
    ends = np.cumsum(lengths - 1)
    pieces = np.split(steps.astype(np.int64), ends[:-1])
    return tuple(
        np.cumsum(np.concatenate([start[None], piece]), axis=0) * step
        for start, piece in zip(starts, pieces, strict=True)
    )


def on_grid(grid: Grid, kind: Kind) -> list[Array]:
    """The lines that touch a grid as (N, 2) x and y in the units of its CRS.

    Lines are cut where they leave the grid by more than a tenth of its size, so that what a projection
    does on the other side of the world never shows.
    """
    import pyproj

    to_grid = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    west, east, south, north = grid.extent
    inside: list[Array] = []
    for lonlat in _near(grid, kind):
        x, y = to_grid.transform(lonlat[:, 0], lonlat[:, 1])
        mx, my = 0.1 * (east - west), 0.1 * (north - south)
        near = np.isfinite(x) & np.isfinite(y)
        near &= (x > west - mx) & (x < east + mx) & (y > south - my) & (y < north + my)
        # keep one point more on either side, so that a line reaches the edge of the map
        keep = np.isfinite(x) & np.isfinite(y) & (near | np.r_[near[1:], False] | np.r_[False, near[:-1]])
        line = np.stack([x, y], axis=1)
        for piece in np.split(np.arange(len(x)), np.flatnonzero(np.diff(keep.astype(int))) + 1):
            if len(piece) > 1 and keep[piece[0]]:
                inside += _without_jumps(line[piece], max(east - west, north - south))
    return inside


def as_path(grid: Grid, kind: Kind) -> str:
    """The lines as the ``d`` of an SVG path in units of cells, (0, 0) the north-west corner."""
    west, _, _, north = grid.extent
    dy, dx = grid.spacing
    parts = []
    for line in on_grid(grid, kind):
        columns, rows = (line[:, 0] - west) / dx, (north - line[:, 1]) / dy
        points = np.round(np.stack([columns, rows], axis=1), 1)
        fresh = np.r_[True, np.any(np.diff(points, axis=0) != 0, axis=1)]
        parts.append("M" + "L".join(f"{c:g} {r:g}" for c, r in points[fresh]))
    return "".join(parts)


def _near(grid: Grid, kind: Kind) -> Iterator[Array]:
    """The lines whose box of longitude and latitude meets that of the grid's edge and middle."""
    rows = np.linspace(grid.y[0], grid.y[-1], 25)
    columns = np.linspace(grid.x[0], grid.x[-1], 25)
    x, y = np.meshgrid(columns, rows)
    lon, lat = grid.lonlat(y.ravel(), x.ravel())
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return
    low = np.array([lon[known].min(), lat[known].min()]) - _MARGIN_DEGREES
    high = np.array([lon[known].max(), lat[known].max()]) + _MARGIN_DEGREES
    for line in world(kind):
        if (line.max(axis=0) >= low).all() and (line.min(axis=0) <= high).all():
            yield line


def _without_jumps(line: Array, size: float) -> list[Array]:
    """Cut a line where two neighbours lie further apart than the grid is wide."""
    far = np.flatnonzero(np.hypot(*np.diff(line, axis=0).T) > size) + 1
    return [piece for piece in np.split(line, far) if len(piece) > 1]
