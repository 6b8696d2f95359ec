import resource
from pathlib import Path

import h5py
import numpy as np
import pyproj
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.field import FieldError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.odim_h5 import OdimH5
from nowcast.products.odim_h5 import OdimPacking, write_composite
from tests.fakes.fields import PROJ_LAEA, geographic_grid, projected_grid

PROJ_STERE = "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378140 +b=6356750"
TIME = np.datetime64("2025-03-22T12:05:00", "ns")


def frame(grid, gain=0.5):
    rng = np.random.default_rng(3)
    dbz = (rng.integers(1, 150, grid.shape) * gain + NO_ECHO_DBZ).astype(np.float32)
    dbz[0, :5] = np.nan
    dbz[1, :5] = NO_ECHO_DBZ
    return dbz


def read_by_hand(path):
    with h5py.File(path) as file:
        attributes = file["dataset1/data1/what"].attrs
        what = {name: float(attributes[name]) for name in ("gain", "offset", "nodata", "undetect")}
        codes = file["dataset1/data1/data"][:].astype(float)
    dbz = (codes * what["gain"] + what["offset"]).astype(np.float32)
    dbz[codes == what["undetect"]] = NO_ECHO_DBZ
    dbz[codes == what["nodata"]] = np.nan
    return dbz


@pytest.mark.parametrize("packing", [OdimPacking(), OdimPacking(gain=0.01, bits=16)])
def test_values_nodata_and_undetect_come_back_exactly(tmp_path, packing):
    grid = projected_grid()
    dbz = frame(grid, packing.gain)
    path = write_composite(tmp_path / "a.h5", dbz, TIME, grid, packing=packing)
    np.testing.assert_array_equal(read_by_hand(path), dbz)


def test_by_default_nothing_is_lost_that_the_archive_would_keep(tmp_path):
    grid = projected_grid()
    for gain, dtype in ((0.5, np.uint8), (0.01, np.uint16)):
        dbz = frame(grid, gain)
        path = write_composite(tmp_path / f"{gain}.h5", dbz, TIME, grid)
        with h5py.File(path) as file:
            assert file["dataset1/data1/data"].dtype == dtype
        np.testing.assert_array_equal(read_by_hand(path), dbz)


@pytest.mark.parametrize("crs", [PROJ_LAEA, "EPSG:4326", "EPSG:21781", PROJ_STERE])
@pytest.mark.parametrize("gain", [0.5, 0.01])
def test_our_own_reader_reads_it_back_exactly(tmp_path, crs, gain):
    like = geographic_grid() if crs == "EPSG:4326" else projected_grid()
    x, y = (600_000, 200_000) if crs == "EPSG:21781" else (0, -4_000_000) if "stere" in crs else (0, 0)
    grid = Grid(pyproj.CRS.from_user_input(crs).to_wkt(), like.y + y, like.x + x)
    dbz = frame(grid, gain)
    path = write_composite(tmp_path / "a.h5", dbz, TIME, grid)
    reader = OdimH5()
    assert reader.sniff(path)
    field = reader.open(path)
    np.testing.assert_array_equal(field.values[0], dbz)
    assert field["time"].values[0] == TIME
    found = Grid.of(field)
    np.testing.assert_allclose(found.y, grid.y, atol=1e-6 * grid.spacing[0])
    np.testing.assert_allclose(found.x, grid.x, atol=1e-6 * grid.spacing[1])
    if crs.startswith("+proj"):
        assert found.difference(grid) == ""


def test_mandatory_attributes_of_odim_2_4(tmp_path):
    grid = projected_grid()
    path = write_composite(
        tmp_path / "a.h5", frame(grid), TIME, grid, source="NOD:xxnow", how={"task": "nowcast é"}
    )
    with h5py.File(path) as file:
        assert file.attrs["Conventions"] == b"ODIM_H5/V2_4"
        assert dict(file["what"].attrs) == {
            "object": b"COMP",
            "version": b"H5rad 2.4",
            "date": b"20250322",
            "time": b"120500",
            "source": b"NOD:xxnow",
        }
        assert file["dataset1/what"].attrs["starttime"] == b"120500"
        assert file["dataset1/data1/what"].attrs["quantity"] == b"DBZH"
        assert file["how"].attrs["task"].decode() == "nowcast é"
        kind = file["what"].attrs.get_id("object").get_type()
        assert kind.get_strpad() == h5py.h5t.STR_NULLTERM
        assert file["dataset1/data1/data"].attrs["CLASS"] == b"IMAGE"


@pytest.mark.parametrize("grid", [projected_grid(), geographic_grid()], ids=["projected", "geographic"])
def test_corners_are_the_outer_corners_of_the_grid(tmp_path, grid):
    path = write_composite(tmp_path / "a.h5", frame(grid), TIME, grid)
    with h5py.File(path) as file:
        where = dict(file["where"].attrs)
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", where["projdef"].decode(), always_xy=True)
    west, east, south, north = grid.extent
    dy, dx = grid.spacing
    assert (where["xscale"], where["yscale"]) == (dx, dy)
    assert (int(where["ysize"]), int(where["xsize"])) == grid.shape
    for corner, x, y in (("LL", west, south), ("UL", west, north), ("UR", east, north), ("LR", east, south)):
        found = to_crs.transform(where[f"{corner}_lon"], where[f"{corner}_lat"])
        assert found == pytest.approx((x, y), abs=1e-5 * dx)


def test_values_outside_the_codes_are_refused_and_nothing_is_left(tmp_path):
    grid = projected_grid()
    dbz = frame(grid)
    dbz[3, 3] = 95.5
    with pytest.raises(FieldError, match=r"95\.5 dBZ, expected -31\.5 to 95 dBZ"):
        write_composite(tmp_path / "a.h5", dbz, TIME, grid, packing=OdimPacking())
    assert list(tmp_path.iterdir()) == []


def test_a_shape_that_is_not_the_grids_is_refused(tmp_path):
    with pytest.raises(FieldError, match="shape"):
        write_composite(tmp_path / "a.h5", np.zeros((3, 4), np.float32), TIME, projected_grid())


def test_a_packing_without_steps_is_refused():
    with pytest.raises(SettingsError, match="gain"):
        OdimPacking(gain=0.0)


def test_a_full_disk_leaves_the_old_file_alone_and_the_process_alive(tmp_path):
    """HDF5 crashes the process, or keeps the file open for ever, when it meets the full disk itself."""
    grid = projected_grid()
    path = write_composite(tmp_path / "a.h5", frame(grid), TIME, grid)
    before, opened = path.read_bytes(), len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match=r"a\.h5: cannot be written"):
            write_composite(path, frame(grid), TIME, grid)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
