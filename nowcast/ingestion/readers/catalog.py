"""READERS: every radar file format by name, and which of them fits a file."""

from __future__ import annotations

from pathlib import Path

from nowcast.core.errors import FileError, SettingsError
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.cf_zarr import CfZarr
from nowcast.ingestion.readers.fmi_pgm import FmiPgm
from nowcast.ingestion.readers.foreign import looks_like, polar_error, polar_kind
from nowcast.ingestion.readers.geotiff import GeoTiff
from nowcast.ingestion.readers.grib2 import Grib2
from nowcast.ingestion.readers.knmi_h5 import KnmiH5
from nowcast.ingestion.readers.mch_gif import MchGif
from nowcast.ingestion.readers.odim_h5 import OdimH5
from nowcast.ingestion.readers.plug_ins import plug_ins, sniffed
from nowcast.ingestion.readers.radolan import Radolan

READERS: dict[str, Reader] = {
    "odim_h5": OdimH5(),
    "cf_netcdf": CfNetcdf(),
    "cf_zarr": CfZarr(),
    "knmi_h5": KnmiH5(),
    "fmi_pgm": FmiPgm(),
    "mch_gif": MchGif(),
    "dwd_radolan": Radolan(),
    "grib2": Grib2(),
    "geotiff": GeoTiff(),
}
"""Name -> reader, asked in this order."""


def find_reader(path: Path, name: str | Reader | None = None) -> Reader:
    """Return the reader ``name``, or the first that recognises the content of the file.

    A reader that is given as an object is taken as it is.

    Raises:
        FileError: absent, empty, a polar volume, of no known format, no netCDF where a variable is named,
            or HDF5 that reaches outside itself; the message names what it looks like and which readers
            were tried.
        SettingsError: no reader of that name.
    """
    if name is not None and not isinstance(name, str):
        return name
    named = None if name is None else reader_named(name)
    path = Path(path)
    try:
        if not path.stat().st_size:
            raise FileError(f"{path}: is empty (0 bytes), expected a radar file; fetch it again")
        polar = "" if path.is_dir() else polar_kind(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    if polar:
        raise polar_error(path, polar)
    found = next((reader for reader in READERS.values() if reader.sniff(path)), None)
    found = found or next((reader for reader in _others().values() if sniffed(reader, path)), None)
    if named is not None:
        if found is None or ":" not in named.name or named.sniff(path):
            return named
        raise FileError(f"{path}: is {found.name}, expected netCDF of a chosen variable; leave --variable out")
    if found is not None:
        return found
    asked = ", ".join((*READERS, *_others()))
    raise FileError(f"{path}: {looks_like(path)}, expected a radar file; asked: {asked}{_faults()}")


def reader_named(name: str) -> Reader:
    """Return the reader called ``name``; ``cf_netcdf:NAME`` reads the variable ``NAME`` of netCDF files.

    Raises:
        SettingsError: no such reader; the message lists those that are known.
    """
    known, colon, variable = name.partition(":")
    reader = READERS.get(known) or _others().get(known)
    if reader is None or (colon and (known != CfNetcdf.name or not variable)):
        expected = ", ".join((*READERS, *_others()))
        raise SettingsError(f"reader: got '{name}', expected one of {expected}{_faults()}")
    return CfNetcdf(name=name, variable=variable) if colon else reader


def _others() -> dict[str, Reader]:
    """Return the readers of other distributions by name; they are asked last."""
    return {one.name: one.reader for one in plug_ins(frozenset(READERS)) if one.reader is not None}


def _faults() -> str:
    wrong = [f"'{one.name}' of {one.origin} {one.fault}" for one in plug_ins(frozenset(READERS)) if one.fault]
    return f"; not asked: {'; '.join(wrong)}" if wrong else ""
