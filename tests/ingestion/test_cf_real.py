"""CF netCDF: real files of six services against an independent reading of their bytes."""

import netCDF4
import numpy as np
import pyproj
import pytest

from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.catalog import find_reader
from tests.shared_data import radar_folder

HALVES = (
    "arso_cf_netcdf_20260716",
    "knmi_cf_netcdf_20210101",
    "njucpol_cf_netcdf",
    "dpc_north_cf_netcdf",
    "dpc_centre_south_cf_netcdf",
)


@pytest.mark.parametrize("folder", HALVES)
def test_bytes_of_half_a_dbz(folder):
    files = sorted(radar_folder(folder).glob("*.nc"))
    for path in (files[0], files[len(files) // 2], files[-1]):
        field = check(find_reader(path).open(path), values=False)
        with netCDF4.Dataset(path) as data:
            data.set_auto_maskandscale(False)
            var = data["reflectivity"]
            rows, columns = (np.asarray(data[d][:]) for d in var.dimensions[1:])
            stamps = np.asarray(data["time"][:])
            order = np.argsort(stamps)
            raw = {i: np.asarray(var[int(order[i])]) for i in (0, len(stamps) // 3, len(stamps) - 1)}
        for i, codes in raw.items():
            dbz = codes / np.float32(2)
            dbz[codes == 0], dbz[codes == 255] = -32.0, np.nan
            dbz = dbz[:: -1 if rows[0] < rows[-1] else 1, :: -1 if columns[0] > columns[-1] else 1]
            np.testing.assert_array_equal(field[i].values, dbz)
        np.testing.assert_array_equal(field.time.values.astype("datetime64[s]").astype(int), np.sort(stamps))
        np.testing.assert_allclose(field.y, np.sort(rows)[::-1], rtol=0, atol=1e-2 * Grid.of(field).spacing[0])
        np.testing.assert_allclose(field.x, np.sort(columns), rtol=0, atol=1e-2 * Grid.of(field).spacing[1])


@pytest.mark.parametrize(
    ("folder", "y", "x", "lonlat"),
    [
        ("arso_cf_netcdf_20260716", 0.0, 0.0, (14.763, 46.065)),
        ("knmi_cf_netcdf_20210101", None, None, None),
        ("njucpol_cf_netcdf", 0.0, 0.0, (118.0, 32.0)),
    ],
)
def test_the_origin_of_the_projection_lies_where_the_file_says(folder, y, x, lonlat):
    path = sorted(radar_folder(folder).glob("*.nc"))[0]
    grid = Grid.of(find_reader(path).open(path))
    if lonlat is None:
        # the Dutch radar grid by its published PROJ string
        proj = pyproj.Proj("+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378140 +b=6356750")
        y, x = -3_800_000.0, 200_000.0
        lonlat = proj(x, y, inverse=True)
    found = grid.lonlat(np.array([y]), np.array([x]))
    assert (found[0][0], found[1][0]) == pytest.approx(lonlat, abs=2e-3)


def test_the_australian_amounts_of_six_minutes():
    for path in sorted(radar_folder("bom_netcdf_20180616").glob("*.nc"))[::13]:
        field = check(find_reader(path).open(path))
        with netCDF4.Dataset(path) as data:
            data.set_auto_maskandscale(False)
            raw = np.asarray(data["precipitation"][:])
            begin, end = int(data["start_time"][...]), int(data["valid_time"][...])
            y, x = np.asarray(data["y"][:]) * 1000.0, np.asarray(data["x"][:]) * 1000.0
        assert end - begin in (360, 600)
        rate = raw * np.float64(np.float32(0.05)) * 3600 / (end - begin)
        with np.errstate(divide="ignore", invalid="ignore"):
            dbz = np.maximum(10 * np.log10(200 * rate**1.6), -32.0)
        dbz[raw == -32768] = np.nan
        np.testing.assert_allclose(field.values[0], dbz, atol=1e-3)
        assert field.time.values[0].astype("datetime64[s]").astype(int) == end
        assert float(field.attrs["accumulation_hours"]) == pytest.approx((end - begin) / 3600)
        np.testing.assert_allclose(field.y, y if y[0] > y[-1] else y[::-1], atol=1)
        np.testing.assert_allclose(field.x, x, atol=1)
        found = Grid.of(field).lonlat(np.array([0.0]), np.array([0.0]))
        assert (found[0][0], found[1][0]) == pytest.approx((144.752, -37.852), abs=1e-4)
