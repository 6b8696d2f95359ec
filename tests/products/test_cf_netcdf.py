import resource
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pyproj
import pytest
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.field import FieldError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.products.cf_netcdf import read_forecast, write_forecast
from tests.fakes.fields import geographic_grid, projected_grid

START = np.datetime64("2025-03-22T12:00", "ns")
LEADS = np.array([10, 20, 35], "timedelta64[m]")
GRIDS = pytest.mark.parametrize("grid", [projected_grid(), geographic_grid()], ids=["projected", "geographic"])


def forecast(grid):
    rng = np.random.default_rng(5)
    dbz = (rng.integers(-3199, 9500, (3, *grid.shape)) / 100).astype(np.float32)
    dbz[:, :6] = np.nan
    dbz[:, 6:9] = NO_ECHO_DBZ
    return label_forecast(dbz, START, LEADS, grid)


@GRIDS
def test_reads_back_exactly(tmp_path, grid):
    made = forecast(grid)
    path = write_forecast(tmp_path / "a.nc", made, {"model": "extrapolation", "settings": "{}"})
    found = read_forecast(path)
    xr.testing.assert_identical(found.drop_attrs(), made.drop_attrs())
    assert found.reflectivity.dtype == np.float32
    assert found["crs"].attrs["crs_wkt"] == grid.crs_wkt
    assert found.attrs["model"] == "extrapolation"
    assert found.reflectivity.attrs["units"] == "dBZ"
    assert len(found.attrs["commit"]) >= 7
    assert found.attrs["version_numpy"] == np.__version__


@pytest.mark.parametrize("by", ["crs_wkt", "CF parameters"])
@GRIDS
def test_xarray_alone_sees_times_values_and_places(tmp_path, grid, by):
    """Corner places come from the file's own CF attributes and pyproj, and differ by < 0.01 cell."""
    made = forecast(grid)
    write_forecast(tmp_path / "a.nc", made)
    with xr.open_dataset(tmp_path / "a.nc", engine="netcdf4") as seen:
        field = seen["reflectivity"]
        np.testing.assert_allclose(field.values, made.reflectivity.values, atol=1e-5)
        assert field.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(field.values), np.isnan(made.reflectivity.values))
        np.testing.assert_array_equal(seen["time"].values, made["valid_time"].values)
        assert seen["forecast_reference_time"].values == START
        np.testing.assert_array_equal(field["forecast_period"].values, [10, 20, 35])
        assert seen.attrs["Conventions"] == "CF-1.10"
        mapping = dict(seen[field.attrs["grid_mapping"]].attrs)
        if by != "crs_wkt":
            del mapping["crs_wkt"]
        crs = pyproj.CRS.from_cf(mapping)
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        for row in (0, -1):
            for column in (0, -1):
                place = to_degrees.transform(seen["x"].values[column], seen["y"].values[row])
                expected = grid.lonlat(grid.y[[row]], grid.x[[column]])
                back = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(*place)
                cells = abs(np.subtract(back, (grid.x[column], grid.y[row]))) / grid.spacing[::-1]
                assert cells.max() < 0.01
                np.testing.assert_allclose(place, np.ravel(expected), atol=1e-7)


@GRIDS
def test_cartopy_puts_all_four_corners_in_the_right_place(tmp_path, grid):
    """The projection that the file names as CF attributes, handed to cartopy, gives the archive's places."""
    cartopy = pytest.importorskip("cartopy.crs")
    write_forecast(tmp_path / "a.nc", forecast(grid))
    with xr.open_dataset(tmp_path / "a.nc", engine="netcdf4") as seen:
        mapping = seen["crs"].attrs
        y, x = seen["y"].values, seen["x"].values
    if mapping["grid_mapping_name"] == "latitude_longitude":
        source = cartopy.PlateCarree()
    else:
        source = cartopy.LambertAzimuthalEqualArea(
            central_longitude=mapping["longitude_of_projection_origin"],
            central_latitude=mapping["latitude_of_projection_origin"],
            false_easting=mapping["false_easting"],
            false_northing=mapping["false_northing"],
            globe=cartopy.Globe(
                semimajor_axis=mapping["semi_major_axis"],
                inverse_flattening=mapping["inverse_flattening"],
                ellipse=None,
            ),
        )
    degrees = cartopy.Geodetic()
    from_degrees = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    for row in (0, -1):
        for column in (0, -1):
            lon, lat = degrees.transform_point(x[column], y[row], source)
            there = from_degrees.transform(lon, lat)
            cells = abs(np.subtract(there, (grid.x[column], grid.y[row]))) / grid.spacing[::-1]
            assert cells.max() < 0.01


def test_packed_integers_with_codes_of_their_own(tmp_path):
    made = forecast(projected_grid())
    write_forecast(tmp_path / "a.nc", made)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        values = file["reflectivity"]
        assert values.dtype == np.int16
        assert values.scale_factor.dtype == np.float32
        assert values.add_offset.dtype == np.float32
        assert values.chunking() == [1, *projected_grid().shape]
        file.set_auto_maskandscale(False)
        assert (values[:, :6] == values._FillValue).all()
        assert (values[:, 6:9] == -3200).all()


def test_written_again_it_is_the_same(tmp_path):
    first = read_forecast(write_forecast(tmp_path / "a.nc", forecast(projected_grid()), {"model": "m"}))
    second = read_forecast(write_forecast(tmp_path / "b.nc", first, {"model": "m"}))
    xr.testing.assert_identical(first, second)


def test_what_is_described_stands_beside_what_made_it(tmp_path):
    described = {"model": "<b>x</b>", "checkpoint_sha256": "0" * 64, "units": "furlongs", "archive": "a.zarr"}
    found = read_forecast(write_forecast(tmp_path / "a.nc", forecast(projected_grid()), described))
    assert found.attrs["checkpoint_sha256"] == "0" * 64
    assert found.attrs["archive"] == "a.zarr"
    assert found.reflectivity.attrs["units"] == "dBZ"


def test_a_field_is_not_a_forecast(tmp_path):
    made = forecast(projected_grid()).drop_vars("forecast_reference_time")
    with pytest.raises(FieldError, match="without forecast_reference_time"):
        write_forecast(tmp_path / "a.nc", made)


def test_values_that_are_no_dbz_are_refused(tmp_path):
    made = forecast(projected_grid())
    made.reflectivity.values[0, 20, 20] = 200.0
    with pytest.raises(FieldError, match="200"):
        write_forecast(tmp_path / "a.nc", made)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_alone_and_no_file_open(tmp_path):
    """The netCDF library keeps the file open for ever when it meets the full disk itself."""
    path = write_forecast(tmp_path / "a.nc", forecast(projected_grid()))
    before, opened = path.read_bytes(), len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match=r"a\.nc: cannot be written"):
            write_forecast(path, forecast(projected_grid()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc"]


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_a_truncated_file_is_named(tmp_path, keep):
    path = write_forecast(tmp_path / "a.nc", forecast(projected_grid()))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FileError, match=r"a\.nc"):
        read_forecast(path)


def test_a_file_of_another_kind_and_none_at_all(tmp_path):
    with netCDF4.Dataset(tmp_path / "b.nc", "w") as file:
        file.title = "something else"
    with pytest.raises(FileError, match="nowcast_format 'none'"):
        read_forecast(tmp_path / "b.nc")
    with pytest.raises(FileError, match="no file"):
        read_forecast(tmp_path / "c.nc")


def with_probabilities(made, values):
    coords = {"threshold": ("threshold", [20.0, 35.0], {"units": "dBZ"})}
    dims = ("threshold", "lead_time", "y", "x")
    return made.assign_coords(coords).assign(exceedance_probability=(dims, values, {"units": "1"}))


@GRIDS
def test_probabilities_stand_beside_the_reflectivity(tmp_path, grid):
    made = forecast(grid)
    rng = np.random.default_rng(6)
    values = np.sort(rng.random((2, *made.reflectivity.shape), np.float32), axis=0)[::-1]
    values[:, :, :6] = np.nan
    path = write_forecast(tmp_path / "a.nc", with_probabilities(made, values))
    found = read_forecast(path)
    known = found.exceedance_probability
    np.testing.assert_allclose(known.values, values, atol=0.5 / 250 + 1e-6)
    assert found["threshold"].values.tolist() == [20.0, 35.0]
    assert (np.diff(known.values, axis=0)[~np.isnan(known.values[1:])] <= 0).all()
    xr.testing.assert_identical(found.drop_dims("threshold").drop_attrs(), made.drop_attrs())
    again = read_forecast(write_forecast(tmp_path / "b.nc", found))
    xr.testing.assert_identical(again, found)
    with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as by_others:
        other = by_others["exceedance_probability"]
        assert other.dims == ("threshold", "time", "y", "x")
        np.testing.assert_allclose(other.values, known.values, atol=1e-6)
        assert other.attrs["units"] == "1"


def test_probabilities_under_their_former_name_are_read(tmp_path):
    made = forecast(projected_grid())
    values = np.full((2, *made.reflectivity.shape), 0.5, np.float32)
    path = write_forecast(tmp_path / "a.nc", with_probabilities(made, values))
    with h5py.File(path, "r+") as file:
        file.move("exceedance_probability", "probability_of_exceedance")
    np.testing.assert_array_equal(read_forecast(path).exceedance_probability.values, values)


def test_a_forecast_without_probabilities_has_none(tmp_path):
    path = write_forecast(tmp_path / "a.nc", forecast(projected_grid()))
    assert list(read_forecast(path).data_vars) == ["reflectivity"]


def test_what_is_no_probability_is_refused(tmp_path):
    made = forecast(projected_grid())
    wrong = np.full((2, *made.reflectivity.shape), 1.5, np.float32)
    with pytest.raises(FieldError, match="probabilities"):
        write_forecast(tmp_path / "a.nc", with_probabilities(made, wrong))
    assert list(tmp_path.iterdir()) == []
