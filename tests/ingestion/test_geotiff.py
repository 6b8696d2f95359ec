"""GeoTIFF: unit, absence, place and time by tag or mapping; what the file does not say is refused."""

import importlib
import sys

import numpy as np
import pytest

from nowcast.core.errors import FileError, GridError, MissingExtraError, NowcastError, SettingsError, TimeError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.ingestion.mapped.reader import mapped
from nowcast.ingestion.mapped.settings import CodeSettings, GridSettings, Mapping, TimeSettings
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.geotiff import GeoTiff
from nowcast.products.geotiff import write_geotiff as write_product
from tests.fakes.geotiff import fmi_items, write_geotiff
from tests.shared_data import radar_folder

rasterio = pytest.importorskip("rasterio")
TIME = "2024-05-06T12:05"
RAW = np.array([[255, 255, 0, 1], [0, 64, 100, 170], [200, 0, 90, 255]], np.uint8)
DBZ = np.where(RAW == 255, np.nan, np.where(RAW == 0, -32, RAW / 2 - 32)).astype(np.float32)
FLOATS = np.array([[np.nan, -32, 10.5], [0, 55, 20]], np.float32)


def opened(path, reader=None):
    return check((reader or find_reader(path)).open(path))


def named(folder, name="radar_202405061205.tif"):
    return folder / name


def test_what_fmi_says_in_its_text_of_items(tmp_path):
    field = opened(write_geotiff(tmp_path / "f.tif", RAW, {"GDAL_METADATA": fmi_items(TIME)}))
    np.testing.assert_array_equal(field.values[0], DBZ)
    assert str(field.time.values[0])[:16] == TIME
    assert field.attrs["quantity"] == "Corrected reflectivity"
    grid = Grid.of(field)
    assert grid.extent == (100_000.0, 104_000.0, 6_994_000.0, 7_000_000.0)
    assert grid.crs.equals(rasterio_crs("EPSG:3067"))


def rasterio_crs(text):
    import pyproj

    return pyproj.CRS.from_user_input(text)


def test_a_rain_rate_of_whole_numbers_with_gdals_own_tags(tmp_path):
    raw = np.array([[0, 10, 65535], [25, 0, 100]], np.uint16)
    path = write_geotiff(named(tmp_path), raw, nodata=65535, unit="mm/h", scale=0.1, offset=0.0)
    rate = np.array([[0, 1, np.nan], [2.5, 0, 10]])
    with np.errstate(divide="ignore"):
        expected = np.maximum(10 * np.log10(300 * rate**1.4), -32)
    np.testing.assert_allclose(opened(path, GeoTiff("wsr88d")).values[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"upward": True},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
        {"compress": "lzw", "predictor": 2},
        {"compress": "deflate", "BIGTIFF": "YES"},
        {"interleave": "band", "compress": "zstd"},
    ],
)
def test_any_layout_and_direction_of_rows(changes, tmp_path):
    raw = RAW[::-1] if changes.get("upward") else RAW
    tags = {"units": "dBZ", "gain": "0.5", "offset": "-32", "undetect": "0"}
    path = write_geotiff(named(tmp_path), raw, tags, 255, **changes)
    field = opened(path)
    np.testing.assert_array_equal(field.values[0], DBZ)
    assert Grid.of(field).y[0] == 6_999_000.0


def test_a_cloud_optimised_one_with_overviews(tmp_path):
    raw = np.tile(RAW, (200, 200))
    path = write_geotiff(tmp_path / "plain.tif", raw, {"GDAL_METADATA": fmi_items(TIME)}, compress="deflate")
    cog = tmp_path / "cog.tif"
    importlib.import_module("rasterio.shutil").copy(path, cog, driver="COG", compress="deflate")
    np.testing.assert_array_equal(opened(cog).values[0], np.tile(DBZ, (200, 200)))


def test_a_mask_says_what_was_not_observed(tmp_path):
    mask = np.where(RAW == 255, 0, 255).astype(np.uint8)
    path = write_geotiff(
        named(tmp_path), RAW, {"gain": "0.5", "offset": "-32", "undetect": "0"}, unit="dBZ", mask=mask
    )
    np.testing.assert_array_equal(opened(path).values[0], DBZ)


def test_pixels_of_points_lie_half_a_cell_further(tmp_path):
    path = write_geotiff(named(tmp_path), FLOATS, {"AREA_OR_POINT": "Point"}, unit="dBZ")
    with rasterio.open(path) as data:
        bounds = data.bounds
    assert Grid.of(opened(path)).extent == pytest.approx((bounds.left, bounds.right, bounds.bottom, bounds.top))


@pytest.mark.parametrize(
    ("tags", "name", "time"),
    [
        ({"Observation time": "202405061205"}, "x.tif", TIME),
        ({}, "VMI_20240506_1205.tif", TIME),
        ({"valid_time": "2024-05-06T14:05+02:00"}, "x.tif", TIME),
        ({"time": "20240506120530"}, "202001010000.tif", "2024-05-06T12:05:30"),
        ({"TIFFTAG_DATETIME": "2030:01:01 00:00:00"}, "20240506T120500_Z.tif", TIME),
    ],
)
def test_the_time_is_a_tag_or_else_in_the_name(tags, name, time, tmp_path):
    path = write_geotiff(tmp_path / name, FLOATS, tags, unit="dBZ")
    assert opened(path).time.values[0] == np.datetime64(time, "ns")


@pytest.mark.parametrize(
    "name",
    ["06-05-2024-12-05.tif", "x.tif", "20240506.tif", "209913011205.tif", "202405061205_202405061210.tif"],
)
def test_an_ambiguous_time_is_refused_with_what_to_do(name, tmp_path):
    path = write_geotiff(tmp_path / name, FLOATS, {"TIFFTAG_DATETIME": "2024:05:06 12:05:00"}, unit="dBZ")
    with pytest.raises(TimeError, match=r"--mapping"):
        find_reader(path).open(path)


@pytest.mark.parametrize(
    ("raw", "settings", "error", "said"),
    [
        (RAW, {"unit": "dBZ"}, FileError, "holds whole numbers and declares no nodata, expected what"),
        (RAW, {"nodata": 255}, FileError, "its unit is 'not stated', expected dBZ or a rain rate"),
        (FLOATS, {"unit": "K"}, FileError, "its unit is 'K', expected dBZ or a rain rate"),
        (FLOATS, {"unit": "mm"}, FileError, "its unit is 'mm', expected a rate, as no tag states the period"),
        (
            np.stack([FLOATS, FLOATS]),
            {"unit": "dBZ"},
            FileError,
            "holds 2 bands or pictures, expected one frame",
        ),
        (FLOATS.astype(np.complex64), {"unit": "dBZ"}, FileError, "holds values of type complex64"),
        (FLOATS, {"unit": "dBZ", "crs": None}, GridError, "names no projection, expected one"),
        (
            FLOATS,
            {"unit": "dBZ", "transform": rasterio.Affine(1, 0.2, 0, 0.1, -1, 0)},
            GridError,
            "its cells are",
        ),
        (FLOATS, {"unit": "dBZ", "transform": rasterio.Affine(-1, 0, 0, 0, -1, 0)}, GridError, "its cells are"),
        (
            FLOATS,
            {"unit": "dBZ", "tags": {"nodata": "none"}},
            FileError,
            "its nodata is 'none', expected a number",
        ),
        (FLOATS, {"unit": "dBZ", "tags": {"gain": "0"}}, FileError, "its gain is 0"),
        (np.where(np.isnan(FLOATS), -9999, FLOATS), {"unit": "dBZ"}, FileError, "got -9999 dBZ, expected at"),
        (
            np.full((64, 64), 7, np.uint8),
            {"unit": "dBZ", "tags": {"nodata": "255"}, "sparse_ok": True},
            FileError,
            "lacks the block 0, 0 and declares no nodata",
        ),
        (
            FLOATS,
            {"unit": "dBZ", "tags": {"forecast_reference_time": "2024-05-06"}},
            FileError,
            "is a forecast",
        ),
    ],
)
def test_what_the_file_does_not_say_is_refused(raw, settings, error, said, tmp_path):
    path = write_geotiff(named(tmp_path), raw, **settings)
    with pytest.raises(error) as caught:
        opened(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_products_of_the_package_are_forecasts(tmp_path):
    write_geotiff(named(tmp_path), FLOATS, unit="dBZ")
    grid = Grid.of(opened(named(tmp_path)))
    path = write_product(tmp_path / "own_202405061205.tif", FLOATS, np.datetime64(TIME, "ns"), grid)
    with pytest.raises(FileError, match="is a forecast"):
        find_reader(path).open(path)


def test_a_mapping_says_what_the_file_does_not(tmp_path):
    raw = np.where(np.isnan(FLOATS), -9999, FLOATS)
    path = write_geotiff(tmp_path / "06-05-2024-12-05.tif", raw, crs=None)
    said = Mapping(
        "dpc",
        unit="dBZ",
        not_observed=CodeSettings(below=-100.0),
        source="DPC",
        licence="CC BY-SA 4.0",
        time=TimeSettings(file_name="%d-%m-%Y-%H-%M"),
        grid=GridSettings(crs="EPSG:3067"),
    )
    field = opened(path, mapped(said))
    np.testing.assert_array_equal(field.values[0], FLOATS)
    assert str(field.time.values[0])[:16] == TIME
    assert (field.attrs["source"], field.attrs["licence"]) == ("DPC", "CC BY-SA 4.0")
    amounts = Mapping(
        "sum",
        unit="mm",
        period_minutes=5.0,
        z_r="radolan",
        not_observed=CodeSettings((255.0,)),
        scale=0.01,
        grid=GridSettings(crs="EPSG:3067"),
    )
    path = write_geotiff(named(tmp_path), RAW, crs=None)
    field = opened(path, mapped(amounts))
    assert field.values[0, 1, 2] == pytest.approx(10 * np.log10(256 * 12.0**1.42), abs=1e-4)
    assert np.isnan(field.values[0, 0, 0])
    assert field.attrs["accumulation_hours"] == "0.0833333"
    with pytest.raises(SettingsError, match="unit: got nothing"):
        mapped(Mapping("nothing", grid=GridSettings(crs="EPSG:3067"))).open(path)


def test_without_its_library_the_error_names_the_extra(tmp_path, monkeypatch):
    path = write_geotiff(named(tmp_path), FLOATS, unit="dBZ")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"reading GeoTIFF needs the library 'rasterio'.*\[geotiff\]"):
        find_reader(path).open(path)


def test_no_file_beside_it_is_read(tmp_path):
    path = write_geotiff(named(tmp_path), RAW, unit="dBZ")
    beside = "<PAMDataset><PAMRasterBand band='1'><NoDataValue>255</NoDataValue></PAMRasterBand></PAMDataset>"
    (tmp_path / f"{path.name}.aux.xml").write_text(beside, encoding="ascii")
    with pytest.raises(NowcastError, match="declares no nodata"):
        find_reader(path).open(path)


def test_every_pixel_and_corner_of_a_real_file():
    path = sorted(radar_folder("fmi_geotiff_20160928").iterdir())[0]
    field = find_reader(path).open(path)
    found = field.values[0]
    with rasterio.open(path) as data:
        raw, bounds = data.read(1), data.bounds
    np.testing.assert_array_equal(np.isnan(found), raw == 255)
    np.testing.assert_array_equal(found == -32, raw == 0)
    echo = (raw > 0) & (raw < 255)
    np.testing.assert_array_equal(found[echo], np.float32(0.5) * raw[echo] - np.float32(32))
    edges = bounds.left, bounds.right, bounds.bottom, bounds.top
    assert Grid.of(field).extent == pytest.approx(edges, abs=2.5)  # a hundredth of a cell of 250 m
    assert str(field.time.values[0])[:16] == "2016-09-28T14:45"
