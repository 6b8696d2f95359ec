"""GeoTIFF frames: the right values at the right place, read back with rasterio."""

import resource

import numpy as np
import pyproj
import pytest

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ

rasterio = pytest.importorskip("rasterio")
from nowcast.products.geotiff import write_geotiff  # noqa: E402

TIME = np.datetime64("2025-03-22T12:10", "ns")


def _frame(shape):
    dbz = np.linspace(5, 50, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    dbz[0, 0] = np.nan
    dbz[1, 1] = NO_ECHO_DBZ
    return dbz


@pytest.mark.parametrize(
    ("crs", "origin", "spacing"),
    [
        ("EPSG:3067", (7_000_000.0, 300_000.0), 1000.0),
        ("EPSG:4326", (46.0, 8.0), 0.01),
        ("+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84 +units=m", (500_000.0, -200_000.0), 2000.0),
    ],
)
def test_values_and_place_come_back(tmp_path, crs, origin, spacing):
    y = origin[0] - spacing * np.arange(300)
    x = origin[1] + spacing * np.arange(270)
    grid = Grid(pyproj.CRS.from_user_input(crs).to_wkt(), y, x)
    dbz = _frame(grid.shape)
    path = write_geotiff(tmp_path / "a.tif", dbz, TIME, grid)
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(1), dbz, equal_nan=True)
        assert np.isnan(file.nodata)
        there = Grid(file.crs.to_wkt(), y, x)
        lon, lat = grid.lonlat(y[[0, -1]], x[[0, -1]])
        assert np.allclose(there.lonlat(y[[0, -1]], x[[0, -1]]), (lon, lat), atol=1e-9, rtol=0)
        for row, column in ((0, 0), (0, 269), (299, 0), (299, 269)):
            place = file.transform
            place_x = place.c + (column + 0.5) * place.a
            place_y = place.f + (row + 0.5) * place.e
            assert abs(place_x - x[column]) < 0.01 * spacing
            assert abs(place_y - y[row]) < 0.01 * spacing
        assert file.tags()["TIFFTAG_DATETIME"] == "2025:03:22 12:10:00"
        assert file.tags()["valid_time"] == "2025-03-22T12:10:00Z"


def test_an_unwritable_place_leaves_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    grid = Grid(pyproj.CRS(4326).to_wkt(), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    with pytest.raises(FileError):
        write_geotiff(blocked / "a.tif", np.zeros((2, 2), np.float32), TIME, grid)
    assert list(tmp_path.iterdir()) == [blocked]


def test_a_disk_that_fills_up_at_the_last_byte_leaves_nothing(tmp_path):
    """Written straight to the disk, the file would be there, too short, and nobody would say so."""
    grid = Grid(pyproj.CRS(4326).to_wkt(), np.arange(300.0)[::-1] / 100, np.arange(300.0) / 100)
    noise = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    size = write_geotiff(tmp_path / "a.tif", noise, TIME, grid).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, hard))
    try:
        with pytest.raises(FileError, match=r"b\.tif: cannot be written"):
            write_geotiff(tmp_path / "b.tif", noise, TIME, grid)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
