"""Composites of DWD in ODIM_H5, by their layout: HX (reflectivity, 250 m), RV (rain of 5 minutes)."""

import h5py
import numpy as np
import pyproj
import pytest

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.catalog import find_reader

PROJECTION = (
    "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +x_0={x} +y_0={y} +units=m +a=6378137 "
    "+b=6356752.3142451802 +no_defs"
)
HX = PROJECTION.format(x=543571.83521776402, y=3622213.8619310018)
RV = PROJECTION.format(x=543196.83521776402, y=3622588.8619310018)


def write(path, projection, cell, frames, quantity, **what):
    """``frames``: start and end (HHMM of 2023-05-04) and raw numbers of each data set; the time is 12:00."""
    height, width = frames[0][2].shape
    project = pyproj.Proj(projection)
    with h5py.File(path, "w") as file:
        root = file.create_group("what").attrs
        for name, value in (
            ("object", "COMP"),
            ("version", "H5rad 2.3"),
            ("date", "20230504"),
            ("time", "120000"),
            ("source", "ORG:78,CTY:616,CMT:Deutscher Wetterdienst"),
        ):
            root[name] = np.bytes_(value)
        where = file.create_group("where").attrs
        where.update(
            {"projdef": np.bytes_(projection), "xsize": width, "ysize": height, "xscale": cell, "yscale": cell}
        )
        for name, column, row in (("UL", 0, 0), ("UR", width, 0), ("LL", 0, height), ("LR", width, height)):
            lon, lat = project((column - 0.5) * cell, (0.5 - row) * cell, inverse=True)
            where.update({f"{name}_lon": lon, f"{name}_lat": lat})
        for number, (start, end, raw) in enumerate(frames, 1):
            group = file.create_group(f"dataset{number}")
            stamps = group.create_group("what").attrs
            for name, value in (
                ("product", "SURF"),
                ("startdate", "20230504"),
                ("enddate", "20230504"),
                ("starttime", f"{start}00"),
                ("endtime", f"{end}00"),
            ):
                stamps[name] = np.bytes_(value)
            data = group.create_group("data1")
            data["data"] = raw
            data.create_group("what").attrs.update({"quantity": np.bytes_(quantity), **what})
    return path


def test_hx_is_reflectivity_in_cells_of_250_metres(tmp_path):
    raw = np.array([[65535, 0, 2900], [0, 4000, 3200]], np.uint16)
    path = write(
        tmp_path / "hx.hd5",
        HX,
        250.0,
        [("1155", "1200", raw)],
        "DBZH",
        gain=0.0180,
        offset=-64.0,
        nodata=65535.0,
        undetect=0.0,
    )
    field = find_reader(path).open(path)
    np.testing.assert_allclose(field.values[0], [[np.nan, -32, -11.8], [-32, 8.0, -6.4]], atol=1e-4)
    grid = Grid.of(field)
    assert (grid.x[0], grid.y[0]) == pytest.approx((0.0, 0.0), abs=2.5)  # a hundredth of a cell
    assert grid.spacing == pytest.approx((250.0, 250.0))
    assert str(field.time.values[0])[:16] == "2023-05-04T12:00"
    lon, lat = grid.lonlat(grid.y[:1], grid.x[:1])
    # the middle of the upper left cell of the grid that DWD publishes for 4800 x 4400 cells
    assert (lon[0], lat[0]) == pytest.approx((1.4654, 55.8626), abs=2e-3)


def test_rv_is_read_at_its_own_time_and_not_as_the_forecasts_behind(tmp_path):
    raw = np.array([[65535, 0, 10], [0, 100, 1]], np.uint16)
    later = np.full_like(raw, 500)
    codes = {"gain": 0.01, "offset": 0.0, "nodata": 65535.0, "undetect": 65534.0}
    frames = [("1155", "1200", raw), ("1200", "1205", later)]
    path = write(tmp_path / "rv.h5", RV, 1000.0, frames, "ACRR", **codes)
    field = find_reader(path).open(path)
    assert field.attrs["accumulation_hours"] == "0.0833333"
    rate = np.array([[np.nan, 0, 1.2], [0, 12, 0.12]])
    with np.errstate(divide="ignore"):
        expected = np.maximum(10 * np.log10(200 * rate**1.6), -32)
    np.testing.assert_allclose(field.values[0], expected, atol=1e-4)
    path = write(tmp_path / "ahead.h5", RV, 1000.0, [("1205", "1210", later)], "ACRR", **codes)
    with pytest.raises(FileError, match="is a forecast"):
        find_reader(path).open(path)
