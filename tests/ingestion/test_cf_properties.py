"""CF netCDF: whatever valid file holds the scene, the reader gives the scene or refuses, never another one."""

import tempfile
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf

DIMS = ("time", "level", "y", "x")
PACKINGS = (
    # dtype, scale, offset, fill (None: the library's default), code of no echo
    ("i2", 0.5, -40.0, -999, -500),
    ("i2", 0.01, 0.0, None, -32768),
    ("u1", 0.5, -32.0, 255, 0),
    ("f4", 1.0, 0.0, -9999.9, -8888.8),
    ("f4", 1.0, 0.0, None, -99.0),
    ("f8", 1.0, 0.0, 1e20, -99.0),
    ("i4", 0.5, 10.0, -2147483648, -1000),
    ("u2", 0.5, -40.0, 65535, 65534),
    ("i1", 0.5, 20.0, -128, -127),
)
ZONES = {"": 0, " UTC": 0, "Z": 0, " -6:00": 360, " +2:00": -120, " +2": -120, " UTC+2": -120, " +0530": -330}
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "d": 86_400}
CALENDARS = (None, "standard", "gregorian", "proleptic_gregorian", "360_day", "noleap")


@st.composite
def scenes(draw):
    made = cf.scene(
        draw(st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(4, 7))),
        seed=draw(st.integers(0, 10_000)),
        system=draw(st.sampled_from(sorted(cf.SYSTEMS))),
    )
    dtype, scale, offset, fill, dry = draw(st.sampled_from(PACKINGS))
    stored = np.dtype(dtype)
    fill_code = netCDF4.default_fillvals[dtype] if fill is None else fill
    attrs = {"flag_values": np.array([dry]).astype(stored), "flag_meanings": "no_echo"}
    model = draw(st.sampled_from(["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"]))
    if dtype == "u2" or (dtype == "u1" and model != "NETCDF4"):
        model = "NETCDF4"
    zone, unit = draw(st.sampled_from(sorted(ZONES))), draw(st.sampled_from(sorted(UNITS)))
    epoch = draw(st.sampled_from(["1970-01-01 00:00:00", "2025-03-01T06:30:00", "1900-01-01 12:00"]))
    start = np.datetime64(epoch.replace(" ", "T"), "s") + np.timedelta64(60 * ZONES[zone], "s")
    seconds = (made.times - start) / np.timedelta64(1, "s")
    return replace(
        made,
        dtype=dtype,
        scale=scale,
        offset=offset,
        fill=fill_code,
        dry=dry,
        attrs=attrs,
        data_model=model,
        order=draw(
            st.sampled_from([o for k in (3, 4) for o in permutations(DIMS, k) if k == 4 or "level" not in o])
        ),
        south_first=draw(st.booleans()),
        east_first=draw(st.booleans()),
        bounds=draw(st.booleans()),
        names=draw(st.sampled_from([("time", "y", "x"), ("t", "x", "y"), ("time", "lat", "lon")])),
        time_units=f"{unit} since {epoch}{zone}",
        time_numbers=seconds / UNITS[unit],
        calendar=draw(st.sampled_from(CALENDARS)),
        mapping_text=draw(st.sampled_from(["crs", "crs: x y lat lon"])),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenes())
def test_the_truth_or_a_refusal(made):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.nc"
        made.write(path)
        if made.calendar in ("360_day", "noleap"):
            with pytest.raises(NowcastError, match=r"s\.nc: calendar"):
                CfNetcdf().open(path)
            return
        cf.assert_truth(CfNetcdf().open(path), made)


ATTRIBUTES = (
    "units",
    "standard_name",
    "scale_factor",
    "add_offset",
    "_FillValue",
    "missing_value",
    "valid_range",
    "flag_values",
    "flag_meanings",
    "grid_mapping",
    "bounds",
    "calendar",
    "cell_methods",
    "coordinates",
    "comment",
    "axis",
    "grid_mapping_name",
    "crs_wkt",
    "_Unsigned",
)
ODD = st.one_of(
    st.text(max_size=30),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.lists(st.floats(), max_size=4).map(np.array),
    st.sampled_from(
        [
            "dBZ",
            "m",
            "degrees_north",
            "time",
            "crs",
            "x: y",
            "true",
            "latitude",
            "seconds since 0000-00-00",
            "-1 s since 2025-01-01",
            "time: sum",
            "y_bnds",
            "no_echo",
            "level y x",
            "GEOGCS[",
            "a" * 5000,
        ]
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["Z", "y", "x", "time", "crs"]), st.sampled_from(ATTRIBUTES), ODD)
def test_any_attribute_may_be_anything_and_the_error_is_one_of_ours(holder, name, value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.nc"
        cf.scene(bounds=True).write(path)
        try:
            with netCDF4.Dataset(path, "a") as data:
                data[holder].setncattr(name, value)
        except Exception:
            return
        assert "s.nc" in cf.said_of(CfNetcdf(), path)
