"""A forecast into every kind of file, read back by the library that others read it with."""

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from nowcast.cli.main import main
from nowcast.core.errors import FileError, SettingsError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.hindcast_zarr import create_hindcast
from nowcast.workflows import write_forecast
from nowcast.workflows.show import show
from nowcast.workflows.write_forecast import FORMATS, format_of, write_as
from tests.fakes.fields import geographic_grid
from tests.fakes.shown_forecast import START, full_forecast, observed_frames


@pytest.fixture(scope="module")
def forecast():
    return full_forecast()


def test_netcdf_and_zarr_hold_every_variable(forecast, tmp_path):
    assert write_as(tmp_path / "a.nc", forecast).holds == ""
    write_as(tmp_path / "a.zarr", forecast)
    file = read_forecast(tmp_path / "a.nc")
    store = xr.open_zarr(tmp_path / "a.zarr", consolidated=True).isel(forecast_reference_time=0)
    for name in forecast:
        np.testing.assert_allclose(file[name].values, forecast[name].values, atol=0.0051, err_msg=name)
        np.testing.assert_allclose(store[name].values, file[name].values, atol=1e-4, err_msg=name)
    write_as(tmp_path / "a.zarr", forecast)
    assert show(tmp_path / "a.zarr", tmp_path / "p.html").stat().st_size > 100_000


@pytest.mark.parametrize("name", ["a.tif", "b.TIFF"])
def test_a_geotiff_is_a_cog_with_a_band_a_lead_time(forecast, tmp_path, name):
    rasterio = pytest.importorskip("rasterio")
    write_as(tmp_path / name, forecast)
    grid = Grid.of(forecast["reflectivity"])
    with rasterio.open(tmp_path / name) as file:
        np.testing.assert_array_equal(file.read(), forecast["reflectivity"].values)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.descriptions[2] == "equivalent_reflectivity_factor 2025-03-22T10:30:00Z"
        assert file.tags(2)["valid_time"] == "2025-03-22T10:20:00Z"
        assert file.tags()["forecast_reference_time"] == "2025-03-22T10:00:00Z"
        assert file.tags()["units"] == "dBZ"
        assert np.isnan(file.nodata)
        west, _, _, north = grid.extent
        assert (file.transform.c, file.transform.f) == (west, north)
        assert Grid(file.crs.to_wkt(), grid.y, grid.x).difference(grid) == ""


def test_odim_has_a_data_set_a_lead_time(forecast, tmp_path):
    write_as(tmp_path / "a.h5", forecast.assign_attrs(model="mine"))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["what"].attrs["time"] == b"100000"
        assert file["how"].attrs["forecast_reference_time"] == b"2025-03-22T10:00:00Z"
        assert file["how"].attrs["model"] == b"mine"
        assert sorted(k for k in file if k.startswith("dataset")) == [f"dataset{i}" for i in (1, 2, 3, 4)]
        for i, frame in enumerate(forecast["reflectivity"].values, start=1):
            data, what = file[f"dataset{i}/data1"], file[f"dataset{i}/data1/what"].attrs
            assert file[f"dataset{i}/what"].attrs["starttime"] == f"10{i}000".encode()
            codes = data["data"][:].astype(float)
            dbz = codes * what["gain"] + what["offset"]
            dbz[codes == what["undetect"]] = NO_ECHO_DBZ
            dbz[codes == what["nodata"]] = np.nan
            np.testing.assert_allclose(dbz, frame, atol=1e-4)


@pytest.mark.slow
def test_a_sheet_begins_with_the_newest_observation_and_ends_with_the_last_lead_time(tmp_path):
    forecast = full_forecast(geographic_grid(20, 24))
    observed = observed_frames(geographic_grid(20, 24))
    write_as(tmp_path / "a.png", forecast, observed)
    write_as(tmp_path / "b.png", forecast)
    with Image.open(tmp_path / "a.png") as with_past, Image.open(tmp_path / "b.png") as alone:
        across, high = with_past.size
        assert alone.size == (across, high)
        five, four = (np.asarray(sheet.convert("L"), float) for sheet in (with_past, alone))
        middle = slice(high // 2 + 20, high - 90), slice(across // 3 + 60, 2 * across // 3 - 20)
        assert five[middle].std() > 20
        assert four[middle].std() == 0


@pytest.mark.slow
def test_an_animation_has_every_frame_and_the_last_stands_longest(tmp_path):
    forecast = full_forecast(geographic_grid(20, 24))
    write_as(tmp_path / "a.gif", forecast, observed_frames(geographic_grid(20, 24)))
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 7
        film.seek(6)
        assert film.info["duration"] == 1800


@pytest.mark.slow
def test_a_film_has_them_too(tmp_path):
    av = pytest.importorskip("av")
    forecast = full_forecast(geographic_grid(20, 24))
    write_as(tmp_path / "a.mp4", forecast)
    with av.open(tmp_path / "a.mp4") as film:
        assert len(list(film.decode(video=0))) == 4 + 3
        assert film.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize("name", ["a", "a.txt", "a.nc4", "a.jpeg", "s3://bucket/a.tif"])
def test_any_other_end_is_refused_and_says_what_there_is(name):
    with pytest.raises(SettingsError, match=r"--out: got .*, expected a name ending in \.nc"):
        format_of(name)


def test_the_command_refuses_it_before_the_work_in_one_line(tmp_path, capsys):
    command = ["forecast", "--archive", str(tmp_path / "none.zarr"), "--model", "persistence", "--out"]
    assert main([*command, str(tmp_path / "x.jpg")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "expected a name ending in .nc, .zarr, .tif, .tiff, .h5, .png, .gif or .mp4; change it" in error
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_something_else_is_never_replaced(forecast, tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "mine.txt").write_text("x")
    with pytest.raises(FileError, match="no hindcast"):
        format_of(tmp_path / "a.zarr")
    times = START + np.arange(2) * np.timedelta64(10, "m")
    create_hindcast(tmp_path / "h.zarr", forecast, times, {})
    with pytest.raises(FileError, match=r"h\.zarr: got a hindcast"):
        write_as(tmp_path / "h.zarr", forecast)
    assert (tmp_path / "a.zarr" / "mine.txt").read_text() == "x"


@pytest.mark.parametrize(("name", "library"), [("a.tif", "rasterio"), ("a.mp4", "av")])
def test_a_missing_library_is_named_before_the_work(tmp_path, monkeypatch, name, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(Exception, match=f"needs the library '{library}'"):
        format_of(tmp_path / name)


def test_every_line_of_the_catalog_says_what_it_holds():
    assert [name for name, held in FORMATS.items() if not held.holds] == [".nc", ".zarr"]
    assert [name for name, held in FORMATS.items() if held.pictures] == [".png", ".gif", ".mp4"]
    assert write_forecast.FORMATS[".tif"] is FORMATS[".tiff"]
