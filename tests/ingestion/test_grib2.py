"""GRIB2: packings, directions, codes of absence and periods by hand, made byte by byte; the real files."""

import gzip
import sys
import warnings

import numpy as np
import pytest

from nowcast.core.errors import FileError, GridError, MissingExtraError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.core.rain import z_r
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.grib2 import Grib2
from nowcast.ingestion.readers.grib2_products import _PRODUCTS
from tests.fakes import grib2
from tests.shared_data import radar_folder

pytest.importorskip("eccodes")
TIME = "2024-05-06T12:02:38"
CODES = np.array(
    [[-999.0, -99.0, -31.9, 0.0, 12.5], [55.5, -999.0, -99.0, 30.0, 31.0], [-99.0, 20.0, 1, 2, 3.1]]
)
DBZ = np.where(CODES == -999, np.nan, np.where(CODES == -99, -32, CODES)).astype(np.float32)
RAIN = np.array([[-3.0, -1.0, 0.0, 0.1, 10.0], [100.0, 0.0, 0, 0, 1.0]])


def written(path, *messages):
    path.write_bytes(gzip.compress(b"".join(messages)) if path.suffix == ".gz" else b"".join(messages))
    return path


def opened(path):
    return check(find_reader(path).open(path))


@pytest.mark.parametrize(
    "packing",
    [
        {},
        {"template": 0},
        {"template": 0, "decimal": 2, "reference": -99900.0, "bits": 32},
        {"template": 0, "bits": 32, "binary": -10},
    ],
)
@pytest.mark.parametrize("name", ["a.grib2", "a.grib2.gz"])
def test_reflectivity_and_what_is_absent(packing, name, tmp_path):
    field = opened(written(tmp_path / name, grib2.message(CODES, TIME, **packing)))
    np.testing.assert_allclose(field.values[0], DBZ, rtol=0, atol=2e-3)
    assert (field.values[0] == -32).sum() == 3
    assert str(field.time.values[0]) == "2024-05-06T12:02:38.000000000"
    assert field.attrs["quantity"] == "MergedReflectivityQCComposite"
    assert "z_r_relation" not in field.attrs


@pytest.mark.parametrize("scan", [0, 0x40, 0x80, 0xC0])
def test_rows_and_columns_in_any_direction(scan, tmp_path):
    stored = CODES[:: -1 if scan & 0x40 else 1, :: -1 if scan & 0x80 else 1]
    first = (39.96 if scan & 0x40 else 40.0, 250.04 if scan & 0x80 else 250.0)
    field = opened(written(tmp_path / "s.grib2", grib2.message(stored, TIME, scan=scan, first=first)))
    np.testing.assert_allclose(field.values[0], DBZ, atol=1e-4)
    grid = Grid.of(field)
    np.testing.assert_allclose(grid.y, [40.0, 39.98, 39.96], atol=1e-9)
    np.testing.assert_allclose(grid.x, -110 + 0.01 * np.arange(5), atol=1e-9)


@pytest.mark.parametrize("increments", [True, False])
def test_longitudes_across_greenwich(increments, tmp_path):
    message = grib2.message(CODES, TIME, first=(50.0, 359.98), increments=increments, last=(49.96, 0.02))
    field = opened(written(tmp_path / "g.grib2", message))
    np.testing.assert_allclose(field.x.values, [-0.02, -0.01, 0.0, 0.01, 0.02], atol=1e-9)


@pytest.mark.parametrize(("number", "hours"), [(1, 0), (2, 1), (3, 3), (6, 24), (45, 0.25), (30, 1), (41, 24)])
def test_rates_and_sums_with_their_period(number, hours, tmp_path):
    path = written(tmp_path / "r.grib2", grib2.message(RAIN, TIME, (209, 6, number), reference=-30.0))
    field = opened(path)
    rate = RAIN / (hours or 1)
    expected = np.where(RAIN < 0, np.nan, np.maximum(10 * np.log10(200 * np.maximum(rate, 1e-9) ** 1.6), -32))
    np.testing.assert_allclose(field.values[0], expected, atol=1e-4)
    assert float(field.attrs.get("accumulation_hours", 0)) == hours


def test_the_tables_of_the_wmo_with_a_bitmap(tmp_path):
    bitmap = np.array([[True, True, False, True], [False, True, True, True]])
    values = np.array([[20.0, 31.5, 0, -5.0], [0, 44.0, 0.0, 9.5]])
    for parameter in ((0, 16, 5), (0, 15, 1), (0, 16, 4)):
        field = opened(
            written(
                tmp_path / "w.grib2",
                grib2.message(values, TIME, parameter, template=0, bitmap=bitmap, centre=7),
            )
        )
        np.testing.assert_allclose(field.values[0], np.where(bitmap, values, np.nan), atol=1e-4)
    rates = np.array([[0.001, 0.002, 0.0, 0.01], [0, 0.0, 0.001, 0.001]])  # kg m-2 s-1
    field = opened(
        written(
            tmp_path / "p.grib2",
            grib2.message(
                rates, TIME, (0, 1, 7), template=0, bitmap=bitmap, centre=7, decimal=3, reference=0.0
            ),
        )
    )
    assert field.values[0, 0, 0] == pytest.approx(10 * np.log10(200 * 3.6**1.6), abs=1e-4)
    assert np.isnan(field.values[0, 0, 2])
    assert field.values[0, 1, 1] == -32


def test_messages_are_frames_in_the_order_of_time(tmp_path):
    path = written(
        tmp_path / "m.grib2.gz",
        *(
            grib2.message(CODES + shift, f"2024-05-06T12:0{minute}")
            for shift, minute in ((0, 4), (1, 0), (2, 2))
        ),
    )  # -998 is no code
    with pytest.raises(FileError, match="holds values below what there can be, expected at least -90 dBZ"):
        opened(path)
    path = written(
        tmp_path / "n.grib2.gz",
        *(
            grib2.message(np.full((3, 4), dbz), f"2024-05-06T12:0{minute}")
            for dbz, minute in ((10, 4), (20, 0), (30, 2))
        ),
    )
    field = opened(path)
    np.testing.assert_array_equal(field.values[:, 0, 0], [20, 30, 10])
    assert field.data.chunks[0] == (1, 1, 1)
    assert str(field.time.values[0])[11:16] == "12:00"


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"lead": 60}, FileError, r"is a forecast \(60 ahead\), expected an observation"),
        ({"parameter": (209, 6, 0)}, FileError, r"holds parameter 209\.6\.0 of US NOAA .*, expected refl"),
        ({"parameter": (209, 6, 16)}, FileError, r"holds parameter 209\.6\.16"),
        ({"centre": 7}, FileError, r"holds parameter 209\.10\.0"),
        ({"scan": 0x20}, GridError, "expected regular latitudes and longitudes row by row"),
        ({"first": (95.0, 0.0)}, GridError, "expected places on the Earth"),
        ({"last": (39.0, 250.04)}, GridError, "which do not meet"),
    ],
)
def test_what_is_not_read_is_named(changes, error, said, tmp_path):
    path = written(tmp_path / "x.grib2", grib2.message(CODES, TIME, **changes))
    with pytest.raises(error, match=rf"x\.grib2: .*{said}"):
        find_reader(path).open(path)


def test_files_that_do_not_belong_into_one_are_refused(tmp_path):
    one = grib2.message(CODES, TIME)
    for other, said in (
        (one, "got MergedReflectivityQCComposite of 2024-05-06T12:02:38Z twice"),
        (grib2.message(CODES, "2024-05-06T12:04", (209, 11, 0)), "two grids, expected one"),
        (grib2.message(CODES, "2024-05-06T12:04", first=(41.0, 250.0)), "two grids"),
        (one[:-1], "expected .* that end with 7777"),
        (b"GRIB" + bytes(20), "where a GRIB2 message"),
    ):
        with pytest.raises(FileError, match=said):
            Grib2().open(written(tmp_path / "x.grib2", one, other))


def test_without_its_library_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "eccodes", None)
    path = written(tmp_path / "x.grib2", grib2.message(CODES, TIME))
    with pytest.raises(MissingExtraError, match=r"reading GRIB2 needs the library 'eccodes'.*nowcast\[grib\]"):
        find_reader(path).open(path)


def test_every_pixel_and_corner_of_a_real_file():
    import eccodes

    path = sorted(radar_folder("mrms_grib2_20190610").iterdir())[7]
    field = find_reader(path).open(path)
    with path.open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
        values = eccodes.codes_get_values(handle).reshape(3500, 7000)
        eccodes.codes_release(handle)
    found = field.values[0]
    gone = values < 0
    np.testing.assert_array_equal(np.isnan(found), gone)
    np.testing.assert_array_equal(found == -32, values == 0)
    sample = np.s_[::7, ::5]
    np.testing.assert_allclose(
        found[sample],
        np.where(gone, np.nan, z_r("marshall_palmer").to_dbz(np.where(gone, 0, values)))[sample],
        atol=1e-5,
    )
    assert set(np.unique(values[gone])) <= {-1.0, -3.0}
    assert Grid.of(field).extent == pytest.approx((-130.0, -60.0, 20.0, 55.0), abs=1e-4)


@pytest.mark.slow
def test_every_pixel_of_a_real_file_by_another_decoder():
    rasterio = pytest.importorskip("rasterio")
    path = sorted(radar_folder("mrms_grib2_20190610").iterdir())[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with rasterio.open(path) as data:
                values, bounds = data.read(1), data.bounds
        except rasterio.errors.RasterioIOError:
            pytest.skip("this rasterio reads no GRIB")
    field = find_reader(path).open(path)
    np.testing.assert_array_equal(np.isnan(field.values[0]), values < 0)
    west, east, south, north = Grid.of(field).extent
    assert (west % 360, east % 360, south, north) == pytest.approx(
        (bounds.left % 360, bounds.right % 360, bounds.bottom, bounds.top), abs=1e-4
    )


def test_the_table_of_parameters_holds_rain_and_reflectivity_alone():
    assert {place for place, product in _PRODUCTS.items() if place[0] == 209 and product.factor} == {
        (209, 6, n) for n in (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 30, 31, 32, 33, 34, 37, 38, 39, 40, 41, 45)
    }
