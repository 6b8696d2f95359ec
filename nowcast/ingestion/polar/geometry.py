"""Where the beams of a radar pass over a grid: range, azimuth and height of every cell, by index arithmetic.

Dimensions: H rows, W columns of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.grid import Grid
from nowcast.ingestion.polar.volume import Site, Sweep

Array = npt.NDArray[np.float64]
EFFECTIVE_RADIUS_M = 4.0 / 3.0 * 6_371_000.0
"""Radius of an Earth over which beams run straight."""
_WIDEST_RAYS = 1.5
_MARGIN = 1.02
"""Around a circle of 72 points, for the arcs between them."""
Window = tuple[tuple[int, int], tuple[int, int]]
"""Rows and columns, each half-open."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Where the cells of a grid lie from a radar (H, W): angle at the Earth's centre, distance, azimuth."""

    angle: Array
    distance_m: Array
    azimuth_deg: Array


_KEPT: dict[tuple[str, Site], Cells] = {}
_MOST_KEPT = 16


def cells_of(grid: Grid, site: Site) -> Cells:
    """Return where the cells of a grid lie from a radar, along the ellipsoid; kept for the next volume."""
    key = (grid.fingerprint, site)
    if key not in _KEPT:
        y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
        lon, lat = grid.lonlat(y, x)
        azimuth, _, distance = pyproj.Geod(ellps="WGS84").inv(
            np.full(lon.shape, site.lon), np.full(lat.shape, site.lat), lon, lat
        )
        while len(_KEPT) >= _MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = Cells(distance / EFFECTIVE_RADIUS_M, distance, azimuth % 360.0)
    return _KEPT[key]


def reach(grid: Grid, site: Site, radius_m: float) -> Window | None:
    """Return a part of a grid that holds every cell within a radius of a radar, None where there is none.

    Why: on the grid of a continent a radar observes a hundredth of the cells, and each of its sweeps keeps
    where they lie.
    """
    whole = (0, grid.shape[0]), (0, grid.shape[1])
    if abs(site.lat) > 90.0 - _MARGIN * np.rad2deg(radius_m / 6_356_000.0):
        return whole
    lon, lat, _ = pyproj.Geod(ellps="WGS84").fwd(
        np.full(72, site.lon),
        np.full(72, site.lat),
        np.arange(0.0, 360.0, 5.0),
        np.full(72, _MARGIN * radius_m),
    )
    y, x = grid.yx(lon, lat)
    if not np.isfinite([y, x]).all() or (grid.crs.is_geographic and np.ptp(x) > 180.0):
        return whole
    dy, dx = grid.spacing
    found = []
    for places, size in (((grid.y[0] - y) / dy, grid.shape[0]), ((x - grid.x[0]) / dx, grid.shape[1])):
        first, last = max(int(np.floor(places.min())), 0), min(int(np.ceil(places.max())), size - 1)
        if first > last:
            return None
        found.append((min(first, size - 2), max(last, min(first, size - 2) + 1) + 1))
    return found[0], found[1]


def slant_range_m(angle: Any, elevation_deg: float, altitude_m: float) -> Array:
    """Return the range at which a beam passes over places at an angle from the radar; infinite where never.

    Source: Doviak and Zrnic 1993, Doppler Radar and Weather Observations, equations 2.28b and c, solved for the
    range: the triangle of the centre of the effective Earth, the antenna and the gate.
    """
    elevation = np.deg2rad(elevation_deg)
    below = np.cos(elevation + angle)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (EFFECTIVE_RADIUS_M + altitude_m) * np.sin(angle) / below
    return np.asarray(np.where(below > 1e-6, found, np.inf))


def beam_height_m(range_m: Any, elevation_deg: float, altitude_m: float) -> Array:
    """Return the height of the middle of a beam above sea level at a slant range.

    Source: Doviak and Zrnic 1993, equation 2.28b, with the antenna at ``altitude_m``.
    """
    start = EFFECTIVE_RADIUS_M + altitude_m
    sine = np.sin(np.deg2rad(elevation_deg))
    return np.asarray(np.sqrt(range_m**2 + start**2 + 2.0 * range_m * start * sine) - EFFECTIVE_RADIUS_M)


@dataclass(frozen=True, eq=False)
class BeamIndex:
    """Which gate of a sweep lies over each cell: flat index ray * gates + gate, and the beam's height (H, W).

    ``covered`` is where there is one; elsewhere the index is 0. ``ray`` and ``gate`` are places between the
    middles of rays and gates, for linear interpolation.
    """

    index: npt.NDArray[np.int64]
    covered: npt.NDArray[np.bool_]
    height_m: Array
    ray: Array
    gate: Array
    order: npt.NDArray[np.intp]


def place_of(sweep: Sweep, cells: Cells, altitude_m: float) -> BeamIndex:
    """Return which gate of a sweep each cell holds: the one whose range interval and nearest ray it lies in.

    A ray farther than one and a half widths from the cell does not cover it: sectors leave gaps.
    """
    azimuth = sweep.azimuth_deg % 360.0
    key = azimuth.tobytes(), sweep.elevation_deg, sweep.first_m, sweep.gate_m, sweep.gates, altitude_m
    return _placed(_Kept(cells), *key)


class _Kept:
    """Cells by identity, as a key of a cache."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells

    def __hash__(self) -> int:
        return id(self.cells)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and other.cells is self.cells


@lru_cache(maxsize=64)
def _placed(
    kept: _Kept,
    azimuths: bytes,
    elevation_deg: float,
    first_m: float,
    gate_m: float,
    gates: int,
    altitude_m: float,
) -> BeamIndex:
    cells, azimuth = kept.cells, np.frombuffer(azimuths, np.float64)
    order = np.argsort(azimuth, kind="stable")
    ray, near = _ray(azimuth[order], cells.azimuth_deg)
    range_m = slant_range_m(cells.angle, elevation_deg, altitude_m)
    gate = (range_m - first_m) / gate_m
    inside = near & (gate >= -0.5) & (gate < gates - 0.5)
    gate = np.where(inside, gate, 0.0)
    nearest = np.floor(gate + 0.5).astype(np.int64)
    index = order[np.floor(ray + 0.5).astype(np.int64) % len(azimuth)] * gates + nearest
    height = beam_height_m(np.where(inside, range_m, 0.0), elevation_deg, altitude_m)
    return BeamIndex(np.where(inside, index, 0), inside, np.where(inside, height, np.nan), ray, gate, order)


def _ray(azimuth: Array, wanted: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the place of each wanted azimuth among sorted ones, and whether a ray is near enough.

    A place of 3.25 lies a quarter of the way from the third to the fourth ray; after the last comes the first.
    """
    count = len(azimuth)
    around = np.concatenate([[azimuth[-1] - 360.0], azimuth, [azimuth[0] + 360.0]])
    after = np.searchsorted(azimuth, wanted, side="right") + 1
    low, high = around[after - 1], around[after]
    share = np.where(high > low, (wanted - low) / np.where(high > low, high - low, 1.0), 0.0)
    width = float(np.median(np.diff(azimuth))) if count > 1 else 360.0
    near = np.minimum(wanted - low, high - wanted) <= _WIDEST_RAYS * max(width, 1e-3)
    return np.asarray(after - 2 + share, np.float64), np.asarray(near)
