"""netCDF files and Zarr stores of any naming through a mapping: values, places and times by hand."""

import re
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import yaml

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import FileError, NowcastError, SettingsError
from nowcast.core.grid import Grid
from nowcast.core.rain import z_r
from nowcast.core.settings import build, merged, read_yaml
from nowcast.ingestion.mapped.reader import Mapped, mapped
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.workflows.ingest import ingest
from tests.fakes.zarr_files import as_zarr

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "ingest" / "netcdf.yaml"
RAW = np.array(
    [
        [[0, 255, 251, 100], [64, 254, 120, 249], [80, 90, 110, 130]],
        [[255, 0, 70, 72], [74, 76, 78, 253], [250, 96, 98, 100]],
    ],
    np.uint8,
)
"""(time, row from the south, column) as stored at the third height."""
DBZ = (
    np.array(
        [
            [[0, np.nan, np.nan, 100], [64, 254, 120, 249], [80, 90, 110, 130]],
            [[np.nan, 0, 70, 72], [74, 76, 78, np.nan], [np.nan, 96, 98, 100]],
        ]
    )
    / 2
    - 32
)


def nameless(path, **attributes):
    """Write what configs/ingest/netcdf.yaml describes; other heights hold other numbers."""
    with netCDF4.Dataset(path, "w") as data:
        for name, size in (("n", 2), ("height", 4), ("j", 3), ("i", 4)):
            data.createDimension(name, size)
        var = data.createVariable("data", "u1", ("n", "height", "j", "i"))
        var.set_auto_maskandscale(False)
        for height in range(4):
            var[:, height] = RAW if height == 2 else 50 + height
        var.setncatts(attributes)
        data.createVariable("other", "f4", ("n", "j", "i"))[:] = 1.0
        data.createVariable("when", "f8", ("n",))[:] = [720.0, 730.0]
    return path


def example(**changes):
    return build(Mapping, {**read_yaml(EXAMPLE), **changes})


@pytest.fixture
def file(tmp_path):
    return nameless(tmp_path / "own.nc")


@pytest.mark.parametrize("form", ["netcdf", 2, 3, "zip"])
def test_values_times_and_places_are_those_of_the_mapping(form, file):
    path = file if form == "netcdf" else as_zarr(file, 3 if form == "zip" else form, zipped=form == "zip")
    field = mapped(EXAMPLE).open(path).compute(scheduler="synchronous")
    expected = np.where(DBZ == -32, -32.0, DBZ)[:, ::-1]
    np.testing.assert_allclose(field.values, expected, atol=1e-5)
    np.testing.assert_array_equal(
        field.time.values, np.array(["2025-03-01T11:00", "2025-03-01T11:10"], "datetime64[ns]")
    )
    grid = Grid.of(field)
    np.testing.assert_allclose(grid.y, [4000.0, 0.0, -4000.0])
    np.testing.assert_allclose(grid.x, [-6000.0, -2000.0, 2000.0, 6000.0])
    lon, lat = grid.lonlat(np.zeros(1), np.zeros(1))
    assert (lon[0], lat[0]) == pytest.approx((14.0, 46.0))
    assert (field.attrs["source"], field.attrs["licence"]) == ("Weather service of nowhere", "CC BY 4.0")


def test_what_the_mapping_says_of_numbers_holds_before_the_file(tmp_path):
    """The file calls 0 its fill value and 100 no echo; the mapping says that 0 is no echo."""
    path = nameless(
        tmp_path / "a.nc", missing_value=np.uint8(0), comment="100: no echo", valid_max=np.uint8(200)
    )
    field = mapped(EXAMPLE).open(path).compute(scheduler="synchronous").values
    assert field[0, 2, 0] == -32.0
    assert field[0, 2, 3] == -32.0  # of what the mapping does not name, the file's word holds
    assert np.isnan(field[0, 1, 1])  # 254, beyond the file's valid range


def test_through_to_the_archive_with_the_name_of_the_mapping(file, tmp_path, capsys):
    archive = tmp_path / "a.zarr"
    call = ["ingest", str(file), "--archive", str(archive), "--mapping", str(EXAMPLE)]
    assert main([*call, "--workers", "1"]) == 0
    opened = Archive.open(archive)
    assert [s.reader for s in opened.done_sources()] == ["mapping:own_netcdf"]
    assert opened.attrs["licence"] == "CC BY 4.0"
    np.testing.assert_allclose(opened.frames(opened.times).values, DBZ[:, ::-1], atol=5e-3)
    capsys.readouterr()
    assert main([*call, "--reader", "cf_netcdf"]) == 2
    assert "--mapping: got it with --reader" in capsys.readouterr().err


def test_a_reader_object_serves_python(file, tmp_path):
    report = ingest([file], tmp_path / "a.zarr", 1, False, reader=Mapped(example()))
    assert (report.frames, report.problems) == (2, ())


def test_rain_amounts_become_rates_by_the_period_of_the_mapping(file):
    reading = example(unit="mm", period_minutes=5, z_r="radolan", offset=0, scale=0.01)
    field = Mapped(reading).open(file)
    assert field.attrs["accumulation_hours"] == "0.0833333"
    assert field.attrs["z_r_relation"] == str(z_r("radolan"))
    values = field.compute(scheduler="synchronous").values
    assert values[0, 1, 0] == pytest.approx(float(z_r("radolan").to_dbz(0.64 * 12)), abs=1e-4)


def test_an_amount_per_area_is_as_much_rain(file):
    field = Mapped(example(unit="kg m-2", period_minutes=6, offset=0)).open(file)
    values = field.compute(scheduler="synchronous").values
    assert values[0, 1, 0] == pytest.approx(float(z_r("marshall_palmer").to_dbz(32.0 * 10)), abs=1e-4)


def test_the_time_may_stand_in_the_name(tmp_path):
    path = nameless(tmp_path / "rad_2025060_1230_x.nc")
    time = {"file_name": "rad_%Y%j_%H%M*.nc", "step_minutes": 5, "offset_minutes": 60}
    field = Mapped(example(time=time)).open(path)
    np.testing.assert_array_equal(
        field.time.values, np.array(["2025-03-01T13:30", "2025-03-01T13:35"], "datetime64[ns]")
    )
    with pytest.raises(NowcastError, match="holds 2 frames and one time"):
        Mapped(example(time={"file_name": "rad_%Y%j_%H%M*.nc"})).open(path)
    with pytest.raises(NowcastError, match="its name does not hold 'r%Y%m%d'"):
        Mapped(example(time={"file_name": "r%Y%m%d", "step_minutes": 5})).open(path)


def test_coordinates_of_other_names_place_the_cells(tmp_path):
    """1-D coordinates "north" and "east" in km without units, on dimensions that have others of their own."""
    path = nameless(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as data:
        for name, dimension, values in (
            ("north", "j", [1.0, 2.0, 3.0]),
            ("east", "i", [9.0, 8.0, 7.0, 6.0]),
            ("j", "j", [0, 1, 2]),
            ("i", "i", [0, 1, 2, 3]),
        ):
            data.createVariable(name, "f8", (dimension,))[:] = values
    grid = {"crs": "EPSG:32633", "unit": "km"}
    field = Mapped(example(rows="north", columns="east", grid=grid)).open(path)
    np.testing.assert_allclose(Grid.of(field).y, [3000.0, 2000.0, 1000.0])
    np.testing.assert_allclose(Grid.of(field).x, [6000.0, 7000.0, 8000.0, 9000.0])
    np.testing.assert_allclose(field.compute(scheduler="synchronous").values, DBZ[:, ::-1, ::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variable": "refl"}, "variable: got 'refl', expected one of the variables data, other, when"),
        ({"time": {"variable": "t"}}, "time.variable: got 't'"),
        ({"time": {"variable": "when"}}, "units of 'when': got '', expected 'seconds since"),
        ({"rows": "y"}, "rows: got 'y', expected one of the dimensions n, height, j, i; change the mapping"),
        ({"rows": None}, "rows: got 'None', expected one of the dimensions"),
        ({"select": {"height": 4}}, "select: got height: 4, expected an index below 4"),
        (
            {"select": {"level": 0}},
            "select: got level: 0, expected an index below 0 of a dimension of 'data' (n,",
        ),
        ({"select": {}}, "has 4 of 'height', expected one level"),
        ({"unit": "K"}, "unit: got 'K', expected dBZ or a unit of rain"),
        (
            {"grid": {"crs": "+proj=aeqd +nadgrids=/etc/passwd", "west": 0, "east": 1, "south": 0, "north": 1}},
            "expected keys and values that describe a projection",
        ),
    ],
)
def test_what_does_not_fit_the_file_is_one_line(changes, said, file):
    with pytest.raises(NowcastError) as caught:
        Mapped(example(**changes)).open(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nam: x", "nam: unknown setting; did you mean 'name'?"),
        ("{}", "name: missing"),
        ("name: a/b", "name: got 'a/b', expected letters"),
        ("{name: a, scale: x}", "scale: got 'x', expected float"),
        ("{name: a, scale: 0}", "scale: got 0, expected a number that tells values apart"),
        ("{name: a, unit: mm}", "period_minutes: got nothing, expected over how long 'mm' is summed"),
        ("{name: a, unit: K}", "unit: got 'K'"),
        ("{name: a, unit: mm, period_minutes: -5}", "period_minutes: got -5"),
        ("{name: a, z_r: none}", "z_r: got 'none', expected one of marshall_palmer"),
        ("{name: a, time: {file_name: '%H%M'}}", "time.file_name: got '%H%M', expected the codes %Y"),
        ("{name: a, time: {file_name: '%Y%m%d%Q'}}", "time.file_name: got '%Y%m%d%Q'"),
        (
            "{name: a, time: {file_name: '%Y%j', variable: t}}",
            "time: got variable and file_name, expected one of",
        ),
        ("{name: a, time: {start: soon}}", "got 'soon', expected ISO 8601"),
        ("{name: a, grid: {west: 1}}", "grid: got some edges alone"),
        ("{name: a, grid: {west: 1, east: 0, south: 0, north: 1}}", "expected west below east"),
        ("{name: a, grid: {crs: 'EPSG:99999'}}", "EPSG:99999"),
        (
            "{name: a, no_echo: {values: [1]}, not_observed: {values: [1]}}",
            "not_observed: got 1, which no_echo",
        ),
        ("{name: a, no_echo: {ranges: [[2, 1]]}}", "no_echo.ranges"),
        ("{name: a, no_echo: {values: [.nan]}}", "expected a finite number"),
    ],
)
def test_a_mistake_in_the_mapping_is_one_line_that_names_the_file(text, said, tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        mapped(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert main(["ingest", str(tmp_path), "--archive", str(tmp_path / "a.zarr"), "--mapping", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a.zarr").exists()


def test_numbers_are_compared_as_they_are_stored(tmp_path):
    """-9999.9 in 32 bits is no float64 -9999.9; a single number wins over a range; NaN is not observed."""
    path = tmp_path / "f.nc"
    shutil.copy(nameless(tmp_path / "a.nc"), path)
    with netCDF4.Dataset(path, "a") as data:
        var = data.createVariable("rain", "f4", ("n", "j", "i"))
        var.set_auto_maskandscale(False)
        var[:] = np.array([[-9999.9, -1.0, 0.0, 2.0], [np.nan, -0.5, 1e30, 4.0], [8.0, 1.0, 0.1, 1000.0]], "f4")
    codes = {
        "not_observed": {"values": [-9999.9], "above": 1000.0},
        "no_echo": {"values": [-1.0], "below": 0.0},
    }
    reading = example(variable="rain", unit="mm/h", scale=None, offset=None, select={}, **codes)
    values = Mapped(reading).open(path).compute(scheduler="synchronous").values[0, ::-1]
    np.testing.assert_array_equal(np.isnan(values), [[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(values == -32, [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])


def test_values_that_nothing_explains_point_to_the_mapping(file):
    with pytest.raises(FileError, match=r"got -64 dBZ, expected at least -50 dBZ"):
        Mapped(example(offset=-64, no_echo={})).open(file).compute(scheduler="synchronous")


@pytest.mark.parametrize(
    ("name", "file"),
    [("own_netcdf", "netcdf"), ("own_pictures", "picture"), ("own_numpy", "numpy"), ("imerg", "imerg")],
)
def test_the_examples_of_the_page_say_what_the_files_in_configs_say(name, file):
    page = (EXAMPLE.parents[2] / "docs" / "howto" / "bring-your-own-radar.md").read_text(encoding="utf-8")
    shown = next(
        found
        for code in re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.M | re.S)
        if (found := yaml.safe_load(code))["name"] == name
    )
    full = yaml.safe_load(EXAMPLE.with_name(f"{file}.yaml").read_text())
    assert merged(full, shown) == full
    assert set(full) - set(shown) <= {"source", "licence"}
