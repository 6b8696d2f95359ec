"""MeteoSwiss quantitative precipitation composites (AQC) as palette GIF pictures."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr
from PIL import Image

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.lazy import Frame, decode_codes, faults_named, lazy_field

HEIGHT, WIDTH = 640, 710
_EAST_M, _NORTH_M, _CELL_M = 255_000.0, 480_000.0, 1000.0
_LARGEST_FILE = 4 * HEIGHT * WIDTH
_OUTSIDE, _FIRST, _LAST = 255, 2, 250
_STAMP = re.compile(r"AQC(\d{2})(\d{3})(\d{2})(\d{2})")


@dataclass(frozen=True)
class MchGif:
    """Reads one frame of the 8-bit AQC product: palette class -> mm in the period -> mm/h -> dBZ.

    The classes are logarithmic, half a decibel each: class n stands for
    (10^((n - 71.5) / 20) / 316)^(1 / 1.5) mm in the accumulation period (5 minutes, stated in the GIF
    comment as ``ACCUm``). Classes 0, 1 and 251 to 254 are no measurable rain (white), 255 (black) is
    outside coverage. The rate becomes dBZ through the ``meteoswiss`` relation, as in the making.
    A palette other than the white-to-red ramp is refused: its classes would mean something else.

    The GIF carries no georeference: the grid is the Swiss national grid CH1903 / LV03 (EPSG:21781),
    1 km cells, outer edges 255 to 965 km east and -160 to 480 km north. The time is the end of the
    period, YYDOYHHMM in the comment (or, without one, in the file name).

    Source: MeteoSwiss radar products, "AQC" (Germann et al. 2006, QJRMS 132, 1669-1692); the grid and
    the class formula as the open documentation of the MeteoSwiss composite data sets gives them.
    """

    description: ClassVar = FormatDescription("GIF pictures of MeteoSwiss (AQC)", "classes of 5-minute rain")
    z_r_name: str = "meteoswiss"
    name: str = "mch_gif"

    def sniff(self, path: Path) -> bool:
        """Whether this is a GIF of 710 x 640 pixels made by the AQC product line."""
        try:
            with path.open("rb") as handle:
                head = handle.read(1000)
            size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
            if head[:4] != b"GIF8" or size != (WIDTH, HEIGHT):
                return False
            return b"Meteoswiss" in head or b"AQC" in head or bool(_STAMP.search(path.name))
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingestion.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "MeteoSwiss GIF"), _picture(path) as image:
            if image.size != (WIDTH, HEIGHT) or image.mode != "P":
                raise FileError(
                    f"{path}: a picture of {image.size[1]} x {image.size[0]} pixels, mode "
                    f"{image.mode}, expected {HEIGHT} x {WIDTH} with a palette"
                )
            if not _is_ramp(bytes(image.palette.palette)):  # asked of the picture, it would be decoded for it
                raise FileError(
                    f"{path}: the palette is not the white-to-red ramp of the AQC product, "
                    "expected that of 8-bit AQC files; other MeteoSwiss products are not read yet"
                )
            comment = image.info.get("comment", b"").decode("latin-1")
            time = _time(path, comment)
            hours = _hours(comment)
        attrs = {
            "quantity": "AQC",
            "source": "MeteoSwiss",
            "z_r_relation": str(relation),
            "accumulation_hours": f"{hours:.4g}",
        }
        read = partial(_read, path, relation, hours)
        return lazy_field(read, np.array([time], "datetime64[ns]"), swiss_grid(), attrs)


def _picture(path: Path) -> Any:
    """Open the picture, once its blocks are known to be whole and of the size that is read."""
    if path.stat().st_size > _LARGEST_FILE:
        raise FileError(
            f"{path}: has {path.stat().st_size} bytes, expected at most {_LARGEST_FILE} of a "
            "picture of this size; it is not read"
        )
    data = path.read_bytes()
    sizes = list(_image_sizes(path, data))
    if sizes != [(WIDTH, HEIGHT)]:
        shown = ", ".join(f"{height} x {width}" for width, height in sizes[:3]) or "none"
        raise FileError(f"{path}: {len(sizes)} pictures of {shown} pixels, expected one of {HEIGHT} x {WIDTH}")
    return Image.open(io.BytesIO(data), formats=("GIF",))


def _image_sizes(path: Path, data: bytes) -> Iterator[tuple[int, int]]:
    """Walk the blocks of a GIF to its trailer and yield width and height of each picture.

    Why: a decoder is content once it has enough pixels, and a picture may state another size than the
    screen it is drawn on.
    """
    place = 13 + _table_bytes(data[10:11])
    while (kind := data[place : place + 1]) != b";":
        if kind == b",":
            yield (
                int.from_bytes(data[place + 5 : place + 7], "little"),
                int.from_bytes(data[place + 7 : place + 9], "little"),
            )
            place += 11 + _table_bytes(data[place + 9 : place + 10])
        elif kind == b"!":
            place += 2
        else:
            raise FileError(
                f"{path}: the GIF does not end with its trailer; it is truncated or damaged, fetch it again"
            )
        while (length := data[place : place + 1]) not in (b"", b"\0"):
            place += 1 + length[0]
        place += 1


def _table_bytes(flags: bytes) -> int:
    """Return the size of the colour table that the packed field announces."""
    return 3 * 2 ** (1 + flags[0] % 8) if flags and flags[0] & 0x80 else 0


@lru_cache(maxsize=1)
def swiss_grid() -> Grid:
    """Return the grid of the MeteoSwiss composites in CH1903 / LV03 (EPSG:21781)."""
    y = _NORTH_M - _CELL_M * (np.arange(HEIGHT) + 0.5)
    x = _EAST_M + _CELL_M * (np.arange(WIDTH) + 0.5)
    return Grid(pyproj.CRS.from_epsg(21781).to_wkt(), y, x)


@lru_cache(maxsize=8)
def _is_ramp(table: bytes) -> bool:
    """Return whether 256 colours are those of the AQC product: white, the white-to-red ramp, black outside."""
    colours = np.frombuffer(table, np.uint8).reshape(-1, 3)
    ramp = colours[_FIRST : _LAST + 1]
    return bool(
        len(colours) == 256
        and not colours[_OUTSIDE].any()
        and (colours[0] == 255).all()
        and (ramp[:, 0] == 255).all()
        and (ramp[:, 1] == ramp[:, 2]).all()
        and (np.diff(ramp[:, 1].astype(int)) <= 0).all()
    )


def _time(path: Path, comment: str) -> np.datetime64:
    found = _STAMP.search(comment) or _STAMP.search(path.name)
    if not found:
        raise FileError(f"{path}: neither comment nor name holds a time, expected AQC + YYDOYHHMM")
    year, day, hour, minute = map(int, found.groups())
    moment = datetime(2000 + year, 1, 1) + timedelta(days=day - 1, hours=hour, minutes=minute)
    if (moment.year, hour < 24, minute < 60) != (2000 + year, True, True):
        raise FileError(f"{path}: the time '{found.group()}' does not exist, expected YYDOYHHMM")
    return np.datetime64(moment, "ns")


def _hours(comment: str) -> float:
    found = re.search(r"ACCUm=(\d+)", comment)
    return (int(found.group(1)) if found and int(found.group(1)) else 5) / 60.0


def _read(path: Path, relation: ZRelation, hours: float, index: int) -> Frame:
    del index
    with faults_named(path, "MeteoSwiss GIF"), _picture(path) as image:
        raw = np.asarray(image, dtype=np.uint8)
    return decode_codes(raw, partial(_to_dbz, relation, hours))


def _to_dbz(relation: ZRelation, hours: float, raw: npt.NDArray[Any]) -> Frame:
    classes = raw.astype(np.float64)
    rain_mm = (10.0 ** ((classes - 71.5) / 20.0) / 316.0) ** (1.0 / 1.5)
    dbz = relation.to_dbz(rain_mm / hours)
    dbz[(raw < _FIRST) | (raw > _LAST)] = NO_ECHO_DBZ
    dbz[raw == _OUTSIDE] = np.nan
    return dbz
