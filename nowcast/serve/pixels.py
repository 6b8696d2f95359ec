"""Which cell of a grid each pixel of a picture shows, in any projection of either.

A picture is regular in its own CRS. Its pixels are not all projected: those on a net are, and between them
positions are interpolated where that is right to a fifth of a cell, with a net twice as fine where it is not.

Dimensions: h rows and w columns of the picture.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.grid import Grid
from nowcast.postprocessing.places.locations import rows_and_columns

Array = npt.NDArray[np.floating]
CellIndices = npt.NDArray[np.int32]
Box = tuple[float, float, float, float]
"""Left, bottom, right and top in the CRS of the picture."""
LONLAT, MERCATOR = "OGC:CRS84", "EPSG:3857"
_FIRST_NET, _FINEST_NET = 8, 64
_MOST_OFF = 0.2
"""Of a cell."""
_CACHED_BYTES = 96 * 2**20


@lru_cache(maxsize=64)
def _to_lonlat(crs: str, thread: int) -> pyproj.Transformer:
    del thread
    return pyproj.Transformer.from_crs(crs, LONLAT, always_xy=True)


def positions(grid: Grid, crs: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Rows and columns with fractions of places in another CRS; NaN off either projection.

    Args:
        grid: whole numbers are centres of its cells.
        crs: of the places, as PROJ calls it.
        x, y: east and north, or longitude and latitude, of one shape.
    """
    lon, lat = x, y
    if crs != LONLAT:
        lon, lat = _to_lonlat(crs, threading.get_ident()).transform(x, y)
    known = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90.0)
    row, column = rows_and_columns(grid, np.where(known, lat, 0.0), np.where(known, lon, 0.0))
    return np.where(known, row, np.nan), np.where(known, column, np.nan)


def cells_of(grid: Grid, crs: str, box: Box, size: tuple[int, int]) -> CellIndices:
    """Flat index of the cell that each pixel shows (h, w); -1 off the grid.

    Args:
        grid: of the forecast.
        crs: of the picture, as PROJ calls it.
        box: outer edges of the picture.
        size: (h, w).
    """
    h, w = size
    left, bottom, right, top = box
    xs = left + (np.arange(w) + 0.5) * (right - left) / w
    ys = top - (np.arange(h) + 0.5) * (top - bottom) / h
    row, column = _interpolated(grid, crs, xs, ys)
    with np.errstate(invalid="ignore"):
        inside = (row >= -0.5) & (row < grid.shape[0] - 0.5) & (column >= -0.5) & (column < grid.shape[1] - 0.5)
        i = np.floor(np.where(inside, row, 0.0) + 0.5).astype(np.int32)
        j = np.floor(np.where(inside, column, 0.0) + 0.5).astype(np.int32)
    return np.where(inside, i * np.int32(grid.shape[1]) + j, np.int32(-1))


def _interpolated(grid: Grid, crs: str, xs: Array, ys: Array) -> tuple[Array, Array]:
    """Rows and columns (h, w) of the pixels at every x and y."""
    pieces = _FIRST_NET
    while pieces <= _FINEST_NET and 2 * pieces < min(len(xs), len(ys)):
        net_x, net_y = (np.linspace(at[0], at[-1], 2 * pieces + 1) for at in (xs, ys))
        net = np.stack(positions(grid, crs, *np.meshgrid(net_x, net_y)))
        coarse = net[:, ::2, ::2]
        if np.isnan(net).all() or _off(net, coarse) < _MOST_OFF:
            across, down = (_hat(len(at), 2 * pieces) for at in (xs, ys))
            return down @ net[0] @ across.T, down @ net[1] @ across.T
        pieces *= 2
    row, column = positions(grid, crs, *np.meshgrid(xs, ys))
    return row, column


def _off(net: Array, coarse: Array) -> float:
    """How far positions interpolated between every second point of a net are wrong; infinite with NaN."""
    size = net.shape[-1]
    hat = _hat(size, (size - 1) // 2)
    worst = float(np.abs(hat @ coarse @ hat.T - net).max())
    return np.inf if np.isnan(worst) else worst


@lru_cache(maxsize=64)
def _hat(count: int, pieces: int) -> Array:
    """Weights (count, pieces + 1) of a net's points for values in even steps from its first to its last."""
    at = np.linspace(0.0, pieces, count)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(pieces + 1)[None]))


class PixelMaps:
    """Keeps the cells of pictures that were asked for: the frames of a loop show the same places."""

    def __init__(self, most_bytes: int = _CACHED_BYTES) -> None:
        self._most = most_bytes
        self._held: OrderedDict[tuple[str, str, Box, tuple[int, int]], CellIndices] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def cells(self, grid: Grid, crs: str, box: Box, size: tuple[int, int]) -> CellIndices:
        """As `cells_of`."""
        key = grid.fingerprint, crs, box, size
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        found = cells_of(grid, crs, box, size)
        with self._lock:
            if key not in self._held:
                self._held[key] = found
                self._bytes += found.nbytes
            while self._bytes > self._most:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return found
