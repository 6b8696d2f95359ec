"""Which cells points, discs and areas have: on every kind of grid, by distances and boxes counted otherwise."""

import numpy as np
import pyproj
import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.grid import Grid
from nowcast.postprocessing.places.files import read_areas
from nowcast.postprocessing.places.locations import Location, cell_at, locate
from tests.fakes.fields import geographic_grid, projected_grid
from tests.fakes.place_forecast import box, collection, feature, middle_of

WGS84 = pyproj.CRS.from_epsg(4326).to_wkt()
ROTATED = pyproj.CRS.from_cf(
    {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
        "earth_radius": 6371229.0,
    }
).to_wkt()
POLAR = pyproj.CRS.from_proj4("+proj=stere +lat_0=90 +lat_ts=70 +lon_0=20 +ellps=WGS84").to_wkt()
GRIDS = {
    "projected": projected_grid(20, 30),
    "degrees": geographic_grid(20, 30),
    "degrees from 0 to 360": Grid(WGS84, 60.0 - 2.0 * np.arange(30), 1.0 + 2.0 * np.arange(180)),
    "across the dateline": Grid(WGS84, -10.0 - 0.1 * np.arange(20), 178.55 + 0.1 * np.arange(30)),
    "round the pole": Grid(POLAR, 50e3 * (8 - np.arange(17)), 50e3 * (np.arange(18) - 8)),
    "rotated": Grid(ROTATED, 1.0 - 0.05 * np.arange(20), -0.7 + 0.05 * np.arange(30)),
}
each_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def centres(grid):
    i, j = (at.ravel() for at in np.indices(grid.shape))
    lon, lat = grid.lonlat(grid.y[i], grid.x[j])
    return lat, (lon + 180) % 360 - 180


def cells_of(grid, *places):
    found = locate(grid, places)
    return np.split(found.index, np.cumsum(found.count)[:-1]), found


def area(*rings, kind="Polygon"):
    return read_areas(feature("a", *rings, kind=kind))[0]


@each_grid
def test_every_centre_lies_in_its_own_cell(grid):
    lat, lon = centres(grid)
    np.testing.assert_array_equal(cell_at(grid, lat, lon), np.arange(lat.size))


def test_a_cell_reaches_half_way_to_the_next_and_the_grid_to_its_outer_edges():
    grid = Grid(WGS84, np.array([50.5, 49.5, 48.5]), np.array([8.0, 10.0, 12.0, 14.0]))
    lat = np.array([50.01, 49.99, 51.0, 51.001, 48.0, 47.999, 49.6, 49.6, 49.6, 49.6])
    lon = np.array([8.9, 9.1, 7.0, 8.0, 15.0, 8.0, 6.999, 15.0, 15.001, -171.0])
    np.testing.assert_array_equal(cell_at(grid, lat, lon), [0, 5, 0, -1, 11, -1, -1, 7, -1, -1])


def test_the_whole_earth_has_no_edge_in_the_west_and_east():
    grid = GRIDS["degrees from 0 to 360"]
    found = cell_at(grid, np.full(5, 60.0), np.array([-0.5, 0.5, 359.5, -180.0, 180.0]))
    np.testing.assert_array_equal(found, [179, 0, 179, 90, 90])


@pytest.mark.parametrize(
    "proj",
    [
        "+proj=tmerc +lon_0=9",
        "+proj=ortho +lat_0=45 +lon_0=9",
        "+proj=laea +lat_0=45 +lon_0=9",
        "+proj=lcc +lat_1=44 +lat_2=47 +lon_0=9",
    ],
)
def test_far_places_do_not_fold_onto_the_grid(proj):
    wide = np.arange(-20, 21) * 50e3
    grid = Grid(pyproj.CRS.from_proj4(f"{proj} +ellps=WGS84").to_wkt(), wide[::-1], wide)
    far = cell_at(grid, np.array([-45.0, -90.0, 0.0, 45.0]), np.array([-171.0, 0.0, 129.0, -171.0]))
    np.testing.assert_array_equal(far, -1)


@each_grid
def test_all_within_a_distance_is_what_the_geodesic_says(grid):
    lat, lon = centres(grid)
    middle = grid.shape[0] // 2 * grid.shape[1] + grid.shape[1] // 2
    radius = 3.3 * max(grid.cell_km)
    place = Location("here", float(lat[middle]), float(lon[middle]), within_km=radius)
    (index,), found = cells_of(grid, place)
    many = np.ones(lat.size)
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(many * lon[middle], many * lat[middle], lon, lat)
    expected = np.flatnonzero(metres <= 1000 * radius)
    assert len(expected) > 10
    np.testing.assert_array_equal(index, expected)
    assert found.share_inside[0] == 1.0


def test_a_distance_of_less_than_a_cell_is_the_cell_itself():
    grid = GRIDS["degrees"]
    lat, lon = middle_of(grid, 4, 7)
    (index,), found = cells_of(grid, Location("here", lat + 0.004, lon + 0.006, within_km=0.1))
    np.testing.assert_array_equal(index, [4 * 30 + 7])
    assert found.smaller.tolist() == [True]


def test_an_area_has_the_cells_whose_centres_lie_in_it_but_not_those_in_its_holes():
    grid = GRIDS["degrees"]
    lat, lon = centres(grid)
    (index,), found = cells_of(grid, area(box(8.05, 46.36, 8.3, 46.48), box(8.1, 46.4, 8.2, 46.45)))
    within = (lon >= 8.05) & (lon <= 8.3) & (lat >= 46.36) & (lat <= 46.48)
    hole = (lon >= 8.1) & (lon <= 8.2) & (lat >= 46.4) & (lat <= 46.45)
    np.testing.assert_array_equal(index, np.flatnonzero(within & ~hole))
    assert (found.share_inside[0], found.smaller[0]) == (1.0, False)


def test_an_area_on_a_projected_grid_follows_longitude_and_latitude():
    grid = GRIDS["projected"]
    lat, lon = centres(grid)
    (index,), _ = cells_of(grid, area(box(9.7, 45.0, 9.9, 45.1)))
    expected = np.flatnonzero((lon >= 9.7) & (lon <= 9.9) & (lat >= 45.0) & (lat <= 45.1))
    assert len(expected) > 100
    np.testing.assert_array_equal(index, expected)


@pytest.mark.parametrize(
    ("kind", "rings"),
    [
        ("MultiPolygon", ([box(179.0, -11.52, 180.0, -10.48)], [box(-180.0, -11.52, -179.0, -10.48)])),
        ("Polygon", (box(179.0, -11.52, -179.0, -10.48),)),
        ("Polygon", (box(179.0, -11.52, 181.0, -10.48),)),
        ("Polygon", (box(-181.0, -11.52, -179.0, -10.48),)),
    ],
)
def test_areas_across_the_dateline_cut_there_or_not(kind, rings):
    grid = GRIDS["across the dateline"]
    lat, lon = centres(grid)
    (index,), found = cells_of(grid, area(*rings, kind=kind))
    inside = ((lon >= 179.0) | (lon <= -179.0)) & (lat >= -11.5) & (lat <= -10.48)
    assert inside.sum() == 11 * 20
    np.testing.assert_array_equal(index, np.flatnonzero(inside))
    assert found.share_inside[0] == 1.0


def test_a_hole_may_be_a_whole_turn_away_from_its_area():
    grid = GRIDS["across the dateline"]
    outer, hole = box(178.6, -11.52, 181.2, -10.48), box(-179.8, -11.25, -179.2, -10.75)
    (whole,), _ = cells_of(grid, area(outer))
    (pierced,), _ = cells_of(grid, area(outer, hole))
    lon = centres(grid)[1][np.setdiff1d(whole, pierced)]
    assert len(lon) == 6 * 5
    assert (lon.min() > -179.8, lon.max() < -179.2) == (True, True)


def test_a_ring_round_the_pole_takes_the_pole_in():
    grid = GRIDS["round the pole"]
    lat, _ = centres(grid)
    ring = [[lon, 87.0] for lon in range(-180, 180, 10)]
    ring = [*ring, ring[0]]
    (index,), _ = cells_of(grid, area(ring))
    np.testing.assert_array_equal(index, np.flatnonzero(lat >= 87.0))
    (index,), _ = cells_of(grid, area(box(-180.0, 87.0, 180.0, 90.0)))
    np.testing.assert_array_equal(index, np.flatnonzero(lat >= 87.0))
    inner = [[lon, 88.5] for lon, _ in ring]
    (index,), _ = cells_of(grid, area(ring, inner))
    np.testing.assert_array_equal(index, np.flatnonzero((lat >= 87.0) & (lat < 88.5)))


def test_half_an_area_beyond_the_grid_is_said_to_be():
    grid = GRIDS["degrees"]
    west = grid.extent[0]
    (index,), found = cells_of(grid, area(box(west - 0.133, 46.36, west + 0.133, 46.48)))
    assert found.share_inside[0] == 0.5
    assert len(index) == 10 * 13


def test_an_area_far_larger_than_the_grid():
    grid = GRIDS["degrees"]
    (index,), found = cells_of(grid, area(box(-10.0, 35.0, 40.0, 60.0)))
    assert len(index) == 20 * 30
    share = (30 * 0.0133) * (20 * 0.009) / (50 * 25)
    assert 0 <= found.share_inside[0] < 20 * share


def test_an_area_smaller_than_a_cell_is_the_cell_that_holds_its_middle():
    grid = GRIDS["degrees"]
    lat, lon = middle_of(grid, 3, 5)
    small = box(lon + 0.001, lat + 0.001, lon + 0.003, lat + 0.003)
    (index,), found = cells_of(grid, area(small))
    assert index.tolist() == [3 * 30 + 5]
    assert (found.smaller.tolist(), found.share_inside.tolist()) == ([True], [1.0])


def test_areas_that_overlap_nothing_have_no_cells():
    for rings in (box(20.0, 46.36, 20.3, 46.48), box(8.05, -46.48, 8.3, -46.36)):
        (index,), found = cells_of(GRIDS["degrees"], area(rings))
        assert (len(index), found.share_inside.tolist(), found.smaller.tolist()) == (0, [0.0], [False])


def test_places_keep_their_order_and_a_window_holds_them_all():
    grid = GRIDS["degrees"]
    outside = Location("sea", 10.0, 10.0)
    inside = [Location(str(i), *middle_of(grid, i, 2 * i)) for i in (3, 5)]
    around = read_areas(collection(feature("a", box(8.05, 46.40, 8.07, 46.42))))
    cells = locate(grid, [inside[1], outside, *around, inside[0]])
    assert cells.count.tolist() == [1, 0, 3 * 2, 1]
    window = cells.window(grid.shape)
    moved = cells.moved_into(grid.shape, window)
    numbers = np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape)
    np.testing.assert_array_equal(numbers[window].ravel()[moved.index], cells.index)
    assert locate(grid, [outside]).window(grid.shape) == (slice(0, 1), slice(0, 1))


def test_no_places_are_refused():
    with pytest.raises(SettingsError, match="got none, expected at least one"):
        locate(GRIDS["degrees"], [])


def test_a_hundred_thousand_points_at_once():
    grid = GRIDS["projected"]
    rng = np.random.default_rng(0)
    lat, lon = centres(grid)
    which = rng.integers(0, lat.size, 100_000)
    found = cell_at(grid, lat[which], lon[which])
    np.testing.assert_array_equal(found, which)
