"""HDF5 that reaches outside itself or beyond bounds is refused before anything of it is read."""

import os
import time
import zlib

import h5py
import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.ingestion.readers import hdf5
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.odim_h5 import OdimH5
from tests.fakes import odim

RAW = np.arange(20, dtype=np.uint8).reshape(4, 5)
DATA = "dataset1/data1/data"


def external_storage(file, secret):
    del file[DATA]
    file.create_dataset(DATA, (4, 5), "u1", external=[(str(secret), 0, 20)])


def external_link(file, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["data"] = RAW
    del file[DATA]
    file[DATA] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/data")


def soft_link_through_an_external_one(file, secret):
    external_link(file, secret)
    file.move(DATA, "elsewhere")
    file[DATA] = h5py.SoftLink("/elsewhere")


def virtual(file, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["data"] = RAW
    layout = h5py.VirtualLayout((4, 5), "u1")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "data", (4, 5))
    del file[DATA]
    file.create_virtual_dataset(DATA, layout)


def huge_chunks(file, secret):
    del file[DATA]
    file.create_dataset(DATA, (4, 5), "u1", maxshape=(None, None), chunks=(60_000, 60_000), compression="gzip")


def a_huge_attribute(file, secret):
    file.create_group("how", track_order=True).attrs.create("nodes", np.zeros(1 << 21, np.uint8))


def many_attributes(file, secret):
    how = file.create_group("how", track_order=True)
    for number in range(2_100):
        how.attrs[f"a{number}"] = number


def many_members(file, secret):
    for number in range(10_100):
        file.create_group(f"quality/g{number}")


REFUSED = {
    external_storage: "keeps its data in another file",
    external_link: "links to another file",
    soft_link_through_an_external_one: "links to another file",
    virtual: "is made of other data sets",
    huge_chunks: "chunks of /dataset1/data1/data: got 3600000000 bytes",
    a_huge_attribute: "attributes of /how: got 1, the largest of 2097152 bytes",
    many_attributes: "attributes of /how: got 2100",
    many_members: "members: got more than 10000",
}


@pytest.mark.parametrize("harm", REFUSED)
def test_it_is_refused_by_the_catalog_and_by_the_reader(harm, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"what only this machine may see")
    path = odim.write_sweden(tmp_path / "h.h5", RAW)
    with h5py.File(path, "a", libver="latest") as file:
        harm(file, secret)
    for read in (find_reader, OdimH5().open):
        with pytest.raises(FileError, match=REFUSED[harm]) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "damaged" not in str(caught.value)


def test_links_and_cycles_within_the_file_are_harmless(tmp_path):
    path = odim.write_sweden(tmp_path / "c.h5", RAW)
    with h5py.File(path, "a") as file:
        file["dataset1/again"] = file["dataset1"]
        file["top"] = file["/"]
        file["dataset1/up"] = h5py.SoftLink("/")
        file["dataset1/nowhere"] = h5py.SoftLink("/not/there")
        file.move(DATA, "kept")
        file[DATA] = h5py.SoftLink("/kept")
    values = find_reader(path).open(path).values[0]
    np.testing.assert_array_equal(values[1:], np.float32(RAW[1:] * 0.4 - 30.0))


def test_a_chunk_that_unpacks_to_more_than_it_declares_is_refused(tmp_path):
    path = odim.write_sweden(tmp_path / "z.h5", RAW)
    bomb = zlib.compress(b"\0" * (400 << 20), 1)
    with h5py.File(path, "a") as file:
        del file[DATA]
        data = file.create_dataset(DATA, (4, 5), "u1", chunks=(4, 5), compression="gzip")
        data.id.write_direct_chunk((0, 0), bomb)
    field = OdimH5().open(path)
    with pytest.raises(FileError, match="expected the 20 bytes that it declares"):
        field.compute()


def test_sound_chunks_that_pack_well_are_read(tmp_path):
    """2000 x 2000 float64 of one value pack 1000-fold."""
    path = odim.write_opera(tmp_path / "o.h5", np.full((2000, 2000), 1.0))
    with h5py.File(path, "a") as file:
        del file["dataset2/data1/data"]
        file.create_dataset("dataset2/data1/data", data=np.full((2000, 2000), 1.0), compression="gzip")
    np.testing.assert_allclose(np.unique(OdimH5().open(path).values), [23.0103], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "cells"), [("lat", 1), pytest.param("dbz", 1, marks=pytest.mark.slow), ("dbz", 600)]
)
def test_netcdf_that_unpacks_to_more_than_it_declares_is_refused(tmp_path, name, cells):
    """One chunk of the second of two frames; 600 x 600 cells make the packed size alone look sound."""
    rows, columns = 4 * cells, 5 * cells
    path = tmp_path / "b.nc"
    with netCDF4.Dataset(path, "w") as data:
        for dim, size in (("time", 2), ("lat", rows), ("lon", columns)):
            data.createDimension(dim, size)
        for dim, units, numbers in (
            ("time", "minutes since 2021-07-04 12:00", [0, 10]),
            ("lat", "degrees_north", np.linspace(51, 50, rows)),
            ("lon", "degrees_east", np.linspace(6, 8, columns)),
        ):
            var = data.createVariable(dim, "f8", (dim,), zlib=True)
            var.units = units
            var[:] = numbers
        var = data.createVariable("dbz", "u1", ("time", "lat", "lon"), zlib=True, chunksizes=(1, rows, columns))
        var.setncatts({"units": "dBZ", "standard_name": "equivalent_reflectivity_factor"})
        var[:] = 20
    with h5py.File(path, "a") as file:
        place = (0,) if name == "lat" else (1, 0, 0)
        file[name].id.write_direct_chunk(place, zlib.compress(b"\0" * (400 << 20), 1))
    with pytest.raises(FileError, match=f"a chunk of /{name}: got .* bytes that it declares"):
        CfNetcdf().open(path).compute()


def looked_through(path, monkeypatch):
    """How often a file is looked through when it is opened twice."""
    count = []
    monkeypatch.setattr(hdf5, "_check_tree", lambda *_, whole=hdf5._check_tree: (count.append(1), whole(*_)))
    for _ in range(2):
        with hdf5.open_hdf5(path):
            pass
    return len(count)


def test_a_file_that_was_just_changed_is_looked_through_each_time(tmp_path, monkeypatch):
    path = odim.write_sweden(tmp_path / "n.h5", RAW)
    os.utime(path, (0, 0))
    assert looked_through(path, monkeypatch) == 2


def test_a_file_that_stayed_as_it_was_is_looked_through_once_and_again_when_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_SETTLED_NS", 0)
    path = odim.write_sweden(tmp_path / "o.h5", RAW)
    time.sleep(0.05)
    assert looked_through(path, monkeypatch) == 1
    with h5py.File(path, "a") as file:
        external_link(file, tmp_path / "secret")
    with pytest.raises(FileError, match="links to another file"), hdf5.open_hdf5(path):
        pass


def test_what_else_was_to_be_checked_is_not_taken_for_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_SETTLED_NS", 0)
    path = odim.write_sweden(tmp_path / "f.h5", RAW)
    time.sleep(0.05)
    asked = []
    with hdf5.open_hdf5(path), hdf5.open_hdf5(path, lambda *_: asked.append(1)):
        assert asked == [1]


def test_no_more_than_a_few_files_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_SETTLED_NS", 0)
    monkeypatch.setattr(hdf5, "_MOST_SEEN", 2)
    monkeypatch.setattr(hdf5, "_SEEN", {})
    for number in range(4):
        with h5py.File(tmp_path / f"{number}.h5", "w"):
            pass
    time.sleep(0.05)
    for number in range(4):
        with hdf5.open_hdf5(tmp_path / f"{number}.h5"):
            assert len(hdf5._SEEN) <= 2
