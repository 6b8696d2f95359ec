"""A cut netCDF file is never taken for a whole one, and a header that is none is refused at once."""

import struct
import time

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError, NowcastError
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.netcdf_size import check_whole
from tests.fakes import cf

OLD = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


@pytest.mark.parametrize("model", [*OLD, "NETCDF4_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize("order", [("time", "y", "x"), ("y", "x", "time")])
def test_every_cut_at_one_per_cent_is_refused(tmp_path, model, order):
    scene = cf.scene((3, 9, 11), data_model=model, order=order)
    path = tmp_path / "whole.nc"
    scene.write(path)
    cf.assert_truth(CfNetcdf().open(path), scene)
    data = path.read_bytes()
    cut = tmp_path / "cut.nc"
    for percent in range(100):
        cut.write_bytes(data[: len(data) * percent // 100])
        with pytest.raises(NowcastError, match=r"cut\.nc"):
            CfNetcdf().open(cut).compute(scheduler="synchronous")


@pytest.mark.parametrize("model", OLD)
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("records", [None, 1, 4])
@pytest.mark.parametrize("alone", [False, True])
def test_the_size_is_the_librarys_to_the_padding(tmp_path, model, dtype, records, alone):
    path = tmp_path / "s.nc"
    with netCDF4.Dataset(path, "w", format=model) as data:
        data.title = "odd"
        data.createDimension("time", None if records else 3)
        data.createDimension("x", 7)
        data.createVariable("a", dtype, ("time", "x"))[:] = np.ones((records or 3, 7))
        data.createVariable("c", "f4", ("x",)).units = "m"
        if not alone:
            data.createVariable("b", "i2", ("time",))[:] = 1
    size = path.stat().st_size
    check_whole(path)
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    with pytest.raises(FileError, match=rf"got {size - 4} bytes, expected the \d+ that its header announces"):
        check_whole(path)


def header(dims=((b"y", 4),), version=1, records=0, begin=None, kind=4, ids=(0,)):
    def name(text):
        return struct.pack(">I", len(text)) + text.ljust(-(-len(text) // 4) * 4, b"\0")

    data = b"CDF" + bytes([version]) + struct.pack(">III", records, 10, len(dims))
    data += b"".join(name(n) + struct.pack(">I", size) for n, size in dims)
    data += struct.pack(">II", 0, 0) + struct.pack(">II", 11, 1) + name(b"v")
    data += struct.pack(">I", len(ids)) + b"".join(struct.pack(">I", i) for i in ids)
    data += struct.pack(">II", 0, 0) + struct.pack(">II", kind, 16)
    return data + struct.pack(">I", len(data) + 4 if begin is None else begin)


def test_the_header_of_this_test_is_one(tmp_path):
    path = tmp_path / "h.nc"
    path.write_bytes(header() + b"\0" * 16)
    check_whole(path)
    with netCDF4.Dataset(path) as data:
        assert data["v"].shape == (4,)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header(dims=((b"y", 2**31 - 1),)), "expected the 8589934"),
        (header(dims=((b"y", 60_000), (b"x", 60_000)), ids=(0, 1)), "expected the 14400000"),
        (header(begin=0) + b"\0" * 99, "lie over each other"),
        (header(kind=99) + b"\0" * 99, "damaged"),
        (header(ids=(5,)) + b"\0" * 99, "damaged"),
        (header(records=2**32 - 1) + b"\0" * 99, "never written"),
        (header()[:30], "damaged"),
        (b"CDF\x01" + b"\xff" * 60, "damaged"),
        (b"CDF\x05" + b"\xff" * 60, "damaged"),
        (b"CDF\x02" + struct.pack(">III", 0, 10, 2**30), "entries"),
    ],
)
def test_headers_that_promise_too_much_are_refused_quickly(tmp_path, data, words):
    path = tmp_path / "h.nc"
    path.write_bytes(data)
    began = time.perf_counter()
    with pytest.raises(FileError, match=rf"h\.nc: .*{words}"):
        CfNetcdf().open(path)
    assert time.perf_counter() - began < 1.0
