"""Grids: regularity, distances on the ground, what differs, fingerprints."""

import numpy as np
import pyproj
import pytest

from nowcast.core.errors import GridError
from nowcast.core.field import make_field
from nowcast.core.grid import Grid

LAEA = pyproj.CRS.from_epsg(3035).to_wkt()
WGS84 = pyproj.CRS.from_epsg(4326).to_wkt()


def projected(rows=5, columns=4, cell=1000.0, west=4e6, north=3e6, crs=LAEA):
    return Grid(crs, north - cell * np.arange(rows), west + cell * np.arange(columns))


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [
        ([0.0, 1.0, 2.0], [0.0, 1.0], "y must be evenly spaced and falling"),
        ([2.0, 1.0, 0.0], [1.0, 0.0], "x must be evenly spaced and rising"),
        ([3.0, 1.0, 0.0], [0.0, 1.0], "y must be evenly spaced"),
        ([1.0], [0.0, 1.0], "at least two"),
        ([1.0, np.nan], [0.0, 1.0], "finite"),
    ],
)
def test_what_is_no_grid_says_why(y, x, words):
    with pytest.raises(GridError, match=words):
        Grid(LAEA, np.array(y), np.array(x))


def test_extent_and_spacing_by_hand():
    grid = projected()
    assert grid.shape == (5, 4)
    assert grid.spacing == (1000.0, 1000.0)
    assert grid.extent == (3999500.0, 4003500.0, 2995500.0, 3000500.0)


def test_a_grid_of_lopsided_cells_by_hand():
    grid = Grid(LAEA, 3210000.0 - 2000.0 * np.arange(4), 4321000.0 + 1000.0 * np.arange(3))
    assert grid.spacing == (2000.0, 1000.0)
    assert grid.extent == (4320500.0, 4323500.0, 3203000.0, 3211000.0)
    assert grid.cell_km == pytest.approx((2.0, 1.0), abs=1e-4)
    moved = Grid(LAEA, grid.y, grid.x + 1.5)
    assert grid.difference(moved) == "x is off by up to 0.0015 cells"
    assert grid.matches(Grid(LAEA, grid.y + 1.5, grid.x))


def test_the_number_of_cells_between_the_same_corners_is_part_of_the_fingerprint():
    coarse, fine = (Grid(LAEA, np.linspace(3e6, 2.9e6, n), np.linspace(4e6, 4.1e6, n)) for n in (3, 5))
    assert coarse.fingerprint != fine.fingerprint


def test_distances_on_the_ground_are_right_for_degrees_too():
    # one hundredth of a degree at 60 north: 1.1141 km along the meridian, 0.5580 km along the parallel
    grid = Grid(WGS84, 60.01 - 0.01 * np.arange(3), 25.0 + 0.01 * np.arange(3))
    assert grid.geographic
    assert grid.cell_km == pytest.approx((1.11412, 0.55800), abs=2e-4)
    # LAEA keeps areas: a 1 km cell near its centre is 1 km
    central = projected(cell=1000.0, west=4321000.0, north=3210000.0)
    assert central.cell_km == pytest.approx((1.0, 1.0), abs=1e-4)


def test_corners_go_to_longitude_and_latitude():
    lon, lat = projected().lonlat(np.array([3210000.0]), np.array([4321000.0]))
    assert (lon[0], lat[0]) == pytest.approx((10.0, 52.0), abs=1e-9)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (projected(rows=6), "shape 6 x 4 instead of 5 x 4"),
        (projected(crs=pyproj.CRS.from_epsg(3034).to_wkt()), "projection"),
        (projected(west=4e6 + 500), "x is off by up to 0.5 cells"),
        (projected(cell=1001.0), "y is off by up to"),
    ],
)
def test_differences_are_told(other, words):
    grid = projected()
    assert words in grid.difference(other)
    assert not grid.matches(other)
    assert grid.fingerprint != other.fingerprint


def test_the_same_place_is_the_same_grid():
    assert projected().matches(projected(west=4e6 + 0.2))
    assert projected().fingerprint == projected().fingerprint


def test_a_grid_comes_back_from_a_field():
    grid = projected()
    field = make_field(np.zeros((1, 5, 4), np.float32), np.array(["2025-01-01"], "datetime64[ns]"), grid)
    assert Grid.of(field).matches(grid)
    with pytest.raises(GridError, match="got no grid mapping"):
        Grid.of(field.drop_vars("crs"))
    with pytest.raises(GridError, match="cannot be understood"):
        _ = Grid("rubbish", grid.y, grid.x).crs
