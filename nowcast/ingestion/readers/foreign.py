"""What a file is that no reader takes: polar volumes by their kind, other formats by their first bytes."""

from __future__ import annotations

import bz2
import re
import zlib
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError, NowcastError
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC, open_hdf5, plain

HEAD_BYTES = 1024
_HEADER_BYTES = 1 << 16
_ODIM_POLAR = ("PVOL", "SCAN", "RAY", "AZIM", "ELEV")
_POLAR_STARTS = {
    b"AR2V": "NEXRAD level 2",
    b"ARCHIVE2": "NEXRAD level 2",
    b"<volume": "Rainbow",
    b"SSWB": "DORADE",
    b"VOLD": "DORADE",
    b"UF": "Universal Format",
}
_NOT_YET = "a format that is not read yet"
_OTHER_STARTS = {
    b"GRIB": "is a GRIB file of edition 1, which is not read (edition 2 is)",
    b"BUFR": f"is a BUFR file, {_NOT_YET}",
    b"\x89PNG": "is a PNG picture",
    b"\xff\xd8\xff": "is a JPEG picture",
    b"PK\x03\x04": "is a ZIP archive",
    b"GIF8": "is a GIF picture but no rain product that is known",
    b"CDF": "is netCDF but holds nothing that is known",
}


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked where it is gzip or bzip2.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    try:
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
        if head.startswith(b"BZh"):
            with bz2.open(path) as packed:
                return packed.read(HEAD_BYTES)
    except (zlib.error, EOFError, OSError):
        pass
    return head


def polar_kind(path: Path) -> str:
    """Return which format of polar volume a file is, the empty string for none.

    Raises:
        FileError: it is HDF5 that reaches outside itself or beyond bounds.
        OSError: it cannot be opened.
    """
    head = head_of(path)
    for start, kind in _POLAR_STARTS.items():
        if head.startswith(start):
            return kind
    if head[4:6] == b"UF":
        return "Universal Format"
    if head[:2] == b"\x1b\x00" and head[12:14] == b"\x1a\x00":
        return "IRIS RAW"
    if head.startswith(b"CDF"):
        with path.open("rb") as handle:
            header = handle.read(_HEADER_BYTES).lower()
        radial = re.search(rb"cf.?radial", header)
        return "CfRadial" if radial or all(n in header for n in (b"azimuth", b"elevation", b"sweep")) else ""
    return _polar_hdf5(path) if head.startswith(HDF5_MAGIC) else ""


def _polar_hdf5(path: Path) -> str:
    try:
        with open_hdf5(path) as file:
            return _polar_members(file)
    except NowcastError:
        raise
    except Exception:
        return ""


def _polar_members(file: Any) -> str:
    kind = odim_object(file)
    if kind in _ODIM_POLAR:
        return f"ODIM_H5 {kind}"
    radial = "radial" in str(plain(file.attrs.get("Conventions", ""))).lower()
    if radial or {"azimuth", "elevation", "range"} <= set(file) or "sweep_0001" in file:
        return "CfRadial"
    return "KNMI HDF5" if "scan1" in file and "image1" not in file else ""


def odim_object(file: Any) -> str:
    """Return what an ODIM_H5 file says it is, such as COMP or PVOL, the empty string for no ODIM_H5."""
    return str(plain(file["what"].attrs.get("object", ""))) if "what" in file else ""


def polar_error(path: Path, kind: str) -> FileError:
    """Return the error that says what a polar volume is and what to do with it."""
    if kind in ("DORADE", "Universal Format", "KNMI HDF5"):
        return FileError(
            f"{path}: is a polar volume ({kind}), expected a composite on a grid; this format "
            "is not read: convert it to CfRadial or ODIM_H5, for example with Py-ART"
        )
    return FileError(
        f"{path}: is a polar volume ({kind}), expected a composite on a grid; put it on one with "
        "--polar lowest_beam, maximum or method=cappi,height_km=2 (NEXRAD, IRIS and Rainbow need "
        "pip install 'nowcast[polar]')"
    )


def looks_like(path: Path) -> str:
    """Return in words what a file is that no reader knows."""
    head = head_of(path)
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "is an HTML page (an error page saved as a file?)"
    if head.startswith(HDF5_MAGIC):
        return _looks_like_hdf5(path)
    for start, said in _OTHER_STARTS.items():
        if head.startswith(start):
            return said
    with path.open("rb") as handle:
        packed = handle.read(3)
    for start, said in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2")):
        if packed.startswith(start):
            return f"is a {said} file that holds no known radar format or is truncated"
    return f"starts with {head[:8]!r}, which is no known radar format"


def _looks_like_hdf5(path: Path) -> str:
    try:
        with open_hdf5(path) as file:
            kind = odim_object(file)
            imerg = "IMERG" in str(plain(file.attrs.get("FileHeader", "")))
            members = ", ".join(sorted(file)[:8]) or "nothing"
    except Exception as error:
        return f"is a truncated or damaged HDF5 file ({' '.join(str(error).split())[:120]})"
    if imerg:
        return "is HDF5 of GPM IMERG, which --mapping imerg reads"
    if kind:
        return f"is an ODIM_H5 file of the object {kind[:20]}, expected COMP or IMAGE"
    return f"is HDF5 but no composite of ODIM or KNMI, nor CF netCDF with dBZ or mm/h (it holds {members})"
