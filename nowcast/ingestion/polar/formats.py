"""Which reader takes which kind of polar file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.ingestion.polar.by_xradar import read_xradar
from nowcast.ingestion.polar.cfradial import read_cfradial
from nowcast.ingestion.polar.odim import read_odim
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Volume, checked
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.foreign import polar_error, polar_kind

FORMATS: Mapping[str, Callable[[Path, PolarSettings], Volume]] = {
    "ODIM_H5 PVOL": read_odim,
    "ODIM_H5 SCAN": read_odim,
    "CfRadial": read_cfradial,
    "NEXRAD level 2": read_xradar,
    "IRIS RAW": read_xradar,
    "Rainbow": read_xradar,
}
"""Kind of file, as `polar_kind` tells it by its content -> what reads it."""


def described() -> list[FormatDescription]:
    """Return what ``nowcast formats`` tells of each kind."""
    return [
        FormatDescription(
            kind, "reflectivity of sweeps, put on a grid", *(("xradar", "polar") if read is read_xradar else ())
        )
        for kind, read in FORMATS.items()
    ]


def read_volume(path: Path, settings: PolarSettings) -> Volume:
    """Return the volume in a file; the same file is not read again the next time it is asked for.

    Raises:
        FileError: not a polar volume, damaged, or of a format that is not read.
        MissingExtraError: a library that is not installed.
    """
    stat = path.stat()
    return _read(path, settings, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, settings: PolarSettings, mtime_ns: int, size: int) -> Volume:
    del mtime_ns
    if not size:
        raise FileError(f"{path}: is empty (0 bytes), expected a polar volume; fetch it again")
    kind = polar_kind(path)
    if not kind:
        raise FileError(f"{path}: is no polar volume, expected one of {', '.join(FORMATS)}")
    if kind not in FORMATS:
        raise polar_error(path, kind)
    return checked(FORMATS[kind](path, settings))
