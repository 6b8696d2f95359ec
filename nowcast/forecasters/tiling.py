"""One large map out of overlapping tiles, each weighted less towards its edges.

Dimensions: H rows, W columns of the whole map, h and w of a tile.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain

Array = npt.NDArray[np.float32]
Tile = Callable[[slice, slice], Array]


def blended(make: Tile, shape: tuple[int, int], tile: tuple[int, int], overlap: int) -> Array:
    """Compute a map tile by tile and blend where tiles overlap.

    Why weights: a network knows little of what enters its tile from outside, so at each place the tile
    that has it farthest from its edge says most, and nothing jumps from one tile to the next. A map no
    larger than one tile is that tile, unchanged.

    Args:
        make: gives (..., h, w) for rows and columns; no NaN.
        shape: (H, W).
        tile: largest (h, w).
        overlap: cells that neighbours share at least, less than half a tile.

    Returns:
        (..., H, W) float32.

    Raises:
        SettingsError: tiles that do not advance.
    """
    if min(tile) < 2 or not 0 <= overlap <= min(tile) // 2:
        raise SettingsError(
            complain("tiling: tile, overlap", f"{tile[0]} x {tile[1]}, {overlap}",
                     "at least 2 x 2 cells and an overlap of at most half a tile", "take larger tiles")
        )
    rows, columns = (spans(n, t, overlap) for n, t in zip(shape, tile, strict=True))
    if len(rows) == len(columns) == 1:
        return np.asarray(make(rows[0], columns[0]), np.float32)
    total: Array | None = None
    weights = np.zeros(shape, np.float32)
    for row in rows:
        for column in columns:
            part = make(row, column)
            if total is None:
                total = np.zeros((*part.shape[:-2], *shape), np.float32)
            weight = _weight(row, overlap)[:, None] * _weight(column, overlap)[None, :]
            total[..., row, column] += part * weight
            weights[row, column] += weight
    assert total is not None
    total /= weights
    return total


def spans(length: int, tile: int, overlap: int) -> list[slice]:
    """The fewest stretches of ``tile`` cells that cover ``length`` and share ``overlap``, evenly."""
    if length <= tile:
        return [slice(0, length)]
    count = int(np.ceil((length - overlap) / (tile - overlap)))
    starts = np.rint(np.linspace(0, length - tile, count)).astype(int)
    return [slice(int(s), int(s) + tile) for s in starts]


def _weight(span: slice, overlap: int) -> Array:
    inside = np.arange(span.stop - span.start, dtype=np.float32)
    to_edge = np.minimum(inside, inside[::-1]) + 1.0
    return np.minimum(to_edge, max(overlap, 1)).astype(np.float32)
