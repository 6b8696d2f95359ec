"""Outlines on the Earth: rings of longitude and latitude as shapes, and which places lie within them.

A shape is planar in degrees, as GeoJSON defines it: its longitudes run on over the dateline (170 to 190)
where a ring crosses it, and a ring round a pole reaches up to the pole.

Source: RFC 7946, sections 3.1.1, 3.1.6 and 3.1.9.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

Array = npt.NDArray[np.floating]
_DISC_CORNERS = 360
_TURN = 360.0
_GEOD = pyproj.Geod(ellps="WGS84")


def polygon(rings: Sequence[Array]) -> BaseGeometry:
    """Return the shape within the first ring (N, 2) of longitude and latitude and outside all others.

    An edge of more than half a turn is taken the short way, over the dateline; one of a whole turn is what
    it says. A ring round a pole takes the pole in.
    """
    shell, *holes = [shapely.Polygon(_continuous(ring)) for ring in rings]
    if not shell.is_valid:
        shell = _areas_of(shapely.make_valid(shell))
    for hole in holes:
        turns = round((shell.centroid.x - hole.centroid.x) / _TURN) if hole.area and shell.area else 0
        moved = shapely.transform(hole, lambda place, t=turns: place + np.array([_TURN * t, 0.0]))
        shell = shell.difference(_areas_of(shapely.make_valid(moved)))
    return _areas_of(shell)


def valid(rings: Sequence[Array]) -> bool:
    """Whether the rings form a shape without repair: none crosses itself or another."""
    shapes = [_continuous(ring) for ring in rings]
    return bool(shapely.Polygon(shapes[0], shapes[1:]).is_valid)


def disc(lat: float, lon: float, radius_km: float) -> BaseGeometry:
    """Return the shape within a distance of a place, along the ellipsoid."""
    bearings = np.arange(_DISC_CORNERS) * (_TURN / _DISC_CORNERS)
    many = np.ones(_DISC_CORNERS)
    # Half a metre wider, so that a cell centre at exactly the distance is not lost to rounding.
    east, north, _ = _GEOD.fwd(lon * many, lat * many, bearings, (1000.0 * radius_km + 0.5) * many)
    ring = np.column_stack([east, north])
    return polygon([np.vstack([ring, ring[:1]])])


def union(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return what lies in any of the shapes."""
    return shapes[0] if len(shapes) == 1 else _areas_of(shapely.union_all(list(shapes)))


def within(shape: BaseGeometry, lon: Array, lat: Array) -> npt.NDArray[np.bool_]:
    """Whether each place lies in the shape or on its edge, whatever turn its longitude is of."""
    shapely.prepare(shape)
    west, south, east, north = shape.bounds
    found = np.zeros(np.shape(lon), bool)
    with np.errstate(invalid="ignore"):
        first = lon + _TURN * np.ceil((west - lon) / _TURN)
    for turn in range(int((east - west) // _TURN) + 1):
        there = first + _TURN * turn
        near = (there <= east) & (lat >= south) & (lat <= north)
        found[near] |= shapely.intersects_xy(shape, there[near], lat[near])
    return found


def edge(shape: BaseGeometry, pieces: int = 200) -> tuple[Array, Array]:
    """Return longitude and latitude along the edge of a shape, at least so many to its length or width."""
    west, south, east, north = shape.bounds
    finest = max(east - west, north - south, 1e-9) / pieces
    places = shapely.get_coordinates(shapely.segmentize(shape.boundary, finest))
    return places[:, 0], np.clip(places[:, 1], -90.0, 90.0)


def _continuous(ring: Array) -> Array:
    """A closed ring whose longitudes run on: no jump at the dateline, up to the pole where it goes round."""
    lon, lat = ring[:, 0], ring[:, 1]
    steps = np.diff(lon)
    jump = (np.abs(steps) > _TURN / 2) & (np.abs(steps) < _TURN)
    steps = np.where(jump, (steps + _TURN / 2) % _TURN - _TURN / 2, steps)
    lon = lon[0] + np.concatenate([[0.0], np.cumsum(steps)])
    if abs(lon[-1] - lon[0]) < _TURN / 2:
        return np.column_stack([lon, lat])
    pole = np.copysign(90.0, lat.mean())
    return np.column_stack([[*lon, lon[-1], lon[0], lon[0]], [*lat, pole, pole, lat[0]]])


def _areas_of(shape: BaseGeometry) -> BaseGeometry:
    """What of a repaired shape has an area: lines and points left out."""
    parts = [part for part in shapely.get_parts(shape) if part.area > 0.0]
    found: BaseGeometry = shapely.union_all(parts) if parts else shapely.Polygon()
    return found
