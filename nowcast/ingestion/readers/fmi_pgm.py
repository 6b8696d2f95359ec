"""FMI composites as PGM pictures (plain or gzip'd) whose comments carry time and georeference."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr

from nowcast.core.errors import FileError, GridError, TimeError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import nanoseconds
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.lazy import Frame, check_size, decode_codes, faults_named, lazy_field
from nowcast.ingestion.readers.projections import wkt_of_proj

_LONGEST_HEADER, _LONGEST_NUMBER = 1 << 16, 10
_EARTH_RADIUS_M = 6371288.0
"""Radius of the sphere on which the corners of the file give exactly its ``metersperpixel``."""


@dataclass(frozen=True)
class FmiPgm:
    """Reads one frame: dBZ = raw / 2 - 32, raw 0 is no echo, raw 255 is not observed.

    ``bottomleft`` and ``topright`` are the outer edges of the corner cells: over the number of cells
    they give the ``metersperpixel`` of the file itself, which is checked.

    Source: FMI open data, "Radar composites as PGM" and the comments in the files.
    """

    description: ClassVar = FormatDescription("PGM pictures of FMI, also .gz", "reflectivity")
    name: str = "fmi_pgm"

    def sniff(self, path: Path) -> bool:
        """Whether this is a binary PGM, gzip'd or not, with an ``obstime`` comment."""
        try:
            with _stream(path) as handle:
                head = handle.read(1000)
            return head.startswith(b"P5") and b"# obstime" in head
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingestion.readers.base.Reader`."""
        with faults_named(path, "FMI PGM"), _stream(path) as handle:
            said, (height, width) = _header(path, handle)
            check_size(path, height, width)
            if said.get("param") != "CorrectedReflectivity":
                raise FileError(f"{path}: holds '{said.get('param')}', expected CorrectedReflectivity")
            try:
                time = nanoseconds(np.datetime64(datetime.strptime(said["obstime"], "%Y%m%d%H%M"), "us"))[()]
            except (KeyError, ValueError, TimeError) as error:
                raise FileError(
                    f"{path}: obstime is '{said.get('obstime')}', expected "
                    "YYYYMMDDHHMM of the years 1970 to 2199"
                ) from error
            grid = _grid(path, said, height, width)
        attrs = {"quantity": "CorrectedReflectivity", "source": "FMI " + said.get("productname", "")}
        read = partial(_read, path, (height, width))
        return lazy_field(read, np.array([time], "datetime64[ns]"), grid, attrs)


def _stream(path: Path) -> IO[bytes]:
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, handle: IO[bytes]) -> tuple[dict[str, str], tuple[int, int]]:
    """Read comments as a dict and the size; leaves the stream at the first cell."""
    said: dict[str, str] = {}
    words: list[bytes] = []
    read = 0
    while len(words) < 4:
        line = handle.readline(4096)
        read += len(line)
        if not line or read > _LONGEST_HEADER:
            raise FileError(
                f"{path}: the PGM header does not end, expected P5, comments, size and "
                "255; it is truncated or damaged, fetch it again"
            )
        if line.startswith(b"#"):
            key, _, value = line[1:].decode("latin-1").strip().partition(" ")
            if key and key not in said:
                said[key] = value.strip()
        else:
            words += line.split()
    sizes = all(w.isdigit() and len(w) < _LONGEST_NUMBER for w in words[1:4])
    if words[0] != b"P5" or not sizes or int(words[3]) != 255:
        raise FileError(f"{path}: the PGM header says {b' '.join(words)[:40]!r}, expected an 8-bit P5")
    return said, (int(words[2]), int(words[1]))


def _grid(path: Path, said: dict[str, str], height: int, width: int) -> Grid:
    try:
        if said["type"] != "stereographic" or float(said["centrallatitude"]) != 90.0:
            raise GridError(f"{path}: projection '{said['type']}', expected polar stereographic")
        place = {"lon_0": float(said["centrallongitude"]), "lat_ts": float(said["truelatitude"])}
        wkt = wkt_of_proj(proj="stere", lat_0=90.0, **place, R=_EARTH_RADIUS_M, units="m")
        corners = tuple(tuple(map(float, said[name].split())) for name in ("bottomleft", "topright"))
        (west, south), (east, north) = _projected(wkt, corners)
        stated = float(said["metersperpixel_y"]), float(said["metersperpixel_x"])
    except (KeyError, ValueError, TypeError) as error:
        raise GridError(
            f"{path}: the comments lack a readable {error}, expected the projection, "
            "bottomleft, topright and metersperpixel"
        ) from error
    dy, dx = (north - south) / height, (east - west) / width
    if not (abs(dy - stated[0]) * height <= 0.5 * dy and abs(dx - stated[1]) * width <= 0.5 * dx):
        raise GridError(
            f"{path}: corners give cells of {dy:.2f} x {dx:.2f} m but metersperpixel says "
            f"{stated[0]:.2f} x {stated[1]:.2f}; the georeference contradicts itself"
        )
    y = north - (np.arange(height) + 0.5) * dy
    return Grid(wkt, y, west + (np.arange(width) + 0.5) * dx)


@lru_cache(maxsize=32)
def _projected(wkt: str, corners: tuple[tuple[float, ...], ...]) -> list[tuple[float, float]]:
    """Return x and y of corners in longitude and latitude, which the files of one series share."""
    project = pyproj.Proj(pyproj.CRS.from_wkt(wkt))
    return [project(lon, lat) for lon, lat in corners]


def _read(path: Path, shape: tuple[int, int], index: int) -> Frame:
    del index
    count = shape[0] * shape[1]
    with faults_named(path, "FMI PGM"), _stream(path) as handle:
        _header(path, handle)
        try:
            cells = handle.read(count + 1)  # one more: the check sum of gzip is behind the last cell
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileError(f"{path}: the gzip stream is truncated or damaged; fetch it again") from error
    if len(cells) < count:
        raise FileError(f"{path}: holds {len(cells)} of {count} cells; it is truncated, fetch it again")
    return decode_codes(np.frombuffer(cells, np.uint8, count).reshape(shape), _to_dbz)


def _to_dbz(raw: npt.NDArray[Any]) -> Frame:
    dbz = raw.astype(np.float32) * np.float32(0.5) - np.float32(32.0)
    dbz[raw == 0] = NO_ECHO_DBZ
    dbz[raw == 255] = np.nan
    return dbz
