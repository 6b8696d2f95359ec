"""Tiles, and which cell a pixel shows: in every projection the one that an exact calculation finds."""

import numpy as np
import pyproj
import pytest

from nowcast.core.grid import Grid
from nowcast.report.palettes import palette_of
from nowcast.serve.pixels import LONLAT, MERCATOR, PixelMaps, cells_of, positions
from nowcast.serve.tiles import HALF, bounds, tile_box
from tests.fakes.place_forecast import CELL, dbz_of
from tests.fakes.served import GRIDS, Client, colours, place_of, write_known

PROJECTIONS = {
    "lambert": "+proj=laea +lat_0=46.1 +lon_0=14.8 +ellps=WGS84",
    "polar": "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=0 +a=6378140 +b=6356750",
    "oblique": "+proj=somerc +lat_0=46.95 +lon_0=7.44 +x_0=600000 +y_0=200000 +ellps=bessel",
}


def grid_around(kind, lon, lat, cells=60, metres=2000.0):
    crs = pyproj.CRS.from_user_input(kind)
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(lon, lat)
    steps = (np.arange(cells) - cells / 2) * metres
    return Grid(crs.to_wkt(), y - steps, x + steps)


@pytest.mark.parametrize("kind", PROJECTIONS.values(), ids=PROJECTIONS)
@pytest.mark.parametrize("crs", [LONLAT, MERCATOR])
def test_pixels_show_the_cells_under_them(kind, crs):
    grid = grid_around(kind, 14.0, 47.0)
    west, south, east, north = bounds(grid)
    if crs == LONLAT:
        box = west, south, east, north
    else:
        move = pyproj.Transformer.from_crs(LONLAT, crs, always_xy=True)
        box = move.transform_bounds(west, south, east, north)
    found = cells_of(grid, crs, box, (90, 120))
    xs = box[0] + (np.arange(120) + 0.5) * (box[2] - box[0]) / 120
    ys = box[3] - (np.arange(90) + 0.5) * (box[3] - box[1]) / 90
    row, column = positions(grid, crs, *np.meshgrid(xs, ys))
    inside = (row >= -0.5) & (row < 59.5) & (column >= -0.5) & (column < 59.5)
    exact = np.where(inside, np.floor(row + 0.5) * 60 + np.floor(column + 0.5), -1)
    assert (found == exact).mean() > 0.97
    near = np.abs(np.where(found >= 0, found // 60, np.nan) - row)
    assert np.nanmax(near) < 0.5 + 0.2
    assert (found >= 0).mean() > 0.5


def test_a_grid_across_the_dateline_is_found_from_both_sides():
    grid = Grid(pyproj.CRS.from_epsg(4326).to_wkt(), 10.0 - 0.5 * np.arange(20), 175.0 + 0.5 * np.arange(20))
    assert bounds(grid)[0::2] == (-180.0, 180.0)
    east = cells_of(grid, LONLAT, (-180.0, 0.0, -178.0, 10.0), (20, 4))
    west = cells_of(grid, LONLAT, (178.0, 0.0, 180.0, 10.0), (20, 4))
    assert (west[5] % 20).tolist() == [7, 8, 9, 10]
    assert (east[5] % 20).tolist() == [11, 12, 13, 14]


def test_far_away_nothing_is_shown():
    grid = grid_around(PROJECTIONS["polar"], 5.0, 52.0)
    assert (cells_of(grid, MERCATOR, tile_box(5, 3, 20), (64, 64)) == -1).all()


def test_places_of_pixels_are_kept_but_not_without_end():
    grid = GRIDS["projected"]
    maps = PixelMaps(most_bytes=3 * 32 * 32 * 4)
    box = tile_box(8, 134, 91)
    first = maps.cells(grid, MERCATOR, box, (32, 32))
    assert maps.cells(grid, MERCATOR, box, (32, 32)) is first
    for k in range(5):
        maps.cells(grid, MERCATOR, tile_box(8, k, 91), (32, 32))
    assert maps._bytes <= 3 * 32 * 32 * 4
    assert maps.cells(grid, MERCATOR, box, (32, 32)) is not first


@pytest.fixture(scope="module", params=list(GRIDS))
def served(request, tmp_path_factory):
    grid = GRIDS[request.param]
    return Client(write_known(tmp_path_factory.mktemp("tiles") / "a.nc", grid)), grid


def tile_of(lon, lat, z):
    """The tile that shows a place, and the row and column of its pixel there."""
    x = (lon + 180) / 360 * 2**z
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z
    return int(x), int(y), int(y % 1 * 256), int(x % 1 * 256)


@pytest.mark.parametrize("style", ["safe", "radar"])
def test_a_tile_has_the_colour_of_the_value_at_its_place(served, style):
    client, grid = served
    lon, lat = place_of(grid)
    x, y, i, j = tile_of(lon, lat, 9)
    answer = client.ask(f"/tiles/reflectivity/9/{x}/{y}.png", time="2025-03-22T23:50:00Z", style=style)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    picture = colours(answer.content)
    assert picture.shape == (256, 256, 4)
    expected = palette_of("reflectivity", style).rgba(np.array([dbz_of(6.0)]))[0]
    assert picture[i, j].tolist() == expected.tolist()
    dry_lon, dry_lat = place_of(grid, (CELL[0], CELL[1] + 1))
    assert tile_of(dry_lon, dry_lat, 9)[:2] == (x, y)
    assert picture[tile_of(dry_lon, dry_lat, 9)[2:]][3] == 0
    dry = client.ask(f"/tiles/reflectivity/9/{x}/{y}.png")
    assert colours(dry.content)[i, j, 3] == 0


def test_a_probability_of_a_threshold_and_rain_in_their_own_colours(served):
    client, grid = served
    x, y, i, j = tile_of(*place_of(grid), 11)
    for layer, query, quantity, value in (
        ("exceedance_probability", {"threshold": "10", "time": "2025-03-23T00:40:00Z"}, "probability", 0.7),
        ("rain_rate", {"time": "2025-03-23T00:40:00Z"}, "rain_rate", 60.0),
    ):
        picture = colours(client.ask(f"/tiles/{layer}/11/{x}/{y}.png", **query).content)
        assert picture[i, j].tolist() == palette_of(quantity).rgba(np.array([value]))[0].tolist()


def test_tiles_of_512_pixels_and_their_description(served):
    client, grid = served
    lon, lat = place_of(grid)
    x, y, i, j = tile_of(lon, lat, 11)
    large = client.ask(f"/tiles/reflectivity/11/{x}/{y}.png", size="512", time="2025-03-22T23:50:00Z")
    assert colours(large.content).shape == (512, 512, 4)
    assert colours(large.content)[2 * i, 2 * j, 3] == 255
    about = client.ask("/tiles/exceedance_probability.json", threshold="20", style="radar").json()
    address = "http://127.0.0.1:8080/tiles/exceedance_probability/{z}/{x}/{y}.png?threshold=20&style=radar"
    assert about["tiles"] == [address]
    west, south, east, north = about["bounds"]
    assert west < lon < east
    assert south < lat < north
    assert len(about["times"]) == 7


def test_what_has_not_changed_is_not_sent_again(served):
    client, _ = served
    first = client.ask("/tiles/reflectivity/5/16/11.png")
    tag = first.headers["etag"]
    assert client.ask("/tiles/reflectivity/5/16/11.png", headers={"If-None-Match": tag}).status_code == 304
    other = client.ask("/tiles/reflectivity/5/16/11.png", headers={"If-None-Match": tag}, style="radar")
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/tiles/snow/5/16/11.png", {}, 404),
        ("/tiles/reflectivity/5/32/11.png", {}, 404),
        ("/tiles/reflectivity/19/0/0.png", {}, 404),
        ("/tiles/reflectivity/-1/0/0.png", {}, 404),
        ("/tiles/reflectivity/5/16/1e1.png", {}, 404),
        ("/tiles/reflectivity/99999999999/0/0.png", {}, 404),
        ("/tiles/reflectivity/5/16/11.png", {"style": "rainbow"}, 400),
        ("/tiles/reflectivity/5/16/11.png", {"time": "2025-03-22T23:41:00Z"}, 400),
        ("/tiles/reflectivity/5/16/11.png", {"size": "9999"}, 400),
        ("/tiles/exceedance_probability/5/16/11.png", {"threshold": "10,20"}, 400),
        ("/tiles/reflectivity/5/16/11.png", {"instance": "../../x"}, 404),
        ("/tiles/reflectivity/5/16/11.jpg", {}, 404),
    ],
)
def test_no_such_tile(served, path, query, status):
    answer = served[0].ask(path, **query)
    assert (answer.status_code, set(answer.json())) == (status, {"code", "description"})


def test_the_whole_world_is_one_tile():
    assert tile_box(0, 0, 0) == (-HALF, -HALF, HALF, HALF)
    assert tile_box(1, 1, 0) == (0.0, 0.0, HALF, HALF)
