"""The contract of a field: each way to break it is told."""

import numpy as np
import pyproj
import pytest
import xarray as xr

from nowcast.core.errors import GridError
from nowcast.core.field import FieldError, check, check_values, grid_coords, make_field
from nowcast.core.grid import Grid

GRID = Grid(pyproj.CRS.from_epsg(4326).to_wkt(), np.array([46.0, 45.0]), np.array([7.0, 8.0, 9.0]))
TIMES = np.array(["2025-01-01T00:00", "2025-01-01T00:10"], "datetime64[ns]")


@pytest.fixture
def field():
    values = np.float32([[[np.nan, -32, 0], [10, 55.5, 100]]] * 2)
    return make_field(values, TIMES, GRID, {"source": "test"})


def test_a_good_field_passes_unchanged(field):
    assert check(field) is field
    assert field.attrs["standard_name"] == "equivalent_reflectivity_factor"
    assert field.y.attrs["standard_name"] == "latitude"
    assert pyproj.CRS.from_wkt(field.crs.attrs["crs_wkt"]).is_geographic


@pytest.mark.parametrize(
    ("crs", "y", "x"),
    [
        ("+proj=laea +lat_0=52 +lon_0=10", ("projection_y_coordinate", "m"), ("projection_x_coordinate", "m")),
        ("+proj=longlat +datum=WGS84", ("latitude", "degrees_north"), ("longitude", "degrees_east")),
        (
            "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=40 +lon_0=10",
            ("grid_latitude", "degrees"),
            ("grid_longitude", "degrees"),
        ),
    ],
)
def test_rows_and_columns_are_called_what_they_are(crs, y, x):
    grid = Grid(pyproj.CRS.from_proj4(crs).to_wkt(), GRID.y, GRID.x)
    found = make_field(np.zeros((2, 2, 3), np.float32), TIMES, grid)
    for axis, letter, expected in ((found.y, "Y", y), (found.x, "X", x)):
        assert (axis.attrs["standard_name"], axis.attrs["units"], axis.attrs["axis"]) == (*expected, letter)


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        (lambda f: f.rename("rain"), "'rain'"),
        (lambda f: f.transpose("y", "x", "time"), r"expected 'reflectivity' \(time, y, x\)"),
        (lambda f: f.astype(np.float64, keep_attrs=True), "float64"),
        (lambda f: f.assign_attrs(units="mm/h"), "'mm/h'"),
        (lambda f: f.isel(time=[1, 0]), "sorted and unique"),
        (lambda f: f.isel(time=[0, 0]), "sorted and unique"),
        (lambda f: f.where(f < 100, np.inf).assign_attrs(f.attrs), "from -32 to inf"),
        (lambda f: f.where(f > -32, -33).assign_attrs(f.attrs), "from -33 to"),
    ],
)
def test_each_breach_is_told(field, breaking, words):
    with pytest.raises(FieldError, match=words):
        check(breaking(field).astype(field.dtype if words != "float64" else np.float64))


def test_a_field_must_say_where_it_lies(field):
    with pytest.raises(GridError):
        check(field.drop_vars("crs"))


def test_values_need_not_be_looked_at(field):
    check(field.copy(data=np.full(field.shape, 500, np.float32)), values=False)
    check_values(np.full((2, 2), np.nan, np.float32))
    check_values(np.empty((0, 2), np.float32))


def test_an_oblique_projection_needs_no_warning():
    grid = Grid(pyproj.CRS.from_epsg(21781).to_wkt(), np.array([2000.0, 1000.0]), np.array([0.0, 1000.0]))
    check(make_field(np.zeros((1, 2, 2), np.float32), TIMES[:1], grid))


def test_fields_of_one_grid_share_no_attribute_and_are_as_xarray_makes_them():
    grid = Grid(pyproj.CRS.from_epsg(3035).to_wkt(), np.array([3e6, 2e6]), np.array([1e6, 2e6, 3e6]))
    times = np.array(["2025-03-01", "2025-03-02"], "datetime64[s]")
    one, other = (make_field(np.zeros((2, 2, 3), np.float32), times, grid, {"source": "a"}) for _ in range(2))
    public = xr.DataArray(
        np.zeros((2, 2, 3), np.float32),
        dims=("time", "y", "x"),
        coords={
            "time": ("time", times.astype("datetime64[ns]"), {"standard_name": "time"}),
            **grid_coords(grid),
        },
        name="reflectivity",
        attrs=one.attrs,
    )
    xr.testing.assert_identical(one, public)
    assert {k: type(v) for k, v in one.xindexes.items()} == {k: type(v) for k, v in public.xindexes.items()}
    assert one.sel(time="2025-03-02").shape == (2, 3)
    for name in ("crs", "y", "time"):
        one[name].attrs["changed"] = 1
        assert "changed" not in other[name].attrs
        assert "changed" not in make_field(one.data, times, grid)[name].attrs
