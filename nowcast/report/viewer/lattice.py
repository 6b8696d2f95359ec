"""Where cells lie on the Earth, for a script: directions at the nodes of a coarse lattice, to be interpolated.

Why not the projection itself: a page would need every projection there is. Between the nodes, directions (unit
vectors) are interpolated and made one long again, which has no pole and no dateline. There are as many nodes as
it takes for a fiftieth of a cell.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.grid import Grid

Vectors = npt.NDArray[np.float64]
_EARTH_KM = 6371.0
_LARGEST_ERROR_CELLS = 0.02
_NODES = (9, 17, 33, 65, 129)


class Lattice(NamedTuple):
    """Directions (rows, columns, 3) at nodes evenly spaced from edge to edge of the grid."""

    vectors: npt.NDArray[np.float32]

    def as_json(self) -> dict[str, object]:
        """Return it as the page's script reads it."""
        rows, columns, _ = self.vectors.shape
        text = base64.b64encode(self.vectors.astype("<f4").tobytes()).decode("ascii")
        return {"rows": rows, "columns": columns, "vectors": text}


def lattice_of(grid: Grid) -> Lattice:
    """Return the coarsest lattice that is exact to a fiftieth of a cell, or the finest there is."""
    for nodes in _NODES:
        vectors = directions(grid, *(np.linspace(0.0, size, nodes) for size in grid.shape))
        if _error_cells(grid, vectors) <= _LARGEST_ERROR_CELLS:
            break
    return Lattice(vectors.astype(np.float32))


def directions(grid: Grid, rows: Vectors, columns: Vectors) -> Vectors:
    """Unit vectors (R, C, 3) at rows and columns from the north-west corner of the grid; NaN off the Earth."""
    west, _, _, north = grid.extent
    dy, dx = grid.spacing
    y, x = np.meshgrid(north - rows * dy, west + columns * dx, indexing="ij")
    lon, lat = grid.lonlat(y, x)
    with np.errstate(invalid="ignore"):
        east, up = np.radians(lon), np.radians(lat)
        return np.stack([np.cos(up) * np.cos(east), np.cos(up) * np.sin(east), np.sin(up)], axis=-1)


def _error_cells(grid: Grid, nodes: Vectors) -> float:
    """How far the middle between four nodes lies from where it should, at worst, in cells."""
    middle = (nodes[:-1, :-1] + nodes[1:, :-1] + nodes[:-1, 1:] + nodes[1:, 1:]) / 4.0
    rows, columns = (
        (np.arange(n - 1) + 0.5) * size / (n - 1) for n, size in zip(nodes.shape, grid.shape, strict=False)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    away = np.linalg.norm(middle - directions(grid, rows, columns), axis=-1)
    known = away[np.isfinite(away)]
    return float(known.max() * _EARTH_KM / min(grid.cell_km)) if known.size else 0.0
