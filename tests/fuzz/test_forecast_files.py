"""Forecast files with parts of other kinds, sizes and values are read as what they are, or refused."""

import netCDF4
import numpy as np
import pytest
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.products.cf_netcdf import read_forecast
from tests.fakes.endings import TRIED, ended
from tests.fakes.mutations import damaged_bytes, hunt
from tests.fakes.small_archive import write_archive

VARIABLES = ("reflectivity", "forecast_reference_time", "time", "lead_time", "y", "x", "crs")
ATTRIBUTES = st.sampled_from(
    ["", "x", -1, 0, 1e308, float("nan"), np.int8(3), [1, 2, 3], "days since 1970-01-01"]
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    archive, _ = write_archive(folder, frames=4)
    path = folder / "o.nc"
    command = ["forecast", "--archive", archive, "--model", "persistence", "--leads", "2", "--out", path]
    assert ended(command, seconds=20)[0] == 0
    return path


def read(path):
    TRIED["forecast files"] += 1
    try:
        return read_forecast(path)
    except NowcastError:
        TRIED["forecast files, refused"] += 1
        return None


def rebuilt(source, target, left_out, kinds, attributes, values):
    """Copy a netCDF file with variables left out, or of other types, attributes and values."""
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(target, "w") as new:
        new.setncatts(old.__dict__)
        for name, dimension in old.dimensions.items():
            new.createDimension(name, len(dimension))
        old.set_auto_maskandscale(False)
        for name, variable in old.variables.items():
            if name == left_out:
                continue
            made = new.createVariable(name, kinds.get(name, variable.dtype), variable.dimensions)
            made.set_auto_maskandscale(False)
            made.setncatts(
                {
                    **{k: v for k, v in variable.__dict__.items() if k != "_FillValue"},
                    **attributes.get(name, {}),
                }
            )
            with np.errstate(all="ignore"):
                made[...] = np.asarray(values.get(name, variable[...])).astype(made.dtype)


def test_any_part(times, sound, tmp_path):
    path = tmp_path / "x.nc"
    before = read_forecast(sound)

    def check(data):
        name = data.draw(st.sampled_from(VARIABLES))
        way = data.draw(st.sampled_from(("leave out", "kind", "attribute", "value")))
        attribute = data.draw(st.sampled_from(["units", "crs_wkt", "grid_mapping_name", "scale_factor", "x"]))
        rebuilt(
            sound,
            path,
            name if way == "leave out" else None,
            {name: data.draw(st.sampled_from(["f4", "f8", "i1", "u8"]))} if way == "kind" else {},
            {name: {attribute: data.draw(ATTRIBUTES)}} if way == "attribute" else {},
            {name: data.draw(st.sampled_from([-1, 0, 2**31, -(2**62), 250]))} if way == "value" else {},
        )
        found = read(path)
        if found is not None and way == "attribute" and name in ("reflectivity", "time"):
            np.testing.assert_array_equal(found["reflectivity"].values, before["reflectivity"].values)

    hunt(check, 60, times)


def test_any_bytes(times, sound, tmp_path):
    whole = sound.read_bytes()

    def check(data):
        (tmp_path / "x.nc").write_bytes(data.draw(damaged_bytes(whole, first=8192, most=3)))
        found = read(tmp_path / "x.nc")
        assert found is None or found["reflectivity"].shape == (2, 24, 32)

    hunt(check, 40, times)
