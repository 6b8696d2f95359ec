"""ODIM_H5: three producers' flavours, exact values, and a georeference that agrees with the corners."""

import h5py
import numpy as np
import pyproj
import pytest

from nowcast.core.errors import FileError, GridError, NowcastError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.odim_h5 import OdimH5
from tests.fakes import odim
from tests.shared_data import radar_folder


def test_opera_rates_become_dbz_with_three_kinds_of_absence_apart(tmp_path):
    raw = np.array([[odim.OPERA_NODATA, odim.OPERA_UNDETECT, 0.0], [1.0, 10.0, 100.0]])
    field = OdimH5().open(odim.write_opera(tmp_path / "o.hdf", raw))
    # by hand: 10 log10(200) + 16 log10(R) = 23.0103, 39.0103, 55.0103
    expected = [[np.nan, -32.0, -32.0], [23.0103, 39.0103, 55.0103]]
    np.testing.assert_allclose(field.values[0], expected, atol=1e-4)
    assert "marshall_palmer" in field.attrs["z_r_relation"]
    assert field.time.values[0] == np.datetime64("2018-08-24T18:00")


def test_another_relation_can_be_named(tmp_path):
    raw = np.array([[1.0, 10.0], [1.0, 1.0]])
    field = OdimH5(z_r_name="wsr88d").open(odim.write_opera(tmp_path / "o.hdf", raw))
    np.testing.assert_allclose(field.values[0, 0], [24.7712, 38.7712], atol=1e-4)


def test_every_byte_of_a_swedish_file_is_exact(tmp_path):
    raw = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = OdimH5().open(odim.write_sweden(tmp_path / "s.h5", raw)).values.ravel()
    expected = (np.arange(256) * 0.4 - 30.0).astype(np.float32)
    expected[0], expected[255] = -32.0, np.nan
    np.testing.assert_array_equal(values, expected)


def test_echoes_below_the_floor_are_no_echo(tmp_path):
    raw = np.array([[0, 1], [2, 100]], np.uint8)
    values = OdimH5().open(odim.write_sweden(tmp_path / "s.h5", raw, offset=-64.0)).values[0]
    np.testing.assert_array_equal(values, np.float32([[-32, -32], [-32, -24]]))


@pytest.mark.parametrize("xscale", [True, False])
def test_belgian_accumulations_are_mean_rates(tmp_path, xscale):
    raw = np.array([[np.nan, 0.0], [0.5, 5.0]])
    field = OdimH5().open(odim.write_belgium(tmp_path / "b.hdf", raw, xscale=xscale, minutes=30))
    # 0.5 and 5 mm in half an hour are 1 and 10 mm/h
    np.testing.assert_allclose(field.values[0], [[np.nan, -32.0], [23.0103, 39.0103]], atol=1e-4)
    np.testing.assert_allclose(field.y, [999500, 998500], atol=0.01)
    np.testing.assert_allclose(field.x, [300500, 301500], atol=0.01)


def test_reflectivity_wins_over_rain(tmp_path):
    path = odim.write_opera(tmp_path / "o.hdf", np.full((3, 4), 20.0))
    with h5py.File(path, "a") as file:
        group = file.create_group("dataset10/data1")
        group["data"] = np.full((3, 4), 33.0)
        group.create_group("what").attrs["quantity"] = np.bytes_("TH")
    field = OdimH5().open(path)
    assert (field.values == 33.0).all()
    assert "z_r_relation" not in field.attrs


def test_a_grid_is_placed_by_the_files_own_corners(tmp_path):
    raw = np.zeros((40, 30))
    grid = Grid.of(OdimH5().open(odim.write_opera(tmp_path / "o.hdf", raw)))
    np.testing.assert_allclose(grid.extent, (1e6, 1e6 + 60000, -2e6 - 80000, -2e6), atol=0.01)


def test_the_reading_of_a_projection_that_fits_the_corners_is_taken(tmp_path):
    raw = np.zeros((30, 20), np.uint8)
    grid = Grid.of(OdimH5().open(odim.write_sweden(tmp_path / "s.h5", raw)))
    assert grid.crs.get_geod().f == pytest.approx(1 / 298.257223563)
    np.testing.assert_allclose(grid.extent[0], 3111.5, atol=0.01)
    np.testing.assert_allclose(grid.spacing, (6223.0, 6223.0))


def test_what_is_refused_says_why(tmp_path):
    wrong = odim.write_sweden(tmp_path / "w.h5", np.zeros((4, 5), np.uint8), shape=(4, 6))
    with pytest.raises(GridError, match=r"w\.h5.*4 x 5.*4 x 6"):
        OdimH5().open(wrong)
    velocity = odim.write_sweden(tmp_path / "v.h5", np.zeros((4, 5), np.uint8), quantity="VRAD")
    with pytest.raises(FileError, match=r"v\.h5: holds the quantities VRAD"):
        OdimH5().open(velocity)
    torn = odim.write_opera(tmp_path / "t.hdf", np.zeros((4, 5)))
    with h5py.File(torn, "a") as file:
        file["where"].attrs["UR_lon"] = 60.0
    with pytest.raises(GridError, match=r"t\.hdf.*contradicts itself"):
        OdimH5().open(torn)
    with h5py.File(torn, "a") as file:
        del file["where"].attrs["projdef"]
    with pytest.raises(GridError, match="no projdef"):
        OdimH5().open(torn)


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    path = odim.write_sweden(tmp_path / "b.h5", np.zeros((4, 5), np.uint8), shape=(200_000, 200_000))
    with h5py.File(path, "a") as file:
        del file["dataset1/data1/data"]
        file["dataset1/data1"].create_dataset("data", (200_000, 200_000), "u1", chunks=(1000, 1000))
    with pytest.raises(FileError, match="200000 x 200000"):
        OdimH5().open(path)


@pytest.mark.parametrize(("cells", "folder", "pattern"), [
    (0.01, "opera_odim_20180824", "*.hdf"), (0.01, "single_files", "belgium.comp.hdf"),
    (0.55, "single_files", "composite_swe_gmap.h5"),
])
def test_real_files_lie_where_their_corners_say(cells, folder, pattern):
    path = sorted(radar_folder(folder).glob(pattern))[0]
    field = check(OdimH5().open(path), values=False)
    grid = Grid.of(field)
    with h5py.File(path) as file:
        where = dict(file["where"].attrs)
    west, east, south, north = grid.extent
    dy, dx = grid.spacing
    project = pyproj.Proj(grid.crs)
    for name, x, y in (("LL", west, south), ("UR", east, north), ("UL", west, north)):
        if f"{name}_lon" in where:
            its_x, its_y = project(where[f"{name}_lon"], where[f"{name}_lat"])
            assert abs(its_x - x) / dx < cells, name
            assert abs(its_y - y) / dy < cells, name


def test_real_values_equal_the_formula_of_the_standard():
    path = radar_folder("single_files") / "composite_swe_gmap.h5"
    with h5py.File(path) as file:
        raw = file["dataset1/data1/data"][()]
    values = OdimH5().open(path).values[0]
    assert np.array_equal(np.isnan(values), raw == 255)
    assert np.array_equal(values == -32.0, raw == 0)
    echo = (raw > 0) & (raw < 255)
    np.testing.assert_array_equal(np.rint((values[echo] + 30.0) / 0.4), raw[echo])


def test_a_truncated_array_names_the_file(tmp_path):
    path = odim.write_sweden(tmp_path / "t.h5", np.arange(256, dtype=np.uint8).repeat(64).reshape(128, -1))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(NowcastError, match=r"t\.h5"):
        OdimH5().open(path).compute()
