"""The grid that is wanted: a YAML file, another archive's, or a projection and a cell size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from nowcast.archive.reader import Archive
from nowcast.core.errors import GridError, NowcastError, SettingsError, complain, printable
from nowcast.core.grid import Grid
from nowcast.core.settings import build, read_yaml

_SHORT = re.compile(r"^([A-Za-z]{2,12}:\d{1,7})@(\S+)$")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?(?:e-?\d+)?) ?(km|m|deg|)$")
_MOST_CELLS = 100_000_000
_EDGE_POINTS = 64


@dataclass(frozen=True)
class GridFile:
    """What a YAML file says of a grid.

    ``crs``: an EPSG code, a PROJ string or WKT. ``cell``: ``1km``, ``250m``, ``0.01deg`` or a number in the
    units of the CRS. ``bounds``: outer edges (west, south, east, north) in these units; or the edges ``west``
    and ``north`` with ``rows`` and ``columns``. Without either the grid covers the sources.
    """

    crs: str
    cell: str | float
    bounds: tuple[float, float, float, float] | None = None
    west: float | None = None
    north: float | None = None
    rows: int | None = None
    columns: int | None = None


@dataclass(frozen=True, eq=False)
class WantedGrid:
    """A grid, or a projection and a cell size whose extent is that of the sources.

    ``said`` is what the user wrote.
    """

    said: str
    crs: pyproj.CRS
    cell: float
    grid: Grid | None = None

    def over(self, sources: Sequence[Grid]) -> Grid:
        """Return the grid itself, or the one over all sources, its edges whole multiples of the cell size.

        Raises:
            GridError: the projection does not reach the sources, or there would be too many cells.
        """
        if self.grid is not None:
            return self.grid
        edges = np.array([_extent_in(self.crs, source) for source in sources])
        if not np.isfinite(edges).all():
            raise GridError(
                f"--grid {self.said}: got a projection that does not reach the source's grid, "
                "expected one that does; choose another"
            )
        west, south = np.floor(edges[:, :2].min(axis=0) / self.cell + 1e-6)
        east, north = np.ceil(edges[:, 2:].max(axis=0) / self.cell - 1e-6)
        return _regular(
            self.said,
            self.crs,
            self.cell,
            west * self.cell,
            north * self.cell,
            round(north - south),
            round(east - west),
        )

    def fits(self, grid: Grid) -> bool:
        """Whether a grid that is there could have been made from this."""
        if self.grid is not None:
            return self.grid.matches(grid)
        same = np.allclose(grid.spacing, self.cell, rtol=1e-6)
        return bool(same and grid.crs.equals(self.crs))


def wanted_grid(text: str | Path | Grid | WantedGrid) -> WantedGrid:
    """Read what grid is wanted: ``FILE.yaml``, an archive, or ``EPSG:CODE@SIZE`` such as ``EPSG:3035@1km``.

    Raises:
        SettingsError: none of these, or a YAML file with unknown or wrong values.
        GridError: an unknown projection, a size of zero, or too many cells.
        ArchiveError: the archive cannot be read.
    """
    if isinstance(text, WantedGrid):
        return text
    if isinstance(text, Grid):
        return WantedGrid("a grid", text.crs, text.spacing[0], text)
    said = str(text)
    found = _SHORT.match(said)
    if found:
        crs = _crs(said, found[1])
        return WantedGrid(said, crs, _size(said, found[2], crs))
    if said.endswith((".yaml", ".yml")):
        return _of_file(said)
    if Path(said).is_dir() or "://" in said:
        grid = Archive.open(said).grid
        return WantedGrid(Path(said).name, grid.crs, grid.spacing[0], grid)
    raise SettingsError(
        complain(
            "--grid",
            f"'{said[:80]}'",
            "a YAML file, an archive, or a projection and cell size such as EPSG:3035@1km",
            "check it",
        )
    )


def _of_file(said: str) -> WantedGrid:
    try:
        stated = build(GridFile, read_yaml(Path(said)))
    except NowcastError as error:
        raise SettingsError(f"--grid {said}: {printable(error)}") from error
    crs = _crs(said, stated.crs)
    cell = _size(said, str(stated.cell), crs)
    corner = (stated.west, stated.north, stated.rows, stated.columns)
    if stated.bounds is not None and corner == (None,) * 4:
        west, south, east, north = stated.bounds
        if not (west < east and south < north and np.isfinite(stated.bounds).all()):
            raise GridError(
                f"--grid {said}: bounds: got {list(stated.bounds)}, expected west, south, east, "
                "north in the units of the projection; check their order"
            )
        rows, columns = (north - south) / cell, (east - west) / cell
        if max(abs(rows - round(rows)), abs(columns - round(columns))) > 1e-6 * max(rows, columns):
            raise GridError(
                f"--grid {said}: got bounds of {rows:g} x {columns:g} cells, expected whole "
                f"numbers of cells of {cell:g}; change one of them"
            )
        grid = _regular(said, crs, cell, west, north, round(rows), round(columns))
        return WantedGrid(Path(said).name, crs, cell, grid)
    if stated.bounds is None and None not in corner:
        assert stated.west is not None
        assert stated.north is not None
        grid = _regular(said, crs, cell, stated.west, stated.north, stated.rows or 0, stated.columns or 0)
        return WantedGrid(Path(said).name, crs, cell, grid)
    if stated.bounds is None and corner == (None,) * 4:
        return WantedGrid(Path(said).name, crs, cell)
    raise SettingsError(
        f"--grid {said}: got a part of an extent or two, expected 'bounds', or 'west', "
        "'north', 'rows' and 'columns', or none of them; leave some out"
    )


def _crs(said: str, text: str) -> pyproj.CRS:
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise GridError(
            f"--grid {said}: got projection '{printable(text)[:80]}', which PROJ does not know, "
            "expected one such as EPSG:3035; check it"
        ) from error
    if not (crs.is_projected or crs.is_geographic) or len(crs.axis_info) != 2:
        raise GridError(
            f"--grid {said}: got '{crs.name}', expected projected or geographic coordinates of two "
            "axes; choose another"
        )
    if crs.is_projected and crs.axis_info[0].unit_conversion_factor != 1.0:
        raise GridError(
            f"--grid {said}: got '{crs.name}' in {crs.axis_info[0].unit_name}, expected metres; "
            "choose another projection"
        )
    return crs


def _size(said: str, text: str, crs: pyproj.CRS) -> float:
    found = _SIZE.match(text.strip())
    degrees = bool(crs.is_geographic)
    if found is None or (found[2] and (found[2] == "deg") != degrees):
        raise GridError(
            f"--grid {said}: got cell size '{text[:40]}', expected one in "
            f"{'degrees such as 0.01deg' if degrees else 'metres such as 1km or 500m'}; change it"
        )
    size = float(found[1]) * (1000.0 if found[2] == "km" else 1.0)
    low, high = (1e-5, 30.0) if degrees else (1.0, 1e6)
    if not low <= size <= high:
        raise GridError(
            f"--grid {said}: got a cell size of {size:g}, expected {low:g} to {high:g} "
            f"{'degrees' if degrees else 'metres'}; change it"
        )
    return size


def _regular(
    said: str, crs: pyproj.CRS, cell: float, west: float, north: float, rows: int, columns: int
) -> Grid:
    if rows < 2 or columns < 2 or rows * columns > _MOST_CELLS:
        raise GridError(
            f"--grid {said}: would have {rows} x {columns} cells ({rows * columns * 4 / 1e9:.3g} GB a frame), "
            f"expected 2 x 2 to {_MOST_CELLS / 1e6:.0f} million; take larger cells or a smaller extent"
        )
    return Grid(crs.to_wkt(), north - cell * (np.arange(rows) + 0.5), west + cell * (np.arange(columns) + 0.5))


def _extent_in(crs: pyproj.CRS, source: Grid) -> tuple[float, float, float, float]:
    """Return the outer edges (west, south, east, north) of a source's cells in another projection.

    Why points within, too: where a pole is inside, the edge does not hold the extremes.
    """
    west, east, south, north = source.extent
    y, x = np.meshgrid(np.linspace(north, south, _EDGE_POINTS + 1), np.linspace(west, east, _EDGE_POINTS + 1))
    like: Any = Grid(crs.to_wkt(), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    if crs.is_geographic:
        lon, _ = source.lonlat(np.array([(north + south) / 2]), np.array([(west + east) / 2]))
        like = Grid(crs.to_wkt(), np.array([1.0, 0.0]), np.array([0.0, 1.0]) + lon[0])
    its_y, its_x = like.yx(*source.lonlat(y, x))
    if np.isnan(its_y).all():
        return np.nan, np.nan, np.nan, np.nan
    return (float(np.nanmin(its_x)), float(np.nanmin(its_y)), float(np.nanmax(its_x)), float(np.nanmax(its_y)))
