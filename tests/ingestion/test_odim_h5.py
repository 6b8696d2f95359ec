"""ODIM_H5: three producers' flavours, exact values, and a georeference that agrees with the corners."""

import h5py
import numpy as np
import pyproj
import pytest

from nowcast.core import stripes
from nowcast.core.errors import FileError, GridError, NowcastError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.odim_h5 import OdimH5
from nowcast.products.odim_h5 import write_composite
from tests.fakes import odim
from tests.fakes.fields import projected_grid
from tests.shared_data import radar_folder


def test_opera_rates_become_dbz_with_three_kinds_of_absence_apart(tmp_path):
    raw = np.array([[odim.OPERA_NODATA, odim.OPERA_UNDETECT, 0.0], [1.0, 10.0, 100.0]])
    field = OdimH5().open(odim.write_opera(tmp_path / "o.hdf", raw))
    # by hand: 10 log10(200) + 16 log10(R) = 23.0103, 39.0103, 55.0103
    expected = [[np.nan, -32.0, -32.0], [23.0103, 39.0103, 55.0103]]
    np.testing.assert_allclose(field.values[0], expected, atol=1e-4)
    assert "marshall_palmer" in field.attrs["z_r_relation"]
    assert field.time.values[0] == np.datetime64("2018-08-24T18:00")


def test_rates_read_a_few_rows_at_a_time_are_the_same(tmp_path, monkeypatch):
    raw = np.random.default_rng(1).gamma(0.5, 4.0, (23, 9))
    raw[::5, 2:4], raw[3, :] = odim.OPERA_NODATA, odim.OPERA_UNDETECT
    path = odim.write_opera(tmp_path / "o.hdf", raw)
    whole = OdimH5().open(path).values
    monkeypatch.setattr(stripes, "_PIXELS", 40)
    np.testing.assert_array_equal(OdimH5().open(path).values, whole)
    raw[20, 5], raw[22, 1] = -7.0, -3.0
    with pytest.raises(FileError, match="got -7 mm/h"):
        OdimH5().open(odim.write_opera(tmp_path / "code.hdf", raw)).compute()


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


@pytest.mark.parametrize(
    ("cells", "folder", "pattern"),
    [
        (0.01, "opera_odim_20180824", "*.hdf"),
        (0.01, "single_files", "belgium.comp.hdf"),
        (0.55, "single_files", "composite_swe_gmap.h5"),
    ],
)
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


def put(path, place="dataset1/data1/what", **attrs):
    with h5py.File(path, "a") as file:
        group = file.require_group(place)
        for name, value in attrs.items():
            group.attrs[name] = np.bytes_(value) if isinstance(value, str) else value
    return path


@pytest.mark.parametrize("kind", ["f2", "f4", ">f4", "f8", "i2", "<i4"])
def test_absence_is_found_in_the_arrays_own_type(kind, tmp_path):
    """-9999.9 as float64 equals no number of a float32 array; as float32 it does."""
    whole = kind.strip("<>")[0] == "i"
    nodata, undetect = (-9999.0, -8888.0) if whole else (-9999.9, -8888.8)
    raw = np.array([[nodata, undetect, 20.0], [21.0, undetect, nodata]]).astype(kind)
    path = odim.write_sweden(tmp_path / "t.h5", raw, gain=1.0, offset=0.0, nodata=nodata, undetect=undetect)
    values = OdimH5().open(path).values[0]
    np.testing.assert_array_equal(values, np.float32([[np.nan, -32, 20], [21, -32, np.nan]]))


def test_nan_stands_for_what_the_file_says_it_does(tmp_path):
    raw = np.array([[np.nan, -1.0], [5.0, np.nan]], np.float32)
    path = odim.write_sweden(tmp_path / "n.h5", raw, gain=1.0, offset=0.0, nodata=np.nan, undetect=-1.0)
    np.testing.assert_array_equal(OdimH5().open(path).values[0], np.float32([[np.nan, -32], [5, np.nan]]))
    path = odim.write_sweden(tmp_path / "u.h5", raw, gain=1.0, offset=0.0, nodata=-1.0, undetect=np.nan)
    np.testing.assert_array_equal(OdimH5().open(path).values[0], np.float32([[-32, np.nan], [5, -32]]))


def test_where_two_whats_contradict_each_other_the_nearest_holds_name_by_name(tmp_path):
    raw = np.array([[0, 7], [9, 20]], np.uint8)
    path = odim.write_sweden(tmp_path / "c.h5", raw, gain=0.5, offset=-20.0, nodata=9.0, undetect=7.0)
    put(path, "dataset1/what", gain=3.0, offset=1.0, nodata=20.0, undetect=0.0, quantity="VRAD")
    put(path, "what", gain=5.0, nodata=0.0)
    np.testing.assert_array_equal(OdimH5().open(path).values[0], np.float32([[-20, -32], [np.nan, -10]]))
    with h5py.File(path, "a") as file:
        del file["dataset1/data1/what"].attrs["nodata"]
    np.testing.assert_array_equal(OdimH5().open(path).values[0], np.float32([[-20, -32], [-15.5, np.nan]]))


def test_gain_and_offset_of_an_accumulation_are_both_of_its_period(tmp_path):
    """Codes 2 and 20 of 0.2 mm, less 0.3 mm, in half an hour: 0.2 and 7.4 mm/h."""
    path = odim.write_belgium(tmp_path / "b.hdf", np.array([[2.0, 20.0]] * 2), minutes=30)
    values = OdimH5().open(put(path, "dataset1/data1/what", gain=0.2, offset=-0.3)).values[0, 0]
    np.testing.assert_allclose(values, 10 * np.log10(200 * np.array([0.2, 7.4]) ** 1.6), atol=1e-4)


def test_the_where_of_the_data_set_holds_before_that_of_the_file(tmp_path):
    path = odim.write_belgium(tmp_path / "b.hdf", np.zeros((4, 6)))
    put(path, "where", xscale=900.0, yscale=1100.0, xsize=9, ysize=9)
    assert Grid.of(OdimH5().open(path)).spacing == pytest.approx((1000.0, 1000.0))


def test_data_sets_are_in_the_order_of_their_numbers(tmp_path):
    path = odim.write_sweden(tmp_path / "n.h5", np.full((4, 5), 100, np.uint8), quantity="VRAD")
    with h5py.File(path, "a") as file:
        for number in (10, 2):
            group = file.create_group(f"dataset{number}/data1")
            group["data"] = np.full((4, 5), number, np.float32)
            group.create_group("what").attrs["quantity"] = np.bytes_("DBZH")
    assert (OdimH5().open(path).values == 2.0).all()


def test_a_projection_in_kilometres_is_one_of_metres(tmp_path):
    raw = np.zeros((4, 6))
    path = odim.write_belgium(tmp_path / "k.hdf", raw, xscale=False)
    metres = Grid.of(OdimH5().open(path))
    put(path, "where", projdef=odim.BELGIUM.replace("units=m", "units=km"))
    found = Grid.of(OdimH5().open(path))
    assert found.crs.axis_info[0].unit_name == "metre"
    np.testing.assert_allclose(found.x, metres.x, atol=0.5)
    np.testing.assert_allclose(found.y, metres.y, atol=0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gain": "abc"}, r"dataset1/data1/what/gain: got 'abc', expected a number"),
        ({"offset": np.nan}, r"dataset1/data1/what/offset: got nan, expected a finite number"),
        ({"gain": 0.0}, r"gain: got 0, expected a number that tells values apart"),
        ({"gain": np.array([0.5, 1.0])}, r"gain: got '\[0\.5 1\. \]', expected a number"),
        ({"nodata": "none"}, r"nodata: got 'none', expected a number"),
        ({"undetect": ""}, r"undetect: got '', expected a number"),
    ],
)
def test_an_attribute_that_is_no_number_is_one_line_of_that_file(changes, said, tmp_path):
    path = put(odim.write_sweden(tmp_path / "a.h5", np.full((4, 5), 9, np.uint8)), **changes)
    with pytest.raises(FileError, match=rf"a\.h5: .*{said}") as caught:
        OdimH5().open(path)
    assert "damaged" not in str(caught.value)


def test_a_missing_gain_and_offset_are_those_of_the_standard(tmp_path):
    path = odim.write_sweden(tmp_path / "g.h5", np.array([[0, 255], [20, 30]], np.uint8))
    with h5py.File(path, "a") as file:
        del file["dataset1/data1/what"].attrs["gain"], file["dataset1/data1/what"].attrs["offset"]
    np.testing.assert_array_equal(OdimH5().open(path).values[0], np.float32([[-32, np.nan], [20, 30]]))


@pytest.mark.parametrize(
    "where",
    [
        {"projdef": "+proj=merc +nadgrids=/dev/zero"},
        {"LL_lon": "west"},
        {"xscale": "abc"},
        {"ysize": "many"},
        {"UR_lat": np.inf},
    ],
)
def test_a_georeference_that_is_none_is_one_line(where, tmp_path):
    path = put(odim.write_sweden(tmp_path / "g.h5", np.full((4, 5), 9, np.uint8)), "where", **where)
    with pytest.raises(NowcastError, match=r"g\.h5: .*got '?(\+nadgrids|west|abc|many|inf)"):
        OdimH5().open(path)


@pytest.mark.parametrize("mark", ["forecast_reference_time", "nowcast_issued"])
def test_a_forecast_of_this_package_is_no_observation(mark, tmp_path):
    grid = projected_grid(6, 8)
    path = write_composite(
        tmp_path / "f.h5",
        np.full((6, 8), 20, np.float32),
        np.datetime64("2025-03-01T12:10"),
        grid,
        how={mark: "2025-03-01T12:00:00Z"},
    )
    with pytest.raises(FileError, match=r"f\.h5: is a forecast .forecast reference time 2025-03-01T12:00:00Z"):
        OdimH5().open(path)


@pytest.mark.parametrize(
    ("time", "read"), [("1200", None), ("12:00:00", None), (120000, "12:00"), (500, "00:05")]
)
def test_a_time_of_another_length_is_not_read_as_minutes_past_midnight(tmp_path, time, read):
    path = odim.write_sweden(tmp_path / "s.h5", np.full((3, 4), 100, np.uint8))
    with h5py.File(path, "r+") as file:
        file["what"].attrs["time"] = np.bytes_(time) if isinstance(time, str) else time
        for what in (file["dataset1/what"].attrs, file["dataset1/data1/what"].attrs):
            for name in ("startdate", "starttime"):
                what.pop(name, None)
    if read is None:
        with pytest.raises(FileError, match=f"give '20090501{time}', expected YYYYMMDD and HHMMSS"):
            OdimH5().open(path)
    else:
        assert OdimH5().open(path).time.values[0] == np.datetime64(f"2009-05-01T{read}")


@pytest.mark.parametrize(("minutes", "good"), [(-5, True), (0, True), (4, True), (5, False), (30, False)])
def test_data_that_begin_well_after_their_time_are_a_forecast(tmp_path, minutes, good):
    """Producers mark no forecasts; what begins half an hour after the time of the file is none observed."""
    path = odim.write_sweden(tmp_path / "s.h5", np.full((8, 10), 100, np.uint8))
    start = odim._split(np.datetime64("2009-05-01T12:00", "s") + np.timedelta64(minutes, "m"))
    with h5py.File(path, "r+") as file:
        odim._what(file["dataset1"], startdate=start[0], starttime=start[1])
    if good:
        assert OdimH5().open(path).time.values[0] == np.datetime64("2009-05-01T12:00")
        return
    with pytest.raises(FileError, match=r"is a forecast \(its data begin at 2009-05-01T12"):
        OdimH5().open(path)
