"""Places on a grid: the cells of points, of all within a distance of them, and of areas.

Dimensions: P places, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from nowcast.core.errors import SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.postprocessing.places.outlines import Array, disc, edge, within

Indices = npt.NDArray[np.intp]
POINT, WITHIN, AREA = "point", "within", "area"
_MOST_SAMPLES = 500
"""Rows and columns at most by which the share of an area is found that lies on the grid."""
_MOST_CELLS = 50_000_000
_MOST_KM = 2000.0


@dataclass(frozen=True)
class Location:
    """A point, or with ``within_km`` all around it; an area where it has an ``outline``."""

    name: str
    latitude: float
    longitude: float
    within_km: float = 0.0
    outline: BaseGeometry | None = None
    """A shape of `nowcast.postprocessing.places.outlines`."""
    note: str = ""
    """What its reader has to say of it, such as that it was repaired."""

    @property
    def kind(self) -> str:
        """``point``, ``within`` or ``area``."""
        return AREA if self.outline is not None else WITHIN if self.within_km else POINT

    def shape(self) -> BaseGeometry | None:
        """What the cells must lie in; None for a point."""
        if self.outline is None and self.within_km:
            return disc(self.latitude, self.longitude, self.within_km)
        return self.outline


@dataclass(frozen=True)
class PlaceCells:
    """The cells of places, those of one after those of the other."""

    index: Indices
    """Flat indices into the grid (H * W)."""
    count: Indices
    """Cells of each place (P); 0 when it is outside."""
    share_inside: Array
    """Share of each place that lies on the grid (P)."""
    smaller: npt.NDArray[np.bool_]
    """Areas in which no cell centre lies (P): the one cell in which they lie stands for them."""

    def window(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the smallest window of the grid that holds all cells; one cell where none is."""
        if not len(self.index):
            return slice(0, 1), slice(0, 1)
        rows, columns = np.divmod(self.index, shape[1])
        return (slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1))

    def moved_into(self, shape: tuple[int, int], window: tuple[slice, slice]) -> PlaceCells:
        """Return the same cells as indices into a window that holds them all."""
        rows, columns = np.divmod(self.index, shape[1])
        width = window[1].stop - window[1].start
        index = (rows - window[0].start) * width + columns - window[1].start
        return PlaceCells(index, self.count, self.share_inside, self.smaller)


class _Found(NamedTuple):
    """The cells of one place."""

    flat: Indices
    share: float
    smaller: bool = False


_NONE = np.zeros(0, np.intp)


def locate(grid: Grid, places: Sequence[Location], progress: bool = False) -> PlaceCells:
    """Find the cells of places.

    A point has the cell that holds it (the nearest centre; nothing is interpolated). An area, and all within
    a distance, has the cells whose centres lie in it or on its edge; where there are none, the cell that
    holds its middle.

    Args:
        grid: any projection, also across the dateline and round a pole.
        places: in any order.
        progress: show a bar where areas take long.

    Raises:
        SettingsError: no places, or areas of more cells than fit into memory.
    """
    if not places:
        raise SettingsError(complain("places", "none", "at least one", "give LAT LON, --places or --areas"))
    cells = cell_at(grid, np.array([p.latitude for p in places]), np.array([p.longitude for p in places]))
    found = [_Found(cell[cell >= 0], float(cell[0] >= 0)) for cell in cells[:, None]]
    shaped: Iterable[int] = [i for i, place in enumerate(places) if place.kind != POINT]
    if progress:
        from tqdm import tqdm

        shaped = tqdm(shaped, desc="areas", delay=5, leave=False)
    total = len(places)
    for i in shaped:
        shape = places[i].shape()
        found[i] = found[i] if shape is None else _inside(grid, shape, found[i].flat)
        total += len(found[i].flat)
        if total > _MOST_CELLS:
            raise SettingsError(
                complain(
                    "places",
                    f"areas of more than {_MOST_CELLS} cells in all",
                    "fewer",
                    "ask for fewer or smaller areas at a time",
                )
            )
    return PlaceCells(
        np.concatenate([each.flat for each in found]).astype(np.intp),
        np.array([len(each.flat) for each in found], np.intp),
        np.array([each.share for each in found]),
        np.array([each.smaller for each in found]),
    )


def cell_at(grid: Grid, lat: Array, lon: Array) -> Indices:
    """Return the flat index of the cell that holds each place (P), -1 where none does."""
    row, column = rows_and_columns(grid, lat, lon)
    inside = _on(row, grid.shape[0]) & _on(column, grid.shape[1])
    i, j = (
        np.clip(np.floor(np.where(inside, at, 0.0) + 0.5), 0, size - 1).astype(np.intp)
        for at, size in zip((row, column), grid.shape, strict=True)
    )
    return np.where(inside, i * grid.shape[1] + j, -1)


def check_distance(within_km: float) -> float:
    """Return a distance in km.

    Raises:
        SettingsError: negative, not a number, or beyond any radar's use.
    """
    if not 0.0 <= within_km <= _MOST_KM:
        raise SettingsError(complain("within (--within)", within_km, f"0 to {_MOST_KM:g} km", "for example 10"))
    return float(within_km)


def rows_and_columns(grid: Grid, lat: Array, lon: Array) -> tuple[Array, Array]:
    """Rows and columns with fractions; whole numbers are cell centres, NaN is off the projection."""
    y, x = grid.yx(lon, lat)
    dy, dx = grid.spacing
    column = (x - grid.x[0]) / dx
    if grid.crs.is_geographic:  # a whole turn further where that is nearer to the grid, for its outer edge
        turn = 360.0 / dx
        column = np.where(
            column < -0.5 - 1e-9, np.where(column + turn <= len(grid.x) - 0.5, column + turn, column), column
        )
    return (grid.y[0] - y) / dy, column


def _on(at: Array, size: int) -> npt.NDArray[np.bool_]:
    """Whether a place lies on the cells of an axis, their outer edges included."""
    with np.errstate(invalid="ignore"):
        return np.asarray((at >= -0.5 - 1e-9) & (at <= size - 0.5 + 1e-9))


def _inside(grid: Grid, shape: BaseGeometry, middle: Indices) -> _Found:
    """The cells whose centres lie in a shape, by their places on the Earth."""
    lon, lat = edge(shape)
    row, column = rows_and_columns(grid, lat, lon)
    known = np.isfinite(row) & np.isfinite(column)
    if not known.any():
        return _Found(middle, float(len(middle) > 0), len(middle) > 0)
    first = [int(np.floor(at[known].min())) for at in (row, column)]
    last = [int(np.ceil(at[known].max())) for at in (row, column)]
    near = [
        np.arange(max(low, 0), min(high, size - 1) + 1)
        for low, high, size in zip(first, last, grid.shape, strict=True)
    ]
    index = _cells_in(grid, shape, near[0], near[1])
    if len(near[0]) * len(near[1]) == (last[0] - first[0] + 1) * (last[1] - first[1] + 1):
        share = 1.0
    else:
        share = _share_inside(grid, shape, first, last)
    if not len(index):
        return _Found(middle, share if len(middle) and share else float(len(middle) > 0), len(middle) > 0)
    return _Found(index, share)


def _cells_in(grid: Grid, shape: BaseGeometry, rows: Indices, columns: Indices) -> Indices:
    if not (len(rows) and len(columns)):
        return _NONE
    i, j = (at.ravel() for at in np.meshgrid(rows, columns, indexing="ij"))
    lon, lat = grid.lonlat(grid.y[i], grid.x[j])
    inside = within(shape, lon, lat)
    return np.asarray(i[inside] * grid.shape[1] + j[inside], np.intp)


def _share_inside(grid: Grid, shape: BaseGeometry, first: Sequence[int], last: Sequence[int]) -> float:
    """The share of a shape that lies on the grid, by cells of the grid carried on beyond its edges."""
    i, j = (
        np.arange(low, high + 1, -(-(high - low + 1) // _MOST_SAMPLES))
        for low, high in zip(first, last, strict=True)
    )
    i, j = (at.ravel() for at in np.meshgrid(i, j, indexing="ij"))
    dy, dx = grid.spacing
    lon, lat = grid.lonlat(grid.y[0] - i * dy, grid.x[0] + j * dx)
    inside = np.isfinite(lon) & np.isfinite(lat)
    inside[inside] = within(shape, lon[inside], lat[inside])
    on_grid = (i >= 0) & (i < grid.shape[0]) & (j >= 0) & (j < grid.shape[1])
    return float((inside & on_grid).sum() / inside.sum()) if inside.any() else 0.0
