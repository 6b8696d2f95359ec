"""CF netCDF: damaged bytes give values or one error of ours, soon, and never anything else."""

import time

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from tests.fakes import cf

RUNS = 100
SECONDS = 5.0


@pytest.mark.parametrize(
    "model",
    [
        "NETCDF3_CLASSIC",
        "NETCDF4",
        *(pytest.param(f"NETCDF3_64BIT_{kind}", marks=pytest.mark.slow) for kind in ("OFFSET", "DATA")),
    ],
)
def test_flipped_bytes_of_the_first_kilobytes(tmp_path, model):
    path = tmp_path / "d.nc"
    cf.scene(data_model=model).write(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(len(model))
    for run in range(RUNS):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 4096), rng.integers(1, 12)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        CfNetcdf().sniff(path)
        began = time.perf_counter()
        said = cf.said_of(CfNetcdf(), path)
        assert "d.nc" in said, run
        assert "\n" not in said, run
        assert time.perf_counter() - began < SECONDS, run


def test_huge_sizes_are_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "h.nc"
    with netCDF4.Dataset(path, "w") as data:
        for name, size in (("time", 1), ("y", 60_000), ("x", 60_000)):
            data.createDimension(name, size)
            data.createVariable(name, "i1", (name,), chunksizes=(size,), zlib=True).units = (
                "m" if name != "time" else "hours since 2025-01-01"
            )
        var = data.createVariable("Z", "u1", ("time", "y", "x"), zlib=True, chunksizes=(1, 60_000, 60_000))
        var.units = "dBZ"
    began = time.perf_counter()
    with pytest.raises(NowcastError, match=r"h\.nc"):
        CfNetcdf().open(path)
    assert time.perf_counter() - began < SECONDS


def test_chunks_larger_than_their_data_are_refused(tmp_path):
    path = tmp_path / "c.nc"
    with netCDF4.Dataset(path, "w") as data:
        for name in ("time", "y", "x"):
            data.createDimension(name, None)
            data.createVariable(name, "f8", (name,)).units = "m" if name != "time" else "hours since 2025-01-01"
            data[name][:] = np.arange(48 if name != "time" else 1)
        var = data.createVariable("Z", "u1", ("time", "y", "x"), zlib=True, chunksizes=(1, 30_000, 30_000))
        var.units = "dBZ"
    with pytest.raises(NowcastError, match=r"c\.nc: chunks of /Z: got 900000000 bytes"):
        CfNetcdf().open(path)


@pytest.mark.parametrize("model", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_a_file_that_vanishes_or_shrinks_while_it_is_open_is_one_error(tmp_path, model):
    path = tmp_path / "v.nc"
    cf.scene(data_model=model).write(path)
    field = CfNetcdf().open(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(NowcastError, match=r"v\.nc"):
        field.compute(scheduler="synchronous")
    path.unlink()
    with pytest.raises(NowcastError, match=r"v\.nc"):
        field.compute(scheduler="synchronous")
