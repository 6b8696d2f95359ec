"""netCDF-4 read by h5py is what netCDF reads; grids that files state alike are made once, no others."""

import netCDF4
import numpy as np
import pytest

from nowcast.ingestion.readers import cf_grid
from nowcast.ingestion.readers.cf_attributes import unpacked
from nowcast.ingestion.readers.cf_axes import axes_of
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.cf_store import NetcdfStore, Stored

ROWS, COLUMNS = 4, 6


def write(path, dtype="i2", model="NETCDF4", dims=("time", "y", "x"), records=3, size=3, unit="km", **variable):
    """``records`` frames are written of an axis of ``size`` times; attributes of ``x`` after ``unit``."""
    with netCDF4.Dataset(path, "w", format=model) as data:
        data.Conventions = "CF-1.8"
        for name, length in (("time", None), ("y", ROWS), ("x", COLUMNS)):
            data.createDimension(name, length)
            made = data.createVariable(name, "f8", (name,))
            made.units = "minutes since 2025-03-01" if name == "time" else unit
            if name != "time":
                made.standard_name = f"projection_{name}_coordinate"
                made[:] = np.arange(length) + 1.0
        data["time"][:] = np.arange(size) * 5.0
        crs = data.createVariable("crs", "i4", ())
        crs.setncatts(
            {
                "grid_mapping_name": "azimuthal_equidistant",
                "latitude_of_projection_origin": 50.0,
                "longitude_of_projection_origin": 5.0,
            }
        )
        made = data.createVariable("dbz", dtype, dims, **variable)
        made.setncatts({"units": "dBZ", "grid_mapping": "crs"})
        made.set_auto_maskandscale(False)
        numbers = np.arange(records * ROWS * COLUMNS).reshape(records, ROWS, COLUMNS) % 50
        places = [("time", "y", "x").index(d) for d in dims]
        whole = tuple(slice(0, records) if d == "time" else slice(None) for d in dims)
        made[whole] = numbers.transpose(places)
    return path


def read(path, time):
    """A frame as netCDF reads it, as the store does, and whether h5py read it."""
    store = NetcdfStore()
    with netCDF4.Dataset(path) as data:
        variable = data["dbz"]
        axes = axes_of(path, data.variables, variable)
        stored = Stored("dbz", tuple(variable.shape), variable.dtype)
        variable.set_auto_maskandscale(False)
        truth = axes.frame(variable, time)
    return truth, store.frame(path, stored, axes, time), store._by_h5py(path, stored, axes, time) is not None


@pytest.mark.parametrize(
    ("settings", "by_h5py"),
    [
        ({}, True),
        ({"dtype": ">f4", "endian": "big", "zlib": True, "fletcher32": True}, True),
        ({"dtype": "u1", "chunksizes": (2, 3, 4), "zlib": True}, True),
        ({"dims": ("x", "time", "y")}, True),
        ({"records": 1}, False),  # HDF5 holds fewer than netCDF says there are
        ({"compression": "zstd"}, False),
        ({"model": "NETCDF4_CLASSIC"}, True),
        ({"model": "NETCDF3_CLASSIC"}, False),
        ({"model": "NETCDF3_64BIT_DATA", "dtype": "u2"}, False),
    ],
)
def test_a_frame_has_the_numbers_that_netcdf_reads(settings, by_h5py, tmp_path):
    path = write(tmp_path / "a.nc", **settings)
    for time in (0, 1, 2):
        truth, found, was = read(path, time)
        np.testing.assert_array_equal(found, truth)
        assert (found.dtype, was) == (truth.dtype, by_h5py)


@pytest.mark.parametrize(
    "attributes", [{}, {"valid_min": 2.5}, {"scale_factor": 3.0}, {"missing_value": 2.0}, {"add_offset": 1.0}]
)
def test_coordinates_are_unpacked_as_netcdf_does(attributes, tmp_path):
    path = write(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as data:
        data["x"][3] = netCDF4.default_fillvals["f8"]
        data["x"].setncatts(attributes)
    with netCDF4.Dataset(path) as data:
        for name in ("x", "y", "time", "crs"):
            truth, found = data[name][...], unpacked(data[name])
            np.testing.assert_array_equal(np.ma.filled(found * 1.0, np.nan), np.ma.filled(truth * 1.0, np.nan))


def change(path, name, **attributes):
    with netCDF4.Dataset(path, "a") as data:
        data[name].setncatts(attributes)
        return path


def test_grids_stated_alike_are_one_and_others_are_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(cf_grid, "_KEPT", {})
    calls = []
    monkeypatch.setattr(cf_grid, "crs_of", lambda *a, made=cf_grid.crs_of: (calls.append(1), made(*a))[1])
    paths = {
        "a": write(tmp_path / "a.nc"),
        "again": write(tmp_path / "b.nc"),
        "metres": write(tmp_path / "c.nc", unit="m"),
        "moved": change(write(tmp_path / "d.nc"), "crs", longitude_of_projection_origin=6.0),
        "masked": change(write(tmp_path / "e.nc"), "x", scale_factor=2.0),
    }
    grids = {name: CfNetcdf().open(path) for name, path in paths.items()}
    assert len(calls) == 4
    assert grids["a"].coords.to_dataset().identical(grids["again"].coords.to_dataset())
    np.testing.assert_array_equal(grids["a"]["x"], 1000.0 * np.arange(1, 7))
    np.testing.assert_array_equal(grids["metres"]["x"], 1.0 * np.arange(1, 7))
    np.testing.assert_array_equal(grids["masked"]["x"], 2000.0 * np.arange(1, 7))
    assert grids["moved"]["crs"].attrs != grids["a"]["crs"].attrs
    assert (np.diff(grids["a"]["y"]) < 0).all()
