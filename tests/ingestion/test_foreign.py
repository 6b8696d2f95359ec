"""What no reader takes is called by its name: polar volumes with what to do, other formats as what they are."""

import bz2
import gzip

import h5py
import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.ingestion.readers.catalog import find_reader
from tests.shared_data import radar_folder


def odim_volume(path, kind):
    with h5py.File(path, "w") as file:
        file.create_group("what").attrs["object"] = np.bytes_(kind)
        file["dataset1/data1/data"] = np.zeros((360, 100), np.uint8)


def cf_radial(path, form, convention="CF/Radial-1.4"):
    with netCDF4.Dataset(path, "w", format=form) as data:
        data.Conventions = convention
        data.createDimension("time", 4)
        data.createDimension("range", 3)
        for name, dims in (
            ("azimuth", ("time",)),
            ("elevation", ("time",)),
            ("range", ("range",)),
            ("sweep_number", ()),
        ):
            data.createVariable(name, "f4", dims)
        data.createVariable("DBZH", "f4", ("time", "range")).units = "dBZ"


NEXRAD = b"AR2V0006.736" + bytes(12) + b"KLBB" + b"\x12" * 2000
IRIS = b"\x1b\x00\x08\x00\x00\x60\x39\x00\x00\x00\x00\x00\x1a\x00\x06\x00" + bytes(6000)
POLAR = {
    "ODIM_H5 PVOL": lambda p: odim_volume(p, "PVOL"),
    "ODIM_H5 SCAN": lambda p: odim_volume(p, "SCAN"),
    "NEXRAD level 2": lambda p: p.write_bytes(NEXRAD),
    "IRIS RAW": lambda p: p.write_bytes(IRIS),
    "Rainbow": lambda p: p.write_bytes(b'<volume version="5.36.5"\n datetime="2013">' + bytes(2000)),
}


def _said(path):
    with pytest.raises(FileError) as caught:
        find_reader(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", POLAR)
def test_polar_volumes_are_called_polar(kind, tmp_path):
    path = tmp_path / "volume"
    POLAR[kind](path)
    assert _said(path).startswith(f"{path}: is a polar volume ({kind}), expected a composite on a grid; ")
    assert "damaged" not in _said(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_ones_too(pack, tmp_path):
    path = tmp_path / "KLBB.gz"
    path.write_bytes(pack(NEXRAD))
    assert "polar volume (NEXRAD level 2)" in _said(path)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4"])
@pytest.mark.parametrize("convention", ["CF/Radial-1.4", "CF-1.6"])
def test_cf_radial_is_no_grid_whatever_its_conventions_say(form, convention, tmp_path):
    path = tmp_path / "v.nc"
    cf_radial(path, form, convention)
    assert "polar volume (CfRadial)" in _said(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GRIB" + bytes(50), "is a GRIB file"),
        (gzip.compress(b"hello " * 50, mtime=0), "is a gzip file that holds no known radar format"),
        (b"GIF89a" + bytes(50), "is a GIF picture but no rain product"),
    ],
)
def test_other_formats_are_called_what_they_are(content, said, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert said in _said(path)


def test_other_objects_of_odim_are_named(tmp_path):
    odim_volume(tmp_path / "v.h5", "XSEC")
    assert "is an ODIM_H5 file of the object XSEC, expected COMP or IMAGE" in _said(tmp_path / "v.h5")


def test_real_polar_files_are_called_polar():
    files = sorted(radar_folder("polar").iterdir())
    kinds = {path.name: _said(path).split("(")[1].split(")")[0] for path in files}
    assert sorted(set(kinds.values())) == [
        "CfRadial",
        "IRIS RAW",
        "NEXRAD level 2",
        "ODIM_H5 PVOL",
        "ODIM_H5 SCAN",
        "Rainbow",
    ]
