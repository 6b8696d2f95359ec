"""Towns of the world from the package's own file: no network, by longitude and latitude or on a grid.

GeoNames' places of 15 000 people or more; `scripts/make_places.py` makes the file, NOTICE says whose they are.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.grid import Grid

CREDIT = "Places: GeoNames (CC BY 4.0)."
"""What stands below whatever shows them."""


class Town(NamedTuple):
    """A town on a grid."""

    name: str
    row: float
    """From 0, the northern edge of the grid, to H."""
    column: float
    """From 0, the western edge of the grid, to W."""
    lat: float
    lon: float
    people: int


class _World(NamedTuple):
    names: tuple[str, ...]
    lat: npt.NDArray[np.float64]
    lon: npt.NDArray[np.float64]
    people: npt.NDArray[np.uint32]


@lru_cache(maxsize=1)
def world() -> _World:
    """Every town, the largest first."""
    with (files("nowcast.report") / "places.npz").open("rb") as handle, np.load(handle) as stored:
        names = stored["names"].tobytes().decode().split("\n")
        degrees = np.round(stored["latlon"] * float(stored["step_degrees"]), 3)
        return _World(tuple(names), degrees[:, 0], degrees[:, 1], stored["people"])


def towns_on(grid: Grid, most: int) -> list[Town]:
    """The largest towns on a grid, at most so many, the largest first."""
    towns = world()
    west, east, south, north = grid.extent
    dy, dx = grid.spacing
    y, x = grid.yx(towns.lon, towns.lat)
    with np.errstate(invalid="ignore"):
        inside = np.flatnonzero((x >= west) & (x < east) & (y > south) & (y <= north))[:most]
    return [
        Town(
            towns.names[i],
            float((north - y[i]) / dy),
            float((x[i] - west) / dx),
            float(towns.lat[i]),
            float(towns.lon[i]),
            int(towns.people[i]),
        )
        for i in inside
    ]
