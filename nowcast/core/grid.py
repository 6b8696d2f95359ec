"""Where a field lies: its CRS and the coordinates of its cell centres, projected or geographic."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import GridError

Array = npt.NDArray[np.floating]
_UNEVEN = 1e-3
_SAME_PLACE = 1e-5
"""Radians: 64 m."""


@lru_cache(maxsize=64)
def _crs_of(wkt: str) -> pyproj.CRS:
    """Return the CRS of a text; the files of one archive have one, and reading it takes milliseconds."""
    return pyproj.CRS.from_wkt(wkt)


@lru_cache(maxsize=64)
def _transformer(wkt: str, thread: int) -> pyproj.Transformer:
    """Return what turns coordinates into longitude and latitude; one a thread, as PROJ wants it."""
    del thread
    return pyproj.Transformer.from_crs(_crs_of(wkt), "EPSG:4326", always_xy=True)


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid: CRS as WKT 2 and 1-D cell centres ``y`` (north to south) and ``x`` (west to east).

    Units: metres for a projected CRS, degrees for a geographic one. Row 0 is the northernmost (largest
    y), column 0 the westernmost, whatever order the source file has: readers flip on the way in.

    Raises:
        GridError: not regular, wrong direction, or a CRS that cannot be understood.
    """

    crs_wkt: str
    y: Array
    x: Array

    def __post_init__(self) -> None:
        for name, values, sign in (("y", self.y, -1), ("x", self.x, 1)):
            steps = np.diff(values) * sign
            if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
                raise GridError(f"grid: {name} must be at least two finite numbers in one row")
            if (steps <= 0).any() or np.ptp(steps) > _UNEVEN * steps.mean():
                order = "falling (north to south)" if sign < 0 else "rising (west to east)"
                raise GridError(f"grid: {name} must be evenly spaced and {order}")

    @classmethod
    def of(cls, field: Any) -> Grid:
        """Read the grid off an xarray object that carries ``y``, ``x`` and a CF grid mapping."""
        mapping = field.attrs.get("grid_mapping") or field.encoding.get("grid_mapping", "crs")
        if mapping not in field.coords or "crs_wkt" not in field.coords[mapping].attrs:
            raise GridError(
                f"field: got no grid mapping '{mapping}' with crs_wkt, expected one as CF demands; "
                "read the file with a reader of nowcast.ingestion"
            )
        return cls(
            str(field.coords[mapping].attrs["crs_wkt"]),
            np.asarray(field["y"].values, dtype=np.float64),
            np.asarray(field["x"].values, dtype=np.float64),
        )

    @cached_property
    def crs(self) -> pyproj.CRS:
        """The coordinate reference system."""
        try:
            return _crs_of(self.crs_wkt)
        except pyproj.exceptions.CRSError as error:
            raise GridError(f"grid: crs_wkt cannot be understood ({error})") from error

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (H, W)."""
        return len(self.y), len(self.x)

    @property
    def geographic(self) -> bool:
        """Whether y and x are latitude and longitude in degrees."""
        return bool(self.crs.is_geographic and not self.crs.is_derived)

    @property
    def rotated(self) -> bool:
        """Whether y and x are degrees of latitude and longitude about a rotated pole, not the Earth's own."""
        return bool(self.crs.is_geographic and self.crs.is_derived)

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance between neighbouring rows and columns in the units of the CRS, both positive."""
        return (
            float((self.y[0] - self.y[-1]) / (len(self.y) - 1)),
            float((self.x[-1] - self.x[0]) / (len(self.x) - 1)),
        )

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges (west, east, south, north) of the cells, in the units of the CRS."""
        dy, dx = self.spacing
        return self.x[0] - dx / 2, self.x[-1] + dx / 2, self.y[-1] - dy / 2, self.y[0] + dy / 2

    @cached_property
    def cell_km(self) -> tuple[float, float]:
        """Height and width of the middle cell on the ground, in kilometres, along the ellipsoid."""
        row, column = len(self.y) // 2, len(self.x) // 2
        geod = self.crs.get_geod() or pyproj.Geod(ellps="WGS84")
        lon, lat = self.lonlat(
            np.array([self.y[row], self.y[row - 1], self.y[row]]),
            np.array([self.x[column], self.x[column], self.x[column - 1]]),
        )
        try:
            _, _, metres = geod.inv([lon[0]] * 2, [lat[0]] * 2, lon[1:], lat[1:])
        except pyproj.exceptions.ProjError as error:
            raise GridError(
                f"grid: got cells at longitude {lon[0]:g} and latitude {lat[0]:g}, expected places "
                "on the Earth; check its coordinates and projection"
            ) from error
        return float(metres[0]) / 1000.0, float(metres[1]) / 1000.0

    def lonlat(self, y: Array, x: Array) -> tuple[Array, Array]:
        """Turn coordinates of this CRS into longitude and latitude (WGS 84), in degrees."""
        try:
            lon, lat = self._to_degrees.transform(x, y)
        except pyproj.exceptions.ProjError as error:
            raise GridError(
                f"grid: got '{self.crs.name}', expected a projection of the Earth with places in "
                f"longitude and latitude ({' '.join(str(error).split())[:100]})"
            ) from error
        return np.asarray(lon), np.asarray(lat)

    def yx(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Turn longitude and latitude (WGS 84, any turn round the Earth) into coordinates of this CRS.

        On a grid in degrees, x is the turn nearest to the middle of the grid, so that grids across the
        dateline or from 0 to 360 degrees find their places. NaN where the projection does not reach.

        Why the way back, too: some projections give far places coordinates that belong to near ones.
        """
        x, y = self._to_degrees.transform(lon, lat, direction="INVERSE")
        y, x = np.asarray(y, np.float64), np.asarray(x, np.float64)
        back_lon, back_lat = self._to_degrees.transform(x, y)
        same = np.linalg.norm(_direction(lon, lat) - _direction(back_lon, back_lat), axis=0) < _SAME_PLACE
        if self.crs.is_geographic:
            middle = (self.x[0] + self.x[-1]) / 2.0
            x = x + 360.0 * np.round((middle - x) / 360.0)
        return np.where(same, y, np.nan), np.where(same, x, np.nan)

    @property
    def _to_degrees(self) -> pyproj.Transformer:
        return _transformer(self.crs_wkt, threading.get_ident())

    def matches(self, other: Grid) -> bool:
        """Whether both are the same grid to a thousandth of a cell."""
        return not self.difference(other)

    def difference(self, other: Grid) -> str:
        """Say in words what differs from ``other``, the empty string when nothing does."""
        if self.shape != other.shape:
            return f"shape {other.shape[0]} x {other.shape[1]} instead of {self.shape[0]} x {self.shape[1]}"
        if self.crs_wkt != other.crs_wkt and not self.crs.equals(other.crs):
            return f"projection '{other.crs.name}' differs from '{self.crs.name}'"
        for name, mine, its, step in (
            ("y", self.y, other.y, self.spacing[0]),
            ("x", self.x, other.x, self.spacing[1]),
        ):
            worst = float(np.abs(mine - its).max()) / step
            if worst > _UNEVEN:
                return f"{name} is off by up to {worst:.3g} cells"
        return ""

    def cut(self, rows: tuple[int, int], columns: tuple[int, int]) -> Grid:
        """Return the part of some rows and columns, each half-open.

        Raises:
            GridError: not at least 2 x 2 cells of this grid.
        """
        for name, (first, end), size in (("rows", rows, self.shape[0]), ("columns", columns, self.shape[1])):
            if not 0 <= first < end <= size or end - first < 2:
                raise GridError(f"{name}: got {first}:{end}, expected at least two of 0:{size}; choose others")
        return Grid(self.crs_wkt, self.y[slice(*rows)], self.x[slice(*columns)])

    def window(
        self, west: float, south: float, east: float, north: float
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the rows and columns of the smallest part with every centre within a box in degrees.

        A box with its west beyond its east goes across the dateline.

        Raises:
            GridError: no box, or fewer than 2 x 2 cells have their centres there.
        """
        box = f"{west:g},{south:g},{east:g},{north:g}"
        if not (-90 <= south < north <= 90 and -180 <= west <= 360 and -180 <= east <= 360 and west != east):
            raise GridError(f"box: got {box}, expected WEST,SOUTH,EAST,NORTH in degrees; check their order")
        lon, lat = self.lonlat(*np.meshgrid(self.y, self.x, indexing="ij"))
        inside = ((lon - west) % 360.0 <= (east - west) % 360.0) & (lat >= south) & (lat <= north)
        places = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
        if min(map(len, places)) < 2:
            raise GridError(
                f"box: got {box}, in which the grid has not 2 x 2 cells; see its place with 'nowcast info'"
            )
        rows, columns = ((int(found[0]), int(found[-1]) + 1) for found in places)
        return rows, columns

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with shape, place, spacing or projection.

        Why from places on the ground: the same CRS is written in many ways.
        """
        rows = np.linspace(0, len(self.y) - 1, 3).round().astype(int)
        columns = np.linspace(0, len(self.x) - 1, 3).round().astype(int)
        places = self.lonlat(np.repeat(self.y[rows], 3), np.tile(self.x[columns], 3))
        text = " ".join(f"{value:.4f}" for value in np.concatenate(places))
        return hashlib.sha256(f"{self.shape} {text}".encode()).hexdigest()[:16]


def _direction(lon: Array, lat: Array) -> Array:
    """Unit vectors (3, ...) towards places in degrees; NaN where they are not finite."""
    with np.errstate(invalid="ignore"):
        east, north = np.radians(lon), np.radians(lat)
        return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
