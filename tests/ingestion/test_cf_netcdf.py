"""CF netCDF: the Italian days and what else the conventions allow."""

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError, GridError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf
from tests.shared_data import radar_folder


def test_italian_codes_are_exact(tmp_path):
    raw = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    raw = raw[:, :, :13]  # 128 dBZ and the like do not occur
    raw = np.minimum(raw, 200)
    raw[0, 0, 0], raw[0, 15, 12] = 0, 255
    values = CfNetcdf().open(cf.write_italian(tmp_path / "i.nc", raw, cf.times("2025-02-01", 1))).values
    np.testing.assert_array_equal(values, cf.truth(raw))


def test_zero_is_no_echo_only_where_the_file_says_so(tmp_path):
    raw = np.array([[[0, 40], [40, 255]]], np.uint8)
    path = cf.write_italian(tmp_path / "i.nc", raw, cf.times("2025-02-01", 1), comment=False)
    np.testing.assert_array_equal(CfNetcdf().open(path).values[0], [[0.0, 20.0], [20.0, np.nan]])
    with netCDF4.Dataset(path, "a") as data:
        data["reflectivity"].setncatts({"flag_values": np.uint8([0]), "flag_meanings": "no_echo"})
    np.testing.assert_array_equal(CfNetcdf().open(path).values[0], [[-32.0, 20.0], [20.0, np.nan]])


def test_rows_from_south_to_north_are_turned(tmp_path):
    raw, times = cf.frames(2), cf.times("2025-02-01", 2)
    north = CfNetcdf().open(cf.write_italian(tmp_path / "n.nc", raw, times))
    south = CfNetcdf().open(cf.write_italian(tmp_path / "s.nc", raw, times, rising=True))
    np.testing.assert_array_equal(north.values, south.values)
    np.testing.assert_allclose(north.y, south.y)


def test_times_in_disorder_are_sorted_with_their_frames(tmp_path):
    raw, times = cf.frames(3), cf.times("2025-02-01", 3)
    order = [2, 0, 1]
    field = CfNetcdf().open(cf.write_italian(tmp_path / "d.nc", raw[order], times[order]))
    np.testing.assert_array_equal(field.time, times)
    np.testing.assert_array_equal(field.values, cf.truth(raw))
    twice = cf.write_italian(tmp_path / "t.nc", raw, times[[0, 1, 1]])
    with pytest.raises(FileError, match=r"t\.nc: got 2025-02-01T00:10:00Z twice"):
        CfNetcdf().open(twice)


def _projected(path, units="mm h-1", metres="km", mapping=True, standard="lwe_precipitation_rate"):
    with netCDF4.Dataset(path, "w") as data:
        for name, size in (("y", 3), ("x", 4)):
            data.createDimension(name, size)
            var = data.createVariable(name, "f4", (name,))
            var.units = metres
            var[:] = np.arange(size)
        if mapping:
            crs = data.createVariable("proj", "i4", ())
            crs.setncatts(
                {
                    "grid_mapping_name": "lambert_azimuthal_equal_area",
                    "longitude_of_projection_origin": 10.0,
                    "latitude_of_projection_origin": 55.0,
                    "semi_major_axis": 6378137.0,
                    "inverse_flattening": 298.257223563,
                }
            )
        stamp = data.createVariable("valid_time", "f8", ())
        stamp.setncatts({"standard_name": "time", "units": "hours since 2025-01-01 00:00 UTC"})
        stamp[...] = 1.0 / 3.0
        var = data.createVariable("rain", "i2", ("y", "x"), fill_value=-1)
        var.set_auto_maskandscale(False)
        var.setncatts({"units": units, "standard_name": standard, "scale_factor": 0.1})
        if mapping:
            var.grid_mapping = "proj"
        var[:] = [[-1, 0, 10, 100]] * 3
    return path


def test_projected_rain_rates_become_dbz(tmp_path):
    field = check(CfNetcdf().open(_projected(tmp_path / "p.nc")))
    # 1 and 10 mm/h, rows turned north to south, kilometres to metres, 20 minutes past
    np.testing.assert_allclose(field.values[0, 0], [np.nan, -32.0, 23.0103, 39.0103], atol=1e-4)
    np.testing.assert_array_equal(field.y, [2000.0, 1000.0, 0.0])
    assert field.time.values[0] == np.datetime64("2025-01-01T00:20")
    assert not Grid.of(field).geographic


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"mapping": False}, GridError, "no grid_mapping"),
        ({"metres": "K"}, GridError, "has units 'K', expected m or km"),
        ({"units": "kg m-2"}, FileError, "expected exactly one"),
    ],
)
def test_what_is_refused_says_why(tmp_path, change, error, words):
    with pytest.raises(error, match=rf"r\.nc.*{words}"):
        CfNetcdf().open(_projected(tmp_path / "r.nc", **change))


def test_a_file_without_reflectivity_or_rain_says_what_it_holds(tmp_path):
    with pytest.raises(FileError, match=r"k\.nc: holds 'rain' in 'K', expected exactly one variable"):
        CfNetcdf().open(_projected(tmp_path / "k.nc", units="K"))


def test_a_real_day_equals_its_raw_bytes():
    path = sorted(radar_folder("dpc_north_cf_netcdf").glob("*.nc"))[0]
    field = check(CfNetcdf().open(path), values=False)
    with netCDF4.Dataset(path) as data:
        data.set_auto_maskandscale(False)
        raw = data["reflectivity"][50:52]
        lat, lon, stamps = data["lat"][:], data["lon"][:], data["time"][:]
    np.testing.assert_array_equal(field[50:52].values, cf.truth(raw))
    np.testing.assert_allclose(field.y, lat, atol=1e-9)
    np.testing.assert_allclose(field.x, lon, atol=1e-9)
    np.testing.assert_array_equal(field.time.values.astype("datetime64[s]").astype(int), stamps)
    km = Grid.of(field).cell_km
    assert km == pytest.approx((1.015, 1.05), abs=0.06)
