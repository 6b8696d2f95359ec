"""KNMI HDF5: reflectivity and accumulated rain, the end of the period, kilometres of the projection."""

import numpy as np
import pytest

from nowcast.core.errors import FileError, GridError, NowcastError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.knmi_h5 import KnmiH5
from tests.fakes.knmi import PROJECTION, write_knmi
from tests.shared_data import radar_folder


@pytest.fixture
def raw():
    codes = np.zeros((765, 700), np.uint8)
    codes[:, :100] = 255
    codes[10, 200:203] = 1, 64, 164
    return codes


def test_reflectivity_by_the_formula_and_nothing_back_is_no_echo(tmp_path, raw):
    field = KnmiH5().open(write_knmi(tmp_path / "k.h5", raw))
    assert field.values[0, 10, 200:203].tolist() == [-31.5, 0.0, 50.0]
    assert (field.values[0, 20, 100:] == -32.0).all()
    assert np.isnan(field.values[0, :, :100]).all()
    assert field.time.values[0] == np.datetime64("2010-08-26T01:40")
    assert "z_r_relation" not in field.attrs


def test_a_code_for_missing_that_is_the_one_outside_is_not_observed(tmp_path, raw):
    field = KnmiH5().open(write_knmi(tmp_path / "k.h5", raw, missing=255))
    assert np.isnan(field.values[0, :, :100]).all()
    assert (field.values[0, 20, 100:] == -32.0).all()
    corners = [0, 49.362, 0, 55.974, 10.856, 55.389, 9.009, 48.895]
    KnmiH5().open(write_knmi(tmp_path / "c.h5", raw, corners=corners))


def test_rain_is_a_rate_over_its_period(tmp_path, raw):
    """64 hundredths of a millimetre in 5 minutes are 7.68 mm/h: 10 lg(200 * 7.68^1.6) = 37.18 dBZ."""
    five = KnmiH5().open(write_knmi(tmp_path / "5.h5", raw, rain=True))
    assert five.values[0, 10, 201] == pytest.approx(37.178, abs=1e-2)
    assert five.values[0, 20, 300] == -32.0
    assert np.isnan(five.values[0, :, :100]).all()
    assert five.attrs["accumulation_hours"] == "0.08333"
    hour = KnmiH5().open(write_knmi(tmp_path / "60.h5", raw, start="26-AUG-2010;00:40:00.000", rain=True))
    assert five.values[0, 10, 201] - hour.values[0, 10, 201] == pytest.approx(16 * np.log10(12), abs=1e-3)


def test_gain_and_offset_of_rain_are_both_of_its_period(tmp_path, raw):
    """64 codes of 0.02 mm, less 0.08 mm, in 15 minutes are 4.8 mm/h; missing rain is not observed."""
    raw[20, 300] = 77
    path = write_knmi(
        tmp_path / "o.h5",
        raw,
        start="26-AUG-2010;01:25:00.000",
        rain=True,
        formula="GEO=0.02*PV+-0.08",
        missing=77,
    )
    values = KnmiH5().open(path).values[0]
    assert values[10, 201] == pytest.approx(10 * np.log10(200 * 4.8**1.6), abs=1e-4)
    assert np.isnan(values[20, 300])


def test_the_grid_lies_where_the_corners_of_the_files_say(tmp_path, raw):
    """geo_product_corners of the real files: 49.362 N 0 E lower left, 55.389 N 10.856 E upper right."""
    grid = Grid.of(KnmiH5().open(write_knmi(tmp_path / "g.h5", raw)))
    west, east, south, north = grid.extent
    lon, lat = grid.lonlat(np.array([south, north]), np.array([west, east]))
    assert (lat[0], lon[0]) == pytest.approx((49.362, 0.0), abs=1e-3)
    assert (lat[1], lon[1]) == pytest.approx((55.389, 10.856), abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"formula": "GEO=PV"}, "the calibration is 'GEO=PV'"),
        ({"end": "26-OKT-2010;01:40:00.000"}, "product_datetime_end is '26-OKT"),
        ({"projection": "+proj=merc +lat_0=0"}, "expected .proj=stere"),
        ({"rain": True, "start": "26-AUG-2010;01:40:00.000"}, "its period lasts 0 h"),
        ({"end": "26-AUG-0001;01:40:00.000"}, "product_datetime_end is '26-AUG-0001"),
        ({"projection": f"{PROJECTION} +k_0=0.9"}, "and nothing else"),
        ({"projection": PROJECTION.replace("+x_0=0", "+x_0=500")}, "and nothing else"),
        ({"projection": PROJECTION.replace("6378.137", "6378137")}, "expected kilometres"),
        ({"unit": "M,M"}, "M,M on a radius"),
        ({"outside": 65535}, "codes of 0 to 255"),
        ({"formula": "GEO=-0.5*PV+0"}, "expected a gain above 0"),
        ({"corners": [0, 49.362, 0, 55.974, 10.856, 55.389, 9.009, 47.0]}, "up to 1.9. degrees"),
    ],
)
def test_what_cannot_be_is_one_clear_error(tmp_path, raw, changed, message):
    path = write_knmi(tmp_path / "bad.h5", raw, **changed)
    with pytest.raises(NowcastError, match=message) as caught:
        KnmiH5().open(path)
    assert isinstance(caught.value, FileError | GridError)
    assert "bad.h5" in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "name", "low", "high"),
    [
        ("knmi_hdf5_20100826", "RAD_NL25_RAP_5min_201008260140.h5", 30, 40),
        ("single_files", "RAD_NL25_PCP_CM_202106222000.h5", 30, 60),
    ],
)
def test_real_files(folder, name, low, high):
    path = radar_folder(folder) / name
    assert find_reader(path).name == "knmi_h5"
    values = KnmiH5().open(path).values
    assert low < np.nanmax(values) < high
    assert 0.1 < np.isnan(values).mean() < 0.8
