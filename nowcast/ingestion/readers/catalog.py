"""READERS: every radar file format by name, and which of them fits a file."""

from __future__ import annotations

from pathlib import Path

from nowcast.core.errors import FileError, SettingsError
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.fmi_pgm import FmiPgm
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC
from nowcast.ingestion.readers.knmi_h5 import KnmiH5
from nowcast.ingestion.readers.mch_gif import MchGif
from nowcast.ingestion.readers.odim_h5 import OdimH5

READERS: dict[str, Reader] = {
    "odim_h5": OdimH5(),
    "cf_netcdf": CfNetcdf(),
    "knmi_h5": KnmiH5(),
    "fmi_pgm": FmiPgm(),
    "mch_gif": MchGif(),
}
"""Name -> reader, asked in this order."""


def find_reader(path: Path, name: str | None = None) -> Reader:
    """Give the reader called ``name``, or the first that recognises the content of the file.

    Raises:
        FileError: absent, empty, or of no known format; the message says what it looks like instead,
            who was asked, and whose library is missing.
        SettingsError: no reader of that name.
    """
    named = None if name is None else reader_named(name)
    try:
        with Path(path).open("rb") as handle:
            head = handle.read(1024)
    except OSError as error:
        raise FileError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    if not head:
        raise FileError(f"{path}: is empty (0 bytes), expected a radar file; fetch it again")
    if named is not None:
        return named
    for reader in READERS.values():
        if reader.sniff(Path(path)):
            return reader
    asked = ", ".join(READERS)
    raise FileError(f"{path}: {_looks_like(Path(path), head)}, expected a radar file; asked: {asked}")


def reader_named(name: str) -> Reader:
    """Give the reader called ``name``.

    Raises:
        SettingsError: no such reader; the message lists those that are known.
    """
    if name not in READERS:
        raise SettingsError(f"reader: got '{name}', expected one of {', '.join(READERS)}")
    return READERS[name]


def _looks_like(path: Path, head: bytes) -> str:
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "is an HTML page (an error page saved as a file?)"
    if head.startswith(HDF5_MAGIC):
        try:
            import h5py

            with h5py.File(path, "r"):
                return "is HDF5 but no composite of ODIM or KNMI, nor CF netCDF with dBZ or mm/h"
        except Exception as error:
            return f"is a truncated or damaged HDF5 file ({' '.join(str(error).split())[:120]})"
    if head.startswith(b"\x1f\x8b"):
        return "is a gzip file that holds no known radar format or is truncated"
    return f"starts with {head[:8]!r}, which is no known radar format"
