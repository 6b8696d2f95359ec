"""CF netCDF: every value lies where the file says, whatever the order, direction and kind of its axes."""

from dataclasses import replace
from itertools import permutations

import netCDF4
import numpy as np
import pyproj
import pytest

from nowcast.core.errors import FileError, GridError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf


def opened(scene, path):
    scene.write(path)
    return check(CfNetcdf().open(path))


@pytest.mark.parametrize("order", list(permutations(("time", "y", "x"))))
@pytest.mark.parametrize("system", list(cf.SYSTEMS))
def test_any_order_of_dimensions_is_told_by_what_they_are(tmp_path, order, system):
    scene = cf.scene(system=system, order=order)
    cf.assert_truth(opened(scene, tmp_path / "o.nc"), scene)


@pytest.mark.parametrize("names", [("time", "lat", "lon"), ("t", "a", "b"), ("time", "x", "y")])
def test_the_standard_name_decides_and_never_the_name(tmp_path, names):
    scene = cf.scene(system="degrees", names=names)
    cf.assert_truth(opened(scene, tmp_path / "n.nc"), scene)


@pytest.mark.parametrize(
    ("system", "names"),
    [("degrees", ("time", "a", "b")), ("metres", ("time", "y", "x")), ("rotated", ("time", "rlat", "rlon"))],
)
@pytest.mark.parametrize("order", [("time", "y", "x"), ("x", "y", "time")])
def test_units_and_names_decide_where_no_standard_name_is(tmp_path, system, names, order):
    scene = cf.scene(system=system, names=names, order=order, axis_attrs=False)
    cf.assert_truth(opened(scene, tmp_path / "u.nc"), scene)


@pytest.mark.parametrize("south_first", [False, True])
@pytest.mark.parametrize("east_first", [False, True])
def test_rows_come_north_first_and_columns_west_first(tmp_path, south_first, east_first):
    scene = cf.scene(south_first=south_first, east_first=east_first, order=("x", "time", "y"))
    cf.assert_truth(opened(scene, tmp_path / "d.nc"), scene)


@pytest.mark.parametrize("south_first", [False, True])
def test_bounds_say_where_a_cell_is_when_coordinates_are_its_edges(tmp_path, south_first):
    scene = cf.scene(bounds=True, south_first=south_first)
    cf.assert_truth(opened(scene, tmp_path / "b.nc"), scene)
    with netCDF4.Dataset(tmp_path / "b.nc", "a") as data:
        data["y_bnds"][:] += 5000.0
    with pytest.raises(GridError, match=r"b\.nc: bounds 'y_bnds' do not hold the cells"):
        CfNetcdf().open(tmp_path / "b.nc")


@pytest.mark.parametrize("south_first", [False, True])
def test_bounds_are_in_the_unit_of_their_coordinate(tmp_path, south_first):
    scene = cf.scene(bounds=True, south_first=south_first)
    scene.write(tmp_path / "k.nc")
    with netCDF4.Dataset(tmp_path / "k.nc", "a") as data:
        for name in ("y", "x"):
            data[name].units = "km"
            data[name][:] = data[name][:] / 1000
            data[f"{name}_bnds"][:] = data[f"{name}_bnds"][:] / 1000
    cf.assert_truth(CfNetcdf().open(tmp_path / "k.nc"), scene)


@pytest.mark.parametrize(
    ("first", "count", "expected"),
    [(356.0, 8, -4.0), (0.0, 8, 0.0), (-4.0, 8, -4.0), (250.0, 8, -110.0), (176.0, 4, 176.0)],
)
def test_longitudes_of_0_to_360_run_on_across_greenwich(tmp_path, first, count, expected):
    scene = cf.scene((1, 5, count), system="degrees")
    east = first + np.arange(count)
    scene = replace(scene, x=np.mod(east, 360.0) if first >= 0 else east)
    found = opened(scene, tmp_path / "g.nc")
    cf.assert_truth(found, replace(scene, x=expected + np.arange(count)))


def test_a_rotated_pole_is_its_own_system_and_not_called_latitude(tmp_path):
    scene = cf.scene(system="rotated")
    field = opened(scene, tmp_path / "r.nc")
    grid = Grid.of(field)
    assert (grid.geographic, grid.rotated) == (False, True)
    assert field.y.attrs["standard_name"] == "grid_latitude"
    lon, lat = grid.lonlat(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    # the pole lies at 39.25 N, 162 W: the rotated equator crosses the meridian 18 E at 90 - 39.25 N
    np.testing.assert_allclose(lon, [18.0, 18.0], atol=1e-9)
    np.testing.assert_allclose(lat, [50.75, 51.75], atol=1e-9)
    assert grid.cell_km == pytest.approx((2.22, 1.11), abs=0.01)
    with netCDF4.Dataset(tmp_path / "r.nc", "a") as data:
        data["Z"].delncattr("grid_mapping")
    cf.assert_truth(CfNetcdf().open(tmp_path / "r.nc"), scene)  # the only one of the file
    with netCDF4.Dataset(tmp_path / "r.nc", "a") as data:
        data["crs"].delncattr("grid_mapping_name")
    with pytest.raises(GridError, match=r"no grid_mapping, expected one because .* rotated degrees"):
        CfNetcdf().open(tmp_path / "r.nc")


@pytest.mark.parametrize("text", ["crs: x y", "other: lat lon crs: y x", "crs:x y", "crs"])
def test_the_grid_mapping_of_our_axes_is_taken(tmp_path, text):
    scene = cf.scene(mapping_text=text)
    scene.write(tmp_path / "m.nc")
    with netCDF4.Dataset(tmp_path / "m.nc", "a") as data:
        data.createVariable("other", "i4", ()).grid_mapping_name = "latitude_longitude"
    field = CfNetcdf().open(tmp_path / "m.nc")
    cf.assert_truth(field, scene)
    assert Grid.of(field).crs.to_cf()["grid_mapping_name"] == "lambert_azimuthal_equal_area"


def without_mapping(path, **attrs):
    cf.scene().write(path)
    with netCDF4.Dataset(path, "a") as data:
        for name in data["crs"].ncattrs():
            data["crs"].delncattr(name)
        data["crs"].setncatts(attrs)
    return path


def test_wkt_or_a_proj_string_alone_will_do(tmp_path):
    utm = pyproj.CRS.from_epsg(32632)
    for attrs in (
        {"crs_wkt": utm.to_wkt()},
        {"spatial_ref": utm.to_wkt("WKT1_GDAL")},
        {"proj4": "+proj=utm +zone=32 +datum=WGS84"},
    ):
        grid = Grid.of(CfNetcdf().open(without_mapping(tmp_path / "w.nc", **attrs)))
        lon, lat = grid.lonlat(np.array([5_000_000.0]), np.array([500_000.0]))
        assert (lon[0], lat[0]) == pytest.approx((9.0, 45.153), abs=1e-3)


def test_wkt_that_lacks_a_parameter_is_refused_although_proj_takes_it(tmp_path):
    lacking = pyproj.CRS.from_epsg(32632).to_wkt().replace("Longitude of natural", "Longitude of no")
    lacking = lacking.replace('ID["EPSG",8802]', 'ID["EPSG",8899]')
    with pytest.raises(GridError, match=r"'crs' .* \(its projection has no longitude_of_natural_origin\)"):
        CfNetcdf().open(without_mapping(tmp_path / "w.nc", crs_wkt=lacking))


def test_wkt_that_contradicts_the_parameters_is_refused(tmp_path):
    scene = cf.scene()
    scene.write(tmp_path / "c.nc")
    mapping = cf.SYSTEMS["metres"][2]
    for crs, agrees in (
        (pyproj.CRS.from_cf(mapping), True),
        (pyproj.CRS.from_epsg(32632), False),
        (pyproj.CRS.from_cf({**mapping, "latitude_of_projection_origin": 55.1}), False),
    ):
        with netCDF4.Dataset(tmp_path / "c.nc", "a") as data:
            data["crs"].crs_wkt = crs.to_wkt()
        if agrees:
            cf.assert_truth(CfNetcdf().open(tmp_path / "c.nc"), scene)
        else:
            with pytest.raises(GridError, match=r"c\.nc: grid mapping 'crs' gives .* that differ"):
                CfNetcdf().open(tmp_path / "c.nc")


def test_a_latitude_in_metres_is_a_row_of_the_projection(tmp_path):
    scene = cf.scene()
    scene.write(tmp_path / "m.nc")
    with netCDF4.Dataset(tmp_path / "m.nc", "a") as data:
        data["y"].standard_name, data["x"].standard_name = "latitude", "longitude"
    cf.assert_truth(CfNetcdf().open(tmp_path / "m.nc"), scene)
    with netCDF4.Dataset(tmp_path / "m.nc", "a") as data:
        data["y"].units, data["x"].units = "degrees_north", "degrees_east"
        data["y"][:] /= 1000
        data["x"][:] /= 1000
    with pytest.raises(GridError, match="coordinates are degrees but the grid mapping is"):
        CfNetcdf().open(tmp_path / "m.nc")


@pytest.mark.parametrize(
    "attrs",
    [
        {"proj4": "+proj=latlong +nadgrids=/dev/zero"},
        {"proj4": "+init=epsg:4326"},
        {"note": "UTM 32"},
        {},
        {"crs_wkt": "PROJCS[nonsense"},
        {"grid_mapping_name": "mercator", "standard_parallel": "abc"},
        {"grid_mapping_name": "no_such_projection"},
        {"grid_mapping_name": "latitude_longitude"},
        {
            "grid_mapping_name": "polar_stereographic",
            "semi_major_axis": 6378.137,
            "semi_minor_axis": 6356.75,
            "latitude_of_projection_origin": 90.0,
            "straight_vertical_longitude_from_pole": 0.0,
            "standard_parallel": 60.0,
        },
    ],
)
def test_grid_mappings_that_place_nothing_are_refused_by_name(tmp_path, attrs):
    with pytest.raises(GridError, match=r"w\.nc: (grid mapping 'crs'|coordinates are metres)"):
        CfNetcdf().open(without_mapping(tmp_path / "w.nc", **attrs))


def test_a_curvilinear_grid_is_refused_and_one_level_is_taken(tmp_path):
    scene = cf.scene(order=("time", "level", "y", "x"))
    cf.assert_truth(opened(scene, tmp_path / "l.nc"), scene)
    with netCDF4.Dataset(tmp_path / "c.nc", "w") as data:
        for name, size in (("time", 1), ("z", 3), ("j", 2), ("i", 3)):
            data.createDimension(name, size)
        data.createVariable("time", "f8", ("time",)).units = "hours since 2025-03-01"
        data["time"][:] = 0
        for name, unit in (("lat", "degrees_north"), ("lon", "degrees_east")):
            data.createVariable(name, "f8", ("j", "i")).units = unit
        data.createVariable("dbz", "f4", ("time", "j", "i")).units = "dBZ"
    with pytest.raises(GridError, match=r"c\.nc: 'dbz' lies on a curvilinear grid \(2-D 'lat' and 'lon'\)"):
        CfNetcdf().open(tmp_path / "c.nc")


def test_several_levels_are_refused_with_their_number(tmp_path):
    with netCDF4.Dataset(tmp_path / "z.nc", "w") as data:
        for name, size in (("time", 1), ("z", 3), ("y", 2), ("x", 3)):
            data.createDimension(name, size)
            data.createVariable(name, "f8", (name,)).units = "m" if name != "time" else "hours since 2025-03-01"
            data[name][:] = np.arange(size)
        data.createVariable("dbz", "f4", ("time", "z", "y", "x")).units = "dBZ"
    with pytest.raises(FileError, match=r"z\.nc: 'dbz' has 3 of 'z', expected one level"):
        CfNetcdf().open(tmp_path / "z.nc")


def test_uneven_rows_and_impossible_latitudes_name_the_file(tmp_path):
    scene = cf.scene(system="degrees")
    with pytest.raises(GridError, match=r"u\.nc: grid: y must be evenly spaced.*'y'"):
        opened(replace(scene, y=scene.y[0] - 0.02 * np.arange(5) ** 1.2), tmp_path / "u.nc")
    with pytest.raises(GridError, match=r"i\.nc: latitudes of 'y' reach 99"):
        opened(replace(scene, y=99.0 - np.arange(5)), tmp_path / "i.nc")
