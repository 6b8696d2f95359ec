"""CF netCDF: times are UTC to the second, or refused; and periods of rain are what the file says."""

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError, NowcastError, TimeError
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf


def first_time(path, units, number=0.0, dtype="f8", calendar=None):
    scene = cf.scene(
        (1, 3, 4), time_units=units, time_numbers=np.array([number]), time_dtype=dtype, calendar=calendar
    )
    scene.write(path)
    return str(CfNetcdf().open(path).time.values[0].astype("datetime64[s]"))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("", "12:00"),
        (" UTC", "12:00"),
        ("Z", "12:00"),
        (" Z", "12:00"),
        (" GMT", "12:00"),
        (" +0:00", "12:00"),
        (" +00:00", "12:00"),
        (" -6:00", "18:00"),
        (" +2:00", "10:00"),
        (" +2", "10:00"),
        (" +02:00", "10:00"),
        (" +0200", "10:00"),
        ("+02:00", "10:00"),
        (" UTC+2", "10:00"),
        (" UTC+02:00", "10:00"),
        (" -3:30", "15:30"),
        (" -0330", "15:30"),
        (" -330", "15:30"),
        (" GMT-1", "13:00"),
        (" +5:45", "06:15"),
    ],
)
@pytest.mark.parametrize("day", ["2021-07-04 12:00:00", "2021-07-04T12:00:00", "2021-7-4 12:0"])
def test_time_zones_are_applied(tmp_path, zone, expected, day):
    assert first_time(tmp_path / "t.nc", f"minutes since {day}{zone}") == f"2021-07-04T{expected}:00"


@pytest.mark.parametrize(
    ("units", "number", "expected"),
    [
        ("seconds since 1970-01-01", 1_625_400_000, "2021-07-04T12:00:00"),
        ("Seconds Since 1970-01-01", 1_625_400_000, "2021-07-04T12:00:00"),
        ("h since 2021-07-04", 1 / 3, "2021-07-04T00:20:00"),
        ("days since 2021-07-04 06:00", 0.25, "2021-07-04T12:00:00"),
        ("ms since 2021-07-04", 5000, "2021-07-04T00:00:05"),
        ("min since 2021-07-04 12:00", 7.0, "2021-07-04T12:07:00"),
        ("hours since 1-1-1 00:00:0.0", 17_711_628, "2021-07-12T12:00:00"),
        ("days since 1900-01-01", 44_379.5, "2021-07-04T12:00:00"),
        ("seconds since 2021-07-04T12:00:00.5Z", 0.49, "2021-07-04T12:00:01"),
    ],
)
def test_units_of_time(tmp_path, units, number, expected):
    assert first_time(tmp_path / "t.nc", units, number) == expected


@pytest.mark.parametrize(
    ("units", "number", "words"),
    [
        ("months since 2021-01-01", 1, "no fixed length"),
        ("years since 2000-01-01", 21, "no fixed length"),
        ("minutes since yesterday", 0, "got a time in 'minutes since yesterday'"),
        ("parsecs since 2021-01-01", 0, "got a time in 'parsecs since"),
        ("minutes since 2021-07-04 12:00 EST", 0, "got a time in"),
        ("seconds since 1440-01-01", 0, "got 1440-01-10T00:00:00, expected a time of the years 1970"),
        ("seconds since 9999-01-01", 0, "9999-01-01"),
        ("seconds since 1970-01-01", -1, "1969-12-31T23:59:59"),
        ("days since 1970-01-01", 1e300, "got 1e\\+300"),
        ("seconds since 1970-01-01", 1e12, "expected a time of the years 1970 to 2199"),
        ("minutes", 5, "no one time coordinate"),
        ("seconds since 2021-01-01", np.nan, "missing values"),
    ],
)
def test_times_that_are_none_are_refused(tmp_path, units, number, words):
    with pytest.raises(NowcastError, match=rf"t\.nc.*{words}"):
        first_time(tmp_path / "t.nc", units, number)


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "365_day", "all_leap", "julian", "none", "tai"])
def test_calendars_that_are_not_the_worlds_are_refused(tmp_path, calendar):
    with pytest.raises(FileError, match=rf"t\.nc: calendar: got '{calendar}', expected one of standard"):
        first_time(tmp_path / "t.nc", "days since 2021-01-01", 5, calendar=calendar)
    assert first_time(tmp_path / "t.nc", "days since 2021-01-01", 59, calendar="gregorian")[:10] == "2021-03-01"


def test_float32_that_tells_no_minutes_apart_is_refused(tmp_path):
    with pytest.raises(FileError, match="tells no minutes apart"):
        first_time(tmp_path / "t.nc", "days since 1970-01-01", 18_812.5, "f4")
    assert first_time(tmp_path / "t.nc", "hours since 2021-07-04", 12.5, "f4") == "2021-07-04T12:30:00"


def test_wrapped_years_are_one_line_of_the_file(tmp_path):
    with pytest.raises(TimeError, match=r"t\.nc: time: got 2262-01-01T00:00:00, expected a time of the years"):
        first_time(tmp_path / "t.nc", "seconds since 2262-01-01", 0)


def rain(path, units, attrs, bounds=None, start=None, value=6.0, root=None):
    """One frame of rain at 12:00; ``bounds`` and ``start`` are minutes before."""
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts(root or {})
        for name, size in (("time", 1), ("lat", 2), ("lon", 2), ("nv", 2)):
            data.createDimension(name, size)
        for name, unit, numbers in (
            ("time", "minutes since 2021-07-04 12:00", [0]),
            ("lat", "degrees_north", [51, 50]),
            ("lon", "degrees_east", [6, 7]),
        ):
            var = data.createVariable(name, "f8", (name,))
            var.units = unit
            var[:] = numbers
        if bounds:
            data["time"].bounds = "time_bnds"
            data.createVariable("time_bnds", "f8", ("time", "nv"))[:] = [bounds]
        if start is not None:
            data.createVariable("start_time", "f8", ("time",)).units = "minutes since 2021-07-04 12:00"
            data["start_time"][:] = start
        var = data.createVariable("rain", "f4", ("time", "lat", "lon"))
        var.setncatts({"units": units, **attrs})
        var[:] = [[0.0, value], [value, value]]
    return CfNetcdf().open(path)


AMOUNT = {"standard_name": "precipitation_amount", "cell_methods": "time: sum"}


@pytest.mark.parametrize(
    ("units", "attrs", "more", "hours", "rate"),
    [
        ("kg m-2", AMOUNT, {"bounds": (-5, 0)}, 5 / 60, 72.0),
        ("mm", AMOUNT, {"bounds": (-60, 0)}, 1, 6.0),
        ("mm", AMOUNT, {"start": -6}, 0.1, 60.0),
        ("cm", AMOUNT, {"bounds": (-60, 0), "value": 0.6}, 1, 6.0),
        ("mm", {"cell_methods": "time: sum (interval: 10 min)"}, {}, 1 / 6, 36.0),
        ("mm", {**AMOUNT, "accumulation_period": "PT15M"}, {}, 0.25, 24.0),
        ("mm", AMOUNT, {"root": {"accumulation_time_minutes": 30}}, 0.5, 12.0),
        ("mm", {**AMOUNT, "accumulation_period": "PT2M30S"}, {}, 1 / 24, 144.0),
        ("mm h-1", {"cell_methods": "time: mean"}, {"bounds": (-60, 0)}, 1, 6.0),
    ],
)
def test_amounts_become_rates_by_their_period(tmp_path, units, attrs, more, hours, rate):
    field = rain(tmp_path / "a.nc", units, attrs, **more)
    assert float(field.attrs["accumulation_hours"]) == pytest.approx(hours, rel=1e-5)
    np.testing.assert_allclose(field.values[0, 0], [-32, 10 * np.log10(200 * rate**1.6)], atol=1e-4)


@pytest.mark.parametrize(
    ("units", "attrs", "more", "words"),
    [
        ("kg m-2", AMOUNT, {}, "an amount of rain over an unknown time"),
        ("mm", AMOUNT, {"bounds": (0, 0)}, "its periods last 0 s"),
        ("mm", AMOUNT, {"start": 5}, "periods last -300 s"),
        ("mm h-1", {"cell_methods": "time: sum"}, {"bounds": (-60, 0)}, "is the sum over time"),
        ("mm h-1", {"cell_methods": "time: maximum"}, {}, "is the maximum over time"),
        ("mm", {**AMOUNT, "cell_methods": "area: mean time: maximum"}, {}, "is the maximum over time"),
    ],
)
def test_periods_that_are_unknown_or_none_are_refused(tmp_path, units, attrs, more, words):
    with pytest.raises(FileError, match=rf"a\.nc: .*{words}"):
        rain(tmp_path / "a.nc", units, attrs, **more)
