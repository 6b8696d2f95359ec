"""Global fields in netCDF: variables as channels, levels, years, and fields that leave their range."""

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.weather_bench import WeatherBenchSettings, open_weather_bench
from tests.fakes.data_sets import weather_values, write_weather

ALL = slice(None)
SIZE = (8, 16)


def fields(path, **settings):
    [video] = open_weather_bench(WeatherBenchSettings(path, **settings), progress=False)
    return video


def test_years_are_one_video_with_a_gap_between_them(tmp_path):
    video = fields(write_weather(tmp_path / "w", years=(2016, 2015), size=SIZE))
    assert video.frame_shape == (1, *SIZE)
    assert video.step == np.timedelta64(1, "h")
    assert video.times[0] == np.datetime64("2015-01-01", "ns")
    assert video.times[30] == np.datetime64("2016-01-01", "ns")
    celsius = weather_values(30, 0, SIZE)[:, ::-1]
    np.testing.assert_allclose(video.read(30, 30, ALL, ALL)[:, 0] * 180 + 170, celsius, atol=1e-3)
    daily = fields(tmp_path / "w", frame_step=24)
    assert daily.step == np.timedelta64(24, "h")
    assert [str(time)[:13] for time in daily.times] == [
        "2015-01-01T00",
        "2015-01-02T00",
        "2016-01-01T00",
        "2016-01-02T00",
    ]


def test_variables_and_levels_are_channels(tmp_path):
    root = write_weather(tmp_path / "w", ("t2m", "u10"), years=(2015,), count=4, size=SIZE)
    write_weather(root, ("z",), years=(2015,), count=4, size=SIZE, levels=(500, 850))
    ranges = {"u10": (200.0, 400.0), "z": (0.0, 2000.0)}
    video = fields(root, variables=("u10", "z/850", "t2m"), ranges=ranges)
    expected = weather_values(4, 0, SIZE)[:, ::-1]
    scaled = [(expected - 200) / 200, (expected + 1000) / 2000, (expected - 170) / 180]
    np.testing.assert_allclose(video.read(0, 4, ALL, ALL), np.stack(scaled, axis=1), atol=1e-5)
    with pytest.raises(FileError, match=r"got level '700', expected one of 500, 850"):
        fields(root, variables=("z/700",), ranges=ranges)


def test_what_leaves_the_range_is_refused_and_what_is_not_there_stays_so(tmp_path):
    root = write_weather(tmp_path / "w", years=(2015,), count=4, size=SIZE)
    with pytest.raises(FileError, match="expected 255 to 300; set wider 'ranges'"):
        fields(root, ranges={"t2m": (255.0, 300.0)})
    with netCDF4.Dataset(next(root.rglob("*.nc")), "a") as file:
        file["t2m"][2, 3, 4] = np.nan
    assert np.argwhere(np.isnan(fields(root).read(0, 4, ALL, ALL))).tolist() == [[2, 0, SIZE[0] - 4, 4]]


def test_bad_input_is_one_line(tmp_path):
    root = write_weather(tmp_path / "w", ("t2m", "u10"), years=(2015,), count=4, size=SIZE)
    write_weather(root, ("t2m",), years=(2016,), count=4, size=SIZE)
    with pytest.raises(FileError, match="'u10' has other times than 't2m'"):
        fields(root, variables=("t2m", "u10"))
    with pytest.raises(FileError, match="got no variable 'tcc'"):
        fields(root, variables=("tcc",))
    (root / "t2m" / "t2m_2015_5.625deg.nc").write_bytes(b"<html>not found</html>")
    with pytest.raises(FileError, match="cannot be read as netCDF"):
        fields(root)
    (tmp_path / "empty").mkdir()
    for place in ("empty", "nowhere"):
        with pytest.raises(FileError, match="got no netCDF files; get 2m_temperature"):
            fields(tmp_path / place)
    for wrong in (
        {"variables": ()},
        {"variables": ("unknown",)},
        {"ranges": {"t2m": (2.0, 1.0)}},
        {"frame_step": 0},
    ):
        with pytest.raises(SettingsError, match=r"weather_bench\."):
            WeatherBenchSettings(root, **wrong)
