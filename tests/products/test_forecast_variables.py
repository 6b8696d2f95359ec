"""The variables of the forecast file: one line of the catalog each, packed, labelled and bounded in memory."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from nowcast.core.field import FieldError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.products.cf_netcdf import read_forecast, write_forecast
from nowcast.products.packed_values import MILLIMETRES, MINUTES, PROBABILITIES
from nowcast.products.variables import AXES, VARIABLES
from tests.fakes.fields import projected_grid

START = np.datetime64("2025-03-22T12:00", "ns")
LEADS = np.array([10, 20, 35], "timedelta64[m]")
SIZES = {"member": 4}


def forecast(grid):
    dbz = np.full((3, *grid.shape), 20.25, np.float32)
    dbz[:, :6] = np.nan
    return label_forecast(dbz, START, LEADS, grid)


def full(made, rng, nothing=slice(0, 6)):
    """A forecast with every variable of the catalog, random values of its kind, rows without any."""
    for variable in VARIABLES.values():
        if variable.name == "reflectivity":
            continue
        shape = tuple(made.sizes.get(d, SIZES.get(d, 2)) for d in variable.dims)
        values = (rng.integers(0, 100, shape) / 100).astype(np.float32)
        if variable.kind is PROBABILITIES:
            values = (rng.integers(0, 251, shape) / 250).astype(np.float32)
        values[..., nothing, :] = np.nan
        labels = {
            d: (d, np.arange(n) if AXES[d].dtype == "i4" else np.arange(n) * 7.5 + 0.1)
            for d, n in zip(variable.dims, shape, strict=True)
            if d in AXES
        }
        made = made.assign_coords(labels).assign({variable.name: (variable.dims, values)})
    return made


def test_every_variable_comes_back(tmp_path):
    made = full(forecast(projected_grid()), np.random.default_rng(2))
    path = write_forecast(tmp_path / "a.nc", made)
    found = read_forecast(path)
    xr.testing.assert_identical(found.drop_attrs()[list(made.data_vars)], made.drop_attrs())
    assert {name: found[name].attrs["units"] for name in found.data_vars} == {
        v.name: v.attrs["units"] for v in VARIABLES.values()
    }
    again = read_forecast(write_forecast(tmp_path / "b.nc", found))
    xr.testing.assert_identical(again, found)


def test_others_see_the_same_with_units_that_are_units(tmp_path):
    cf_units = pytest.importorskip("cf_units")
    made = full(forecast(projected_grid()), np.random.default_rng(3))
    path = write_forecast(tmp_path / "a.nc", made)
    with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as seen:
        for variable in VARIABLES.values():
            other = seen[variable.name]
            np.testing.assert_allclose(other.values, made[variable.name].values, rtol=1e-6)
            assert other.dtype == (np.float64 if variable.kind.dtype == "i4" else np.float32)
            assert other.attrs["units"] == "dBZ" or not cf_units.Unit(other.attrs["units"]).is_unknown()
            assert "forecast_reference_time" in other.coords
            assert other.attrs.get("grid_mapping", other.encoding.get("grid_mapping")) == "crs"
        for axis in AXES.values():
            assert seen[axis.name].attrs["units"] == axis.attrs["units"]


def test_members_are_realizations_packed_as_the_archive(tmp_path):
    made = forecast(projected_grid())
    members = np.stack([made.reflectivity.values + m for m in range(3)])
    members[1, :, 10:] = NO_ECHO_DBZ
    made = made.assign_coords(member=("member", np.arange(3))).assign(
        reflectivity_members=(("member", "lead_time", "y", "x"), members)
    )
    path = write_forecast(tmp_path / "a.nc", made)
    found = read_forecast(path)
    np.testing.assert_array_equal(found.reflectivity_members.values, members)
    assert found["member"].values.tolist() == [0, 1, 2]
    assert found["member"].attrs["standard_name"] == "realization"
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as raw:
        assert raw.reflectivity_members.dtype == np.int16
        assert raw.reflectivity_members.dims == ("member", "time", "y", "x")
        assert (raw.reflectivity_members.values[1, :, 10:] == -3200).all()


def test_only_some_variables_are_read(tmp_path):
    made = full(forecast(projected_grid()), np.random.default_rng(4))
    path = write_forecast(tmp_path / "a.nc", made)
    found = read_forecast(path, only=["exceedance_probability"])
    assert set(found.data_vars) == {"reflectivity", "exceedance_probability"}
    assert "member" not in found.dims


def test_other_dims_and_values_out_of_range_leave_nothing(tmp_path):
    made = forecast(projected_grid())
    rng = np.random.default_rng(5)
    turned = full(made, rng)
    turned["reflectivity_members"] = turned.reflectivity_members.transpose("lead_time", "member", "y", "x")
    with pytest.raises(FieldError, match=r"reflectivity_members.*\(member, lead_time, y, x\)"):
        write_forecast(tmp_path / "a.nc", turned)
    high = full(made, rng)
    high.reflectivity_members.values[3, 2, 20, 5] = 140.0
    with pytest.raises(FieldError, match="140"):
        write_forecast(tmp_path / "a.nc", high)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (PROBABILITIES, 1.0, 250),
        (PROBABILITIES, 0.006, 2),
        (PROBABILITIES, 0.0, 0),
        (MILLIMETRES, 0.126, 13),
        (MILLIMETRES, 900.0, 90000),
        (MINUTES, 12.5, 1250),
    ],
)
def test_codes_by_hand(kind, value, code):
    codes = kind.pack(np.array([value, np.nan], np.float32), "x")
    assert codes.tolist() == [code, kind.fill]
    assert codes.dtype == np.dtype(kind.dtype)
    back = kind.unpack(codes)
    assert back[0] == np.float32(code / kind.steps)
    assert np.isnan(back[1])


def test_every_code_is_the_float_nearest_to_its_decimal():
    for kind in (PROBABILITIES, MILLIMETRES):
        codes = np.arange(251).astype(kind.dtype)
        np.testing.assert_array_equal(kind.unpack(codes), (np.arange(251) / kind.steps).astype(np.float32))


def test_attributes_of_the_catalog_win_and_others_are_kept(tmp_path):
    made = full(forecast(projected_grid()), np.random.default_rng(7))
    made.rain_sum_mean.attrs = {"units": "furlongs", "z_r_relation": "mine"}
    found = read_forecast(write_forecast(tmp_path / "a.nc", made)).rain_sum_mean
    assert (found.attrs["units"], found.attrs["z_r_relation"]) == ("mm", "mine")


@pytest.mark.parametrize("value", [-0.01, 1.01, np.inf])
def test_what_is_out_of_range_is_refused_by_name(value):
    with pytest.raises(FieldError, match=r"rain_sum: got .* expected probabilities in \[0, 1\]"):
        PROBABILITIES.pack(np.array([0.5, value], np.float32), "rain_sum")


def test_members_are_written_and_read_without_copies_of_them_all(tmp_path):
    """What is written needs memory of its own for a few frames; what is read, for little beside itself."""
    made = forecast(projected_grid())
    size = (40, 3, 200, 160)
    members = np.broadcast_to(np.float32(NO_ECHO_DBZ), size).copy()
    grid = made.isel(y=slice(0, 2)).drop_dims(("y", "x"))
    y, x = -np.arange(200.0) * 1000, np.arange(160.0) * 500
    big = grid.assign_coords(
        y=("y", y, made.y.attrs), x=("x", x, made.x.attrs), member=("member", np.arange(40))
    ).assign(
        reflectivity=(("lead_time", "y", "x"), members[0], made.reflectivity.attrs),
        reflectivity_members=(("member", "lead_time", "y", "x"), members),
    )
    tracemalloc.start()
    try:
        path = write_forecast(tmp_path / "a.nc", big)
        assert tracemalloc.get_traced_memory()[1] < 0.1 * members.nbytes
        tracemalloc.reset_peak()
        read_forecast(path)
        assert tracemalloc.get_traced_memory()[1] < 1.2 * members.nbytes
    finally:
        tracemalloc.stop()
