"""From one grid to another: which source cells a cell takes its value from, and with what weight.

Dimensions: H rows and W columns of the source, R rows and C columns of the target, P pairs of cells that
overlap.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from nowcast.core.errors import GridError
from nowcast.core.grid import Array, Grid
from nowcast.ingestion.regridding.settings import Method

Values = npt.NDArray[np.float64]
_BLOCK = 1 << 20
_MOST_PAIRS = 200_000_000
_TINY = 1e-9
"""Of a cell: smaller overlaps are rounding."""


class GridWeights:
    """The way from one grid to another; ``matrix`` (R * C, H * W), or ``index`` where one cell gives the value.

    ``index`` (R * C) is -1 beyond the source's grid; ``full`` (R * C) is the weight of a cell all observed.
    """

    def __init__(self, source: Grid, target: Grid, method: Method) -> None:
        self.shape = target.shape
        self.index = _nearest(source, target) if method != "conservative" else None
        self.matrix: sp.csr_array | None = None
        self.full: npt.NDArray[np.float32] | None = None
        if method == "conservative":
            self.matrix = _overlaps(source, target)
            self.full = np.ones(self.matrix.shape[0], np.float32)
        elif method == "mean":
            assert self.index is not None
            self.matrix = _centres(source, target, self.index)
            self.full = np.maximum(self.matrix.sum(axis=1), 1.0).astype(np.float32)
        if not self.overlaps:
            raise GridError(
                "the grids do not overlap, expected the target to cover some of the source; check --grid"
            )

    @property
    def overlaps(self) -> bool:
        """Whether any cell of the target has a value."""
        if self.matrix is not None:
            return bool(self.matrix.nnz)
        return self.index is not None and bool((self.index >= 0).any())


_KEPT: dict[tuple[str, str, Method], GridWeights] = {}
_MOST_KEPT = 4
_LOCK = threading.Lock()


def weights(source: Grid, target: Grid, method: Method) -> GridWeights:
    """Return the weights from a grid to another, computed once in a process.

    Raises:
        GridError: the grids do not overlap, or there would be too many pairs of cells.
    """
    key = (source.fingerprint, target.fingerprint, method)
    with _LOCK:
        if key not in _KEPT:
            found = GridWeights(source, target, method)
            while len(_KEPT) >= _MOST_KEPT:
                _KEPT.pop(next(iter(_KEPT)))
            _KEPT[key] = found
        return _KEPT[key]


def _places(of: Grid, y: Array, x: Array, within: Grid) -> tuple[Values, Values]:
    """Return rows and columns of a grid (0 is the middle of the first) for coordinates of another grid."""
    there_y: Array
    there_x: Array
    if of.crs.equals(within.crs) and not of.crs.is_geographic:
        there_y, there_x = y, x
    else:
        there_y, there_x = within.yx(*of.lonlat(y, x))
    dy, dx = within.spacing
    row, column = (within.y[0] - there_y) / dy, (there_x - within.x[0]) / dx
    return np.asarray(row, np.float64), np.asarray(column, np.float64)


def _cells_at(of: Grid, within: Grid) -> npt.NDArray[np.int64]:
    """Return for each centre of a grid the cell of another that it lies in, -1 where in none."""
    height, width = within.shape
    found = np.empty(of.shape, np.int64)
    step = max(1, _BLOCK // of.shape[1])
    for first in range(0, of.shape[0], step):
        y, x = np.meshgrid(of.y[first : first + step], of.x, indexing="ij")
        row, column = (np.floor(np.nan_to_num(place, nan=-9.0) + 0.5) for place in _places(of, y, x, within))
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found[first : first + step] = np.where(inside, row * width + column, -1)
    return found.reshape(-1)


def _nearest(source: Grid, target: Grid) -> npt.NDArray[np.int64]:
    return _cells_at(target, source)


def _centres(source: Grid, target: Grid, index: npt.NDArray[np.int64]) -> sp.csr_array:
    """Return weight 1 for each source cell whose centre lies in the cell; where there is none, the nearest."""
    cells = _cells_at(source, target)
    here = np.flatnonzero(cells >= 0)
    empty = np.ones(index.size, np.bool_)
    empty[cells[here]] = False
    lone = np.flatnonzero(empty & (index >= 0))
    rows, columns = np.concatenate([cells[here], lone]), np.concatenate([here, index[lone]])
    return sp.csr_array((np.ones(len(rows), np.float32), (rows, columns)), (index.size, cells.size))


def _overlaps(source: Grid, target: Grid) -> sp.csr_array:
    """Return overlaps as shares of a target cell's area; source cells have straight edges in the target."""
    (height, width), (rows, columns) = source.shape, target.shape
    dy, dx = source.spacing
    edges_y = source.y[0] + dy / 2 - dy * np.arange(height + 1)
    edges_x = source.x[0] - dx / 2 + dx * np.arange(width + 1)
    step = max(1, (_BLOCK >> 2) // width)
    parts: list[sp.csr_array] = []
    total = 0
    for first in range(0, height, step):
        y, x = np.meshgrid(edges_y[first : first + step + 1], edges_x, indexing="ij")
        v, u = (place + 0.5 for place in _places(source, y, x, target))
        if target.crs.is_geographic:  # cells that lie on both sides of the far meridian
            u[:, 1:][np.abs(np.diff(u, axis=1)) > 180.0 / target.spacing[1]] = np.nan
        corners_u, corners_v = (
            np.stack([c[:-1, :-1], c[:-1, 1:], c[1:, 1:], c[1:, :-1]], -1).reshape(-1, 4) for c in (u, v)
        )
        cell, row, column, share = _clipped(corners_u, corners_v, rows, columns)
        total += len(share)
        if total > _MOST_PAIRS:
            raise GridError(
                f"--grid: got more than {_MOST_PAIRS / 1e6:.0f} million pairs of cells, "
                "expected fewer; take larger cells or --resample nearest"
            )
        parts.append(
            sp.csr_array(
                (share.astype(np.float32), (row * columns + column, cell + first * width)),
                (rows * columns, height * width),
            )
        )
    return sum(parts[1:], parts[0])


def _clipped(
    u: Values, v: Values, rows: int, columns: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], Values]:
    """Return (cell, row, column, area) of each overlap of quadrangles (N, 4) with unit squares of a lattice."""
    good = np.flatnonzero(np.isfinite(u).all(axis=1) & np.isfinite(v).all(axis=1))
    low_u, high_u = np.clip(u[good].min(axis=1), 0, columns), np.clip(u[good].max(axis=1), 0, columns)
    low_v, high_v = np.clip(v[good].min(axis=1), 0, rows), np.clip(v[good].max(axis=1), 0, rows)
    first_column, first_row = np.floor(low_u).astype(np.int64), np.floor(low_v).astype(np.int64)
    wide = np.ceil(high_u).astype(np.int64) - first_column
    tall = np.ceil(high_v).astype(np.int64) - first_row
    counts = np.maximum(wide, 0) * np.maximum(tall, 0)
    if counts.sum() > _MOST_PAIRS:
        raise GridError(
            f"--grid: got {counts.sum():.3g} pairs of cells that overlap, expected at most "
            f"{_MOST_PAIRS / 1e6:.0f} million; take larger cells or --resample nearest"
        )
    of = np.repeat(np.arange(len(good)), counts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = first_row[of] + number // wide[of], first_column[of] + number % wide[of]
    area = np.abs(_area(u[good][of] - column[:, None], v[good][of] - row[:, None]))
    keep = area > _TINY
    return good[of][keep], row[keep], column[keep], area[keep]


def _area(u: Values, v: Values) -> Values:
    """Return the signed areas that polygons (P, 4) have in common with the unit square.

    The area is the sum over the edges of the integral of v, cut to [0, 1], along u within [0, 1] (Green's
    theorem: what lies below the square cancels).
    """
    total = np.zeros(len(u))
    for corner in range(4):
        u0, u1 = u[:, corner], u[:, (corner + 1) % 4]
        v0, v1 = v[:, corner], v[:, (corner + 1) % 4]
        run = u1 - u0
        slope = (v1 - v0) / np.where(run == 0.0, 1.0, run)
        start, end = np.clip(u0, 0.0, 1.0), np.clip(u1, 0.0, 1.0)
        at_start, at_end = v0 + slope * (start - u0), v0 + slope * (end - u0)
        rise = at_end - at_start
        flat = np.abs(rise) < 1e-7
        mean = np.where(
            flat,
            np.clip((at_start + at_end) / 2.0, 0.0, 1.0),
            (_below(at_end) - _below(at_start)) / np.where(flat, 1.0, rise),
        )
        total += (end - start) * mean
    return total


def _below(v: Values) -> Values:
    """Return the integral of v cut to [0, 1] from 0 to v."""
    return np.where(v < 0.0, 0.0, np.where(v > 1.0, v - 0.5, v * v / 2.0))
