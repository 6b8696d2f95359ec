"""CF netCDF: what is not observed never becomes dry, and what is dry is so because the file says it."""

from dataclasses import replace

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.core.field import FieldError, check
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf


def written(path, values, dtype, attrs=None, fill=False, units="dBZ", name="Z", standard=None):
    """A file of one frame (1, 2, n) whose first row is ``values`` as stored; the second row is 20 units."""
    values = np.asarray(values)
    with netCDF4.Dataset(path, "w") as data:
        for dim, size in (("time", 1), ("lat", 2), ("lon", len(values))):
            data.createDimension(dim, size)
        for dim, unit, numbers in (
            ("time", "minutes since 2021-07-04", [0]),
            ("lat", "degrees_north", [51, 50]),
            ("lon", "degrees_east", np.arange(len(values))),
        ):
            var = data.createVariable(dim, "f8", (dim,))
            var.units = unit
            var[:] = numbers
        var = data.createVariable(name, dtype, ("time", "lat", "lon"), fill_value=fill)
        var.set_auto_maskandscale(False)
        var.setncatts({"units": units, **({"standard_name": standard} if standard else {}), **(attrs or {})})
        var[0, 0], var[0, 1] = values, 20
    return path


def read(path):
    return CfNetcdf().open(path).values[0, 0]


@pytest.mark.parametrize("value", [-9999.0, -999.0, -99.0, -9999.9, -888.0, -50.5, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_values_no_radar_gives_are_refused_unless_explained(tmp_path, value, dtype):
    field = CfNetcdf().open(written(tmp_path / "n.nc", [value, 10, -32, 0], dtype))
    with pytest.raises(FileError, match=rf"n\.nc: 'Z': values: got {value:g} dBZ, expected at least -50 dBZ"):
        field.compute()


@pytest.mark.parametrize(
    "name",
    [
        "missing_value",
        "fill_value",
        "FillValue",
        "nodata",
        "no_data",
        "NoData",
        "nodata_value",
        "missing",
        "_fillValue",
    ],
)
@pytest.mark.parametrize("value", [-9999.9, -999.0, 1e30])
def test_not_observed_under_any_name_compared_in_the_datas_own_type(tmp_path, name, value):
    # the attribute is float64, the data float32: -9999.9 is not equal as float64
    path = written(tmp_path / "n.nc", [value, 10, -31, 0], "f4", {name: np.float64(value)})
    np.testing.assert_array_equal(read(path), [np.nan, 10, -31, 0])


@pytest.mark.parametrize("name", ["undetect", "no_echo", "noecho_value"])
def test_no_echo_by_attribute(tmp_path, name):
    path = written(tmp_path / "n.nc", [-8888.8, 10, -9999.9, 0], "f4", {name: -8888.8, "nodata": -9999.9})
    np.testing.assert_array_equal(read(path), [-32, 10, np.nan, 0])


def test_flags_say_no_echo_and_no_coverage_as_mrms_has_them(tmp_path):
    attrs = {"flag_values": np.array([-99, -999], "f4"), "flag_meanings": "no_echo no_coverage"}
    np.testing.assert_array_equal(
        read(written(tmp_path / "m.nc", [-99, -999, 5, 0], "f4", attrs)), [-32, np.nan, 5, 0]
    )


def test_a_code_of_no_echo_outside_the_valid_range_is_still_no_echo(tmp_path):
    attrs = {"flag_values": np.float32([-99]), "flag_meanings": "no_echo", "valid_range": np.float32([-30, 80])}
    np.testing.assert_array_equal(
        read(written(tmp_path / "v.nc", [-99, -31, -30, 81], "f4", attrs)), [-32, np.nan, -30, np.nan]
    )


def test_several_missing_values(tmp_path):
    attrs = {"missing_value": np.array([-999, -888], "f4")}
    np.testing.assert_array_equal(
        read(written(tmp_path / "m.nc", [-999, -888, 5], "f4", attrs)), [np.nan, np.nan, 5]
    )


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "i8", "u2", "u4"])
def test_the_librarys_default_fill_is_not_observed(tmp_path, dtype):
    default = netCDF4.default_fillvals[dtype]
    path = written(tmp_path / "d.nc", np.array([default, 10, 0], dtype), dtype)
    np.testing.assert_array_equal(read(path), [np.nan, 10, 0])


def test_a_code_of_no_echo_is_not_observed_by_default_no_more(tmp_path):
    path = written(
        tmp_path / "d.nc",
        [65535, 65534, 20],
        "u2",
        {"undetect": np.uint16(65535), "missing_value": np.uint16(65534)},
    )
    np.testing.assert_array_equal(read(path), [-32, np.nan, 20])


def test_bytes_have_no_default_fill(tmp_path):
    path = written(tmp_path / "b.nc", np.array([255, 20, 0], "u1"), "u1", {"scale_factor": 0.25})
    np.testing.assert_array_equal(read(path), [63.75, 5, 0])


def test_unsigned_bytes_with_signed_attributes(tmp_path):
    # -1 is 255 (fill), the range 0 to -6 is 0 to 250, 252 is outside, -56 is 200
    attrs = {
        "_Unsigned": "true",
        "valid_range": np.array([0, -6], "i1"),
        "scale_factor": 0.5,
        "add_offset": -32.0,
    }
    path = written(tmp_path / "u.nc", np.array([-1, -4, -56, 0, 100, -6], "i1"), "i1", attrs, fill=np.int8(-1))
    np.testing.assert_array_equal(read(path), [np.nan, np.nan, 68, -32, 18, 93])


def test_signed_bytes_stay_signed(tmp_path):
    path = written(tmp_path / "s.nc", np.array([-20, 60, -128], "i1"), "i1", fill=np.int8(-128))
    np.testing.assert_array_equal(read(path), [-20, 60, np.nan])


def test_the_valid_range_is_packed_or_unpacked_by_its_type(tmp_path):
    packed = {"valid_min": np.int16(0), "valid_max": np.int16(100), "scale_factor": 0.5}
    np.testing.assert_array_equal(
        read(written(tmp_path / "p.nc", [-2, 0, 100, 101], "i2", packed)), [np.nan, 0, 50, np.nan]
    )
    values = {"valid_range": np.array([-10.0, 50.0]), "scale_factor": 0.5}
    np.testing.assert_array_equal(
        read(written(tmp_path / "v.nc", [-22, -20, 100, 101], "i2", values)), [np.nan, -10, 50, np.nan]
    )


def test_a_value_one_ulp_below_the_fill_is_a_value(tmp_path):
    fill = np.float32(70.0)
    path = written(tmp_path / "u.nc", [fill, np.nextafter(fill, np.float32(0))], "f4", {"missing_value": 70.0})
    found = read(path)
    assert np.isnan(found[0])
    assert found[1] == np.nextafter(fill, np.float32(0))


@pytest.mark.parametrize(("value", "attrs"), [(-1.0, {}), (-3.0, {}), (-9999.0, {})])
def test_negative_rain_is_refused_unless_explained(tmp_path, value, attrs):
    path = written(tmp_path / "r.nc", [value, 1, 0], "f4", attrs, units="mm h-1", name="rain")
    with pytest.raises(FileError, match=rf"got {value:g} mm/h"):
        CfNetcdf().open(path).compute()
    with netCDF4.Dataset(path, "a") as data:
        data["rain"].missing_value = np.float32(value)
    np.testing.assert_allclose(read(path), [np.nan, 23.0103, -32.0], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scale_factor", "abc", "attribute scale_factor is 'abc', expected a number"),
        ("add_offset", np.nan, "attribute add_offset is nan"),
        ("scale_factor", 0.0, "scale_factor is 0"),
        ("valid_range", np.array([1.0, 2.0, 3.0]), "valid_range has 3 values"),
        ("valid_range", np.array([2.0, 1.0]), "are 2.0 to 1.0, expected the lower first"),
        ("missing_value", "none", "attribute missing_value is 'none'"),
    ],
)
def test_attributes_that_are_no_numbers_are_named(tmp_path, name, value, words):
    with pytest.raises(FileError, match=rf"a\.nc: 'Z': .*{words}"):
        CfNetcdf().open(written(tmp_path / "a.nc", [1, 2], "f4", {name: value}))


def test_values_beyond_float32_are_refused_without_a_warning(tmp_path):
    path = written(tmp_path / "b.nc", [1e300, 10], "f8")
    with pytest.raises(FieldError, match="got values from 10 to inf"):
        check(CfNetcdf().open(path))


def test_the_scene_of_the_tests_holds_all_kinds(tmp_path):
    scene = cf.scene()
    scene.write(tmp_path / "s.nc")
    cf.assert_truth(CfNetcdf().open(tmp_path / "s.nc"), scene)
    for wrong in (
        scene.dbz[:, ::-1],
        np.where(scene.dbz > -32, scene.dbz / 2, scene.dbz),
        np.nan_to_num(scene.dbz, nan=-32.0),
    ):
        with pytest.raises(AssertionError):
            cf.assert_truth(CfNetcdf().open(tmp_path / "s.nc"), replace(scene, dbz=wrong))
    for wrong in (
        replace(scene, times=scene.times + np.timedelta64(1, "h")),
        replace(scene, y=scene.y + 1000.0),
        replace(scene, x=scene.x - 500.0),
    ):
        with pytest.raises(AssertionError):
            cf.assert_truth(CfNetcdf().open(tmp_path / "s.nc"), wrong)
