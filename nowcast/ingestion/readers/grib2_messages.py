"""The messages of a GRIB2 file, and what their headers say: parameter, time, grid. Values stay packed.

Source: WMO Manual on Codes, FM 92 GRIB edition 2, sections 0 to 8.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from nowcast.core.errors import FileError, GridError, MissingExtraError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.grib2_products import Grib2Product, known_products, product_of
from nowcast.ingestion.readers.grib2_sections import check_sections
from nowcast.ingestion.readers.lazy import check_size

_GZIP, _START, _END = b"\x1f\x8b", 16, b"7777"
_MOST_MESSAGES, _LARGEST = 10_000, 1 << 30
_OFF_GRID = 0.05
"""By how much of a cell the last point may miss the first plus all steps: MRMS rounds to 1e-6 degrees."""


@dataclass(frozen=True)
class MessageHeader:
    """One message: where it begins in the unpacked file, its bytes, and what it holds."""

    start: int
    length: int
    product: Grib2Product
    time: np.datetime64
    centre: str
    grid: Grid
    flips: tuple[bool, bool]
    """Whether rows and columns are to be reversed: they go to the north, or to the west."""
    picture: bool
    """Whether the values are packed as a PNG picture."""
    packing: tuple[int, float, int, int]
    """Bits a value (8 or 16, else 0), reference value, binary and decimal scale, as a picture needs them."""


def eccodes() -> Any:
    """Return the library ecCodes.

    pyproj is loaded before it by `nowcast.ingestion`: the other way round aborts the process.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import eccodes as library
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError("reading GRIB2", "eccodes", "grib") from error
    return library


def headers(path: Path) -> list[MessageHeader]:
    """Read what every message of a file says of itself.

    Raises:
        FileError: no known parameter, a forecast, a grid that is not of latitude and longitude, or damage.
    """
    found = []
    with _unpacked(path) as stream:
        start = 0
        for message in _messages(path, stream):
            with decoded(path, message) as handle:
                found.append(_header(path, handle, start, len(message)))
            start += len(message)
    return found


def message_bytes(path: Path, header: MessageHeader) -> bytes:
    """Return one message, whole."""
    with _unpacked(path) as stream:
        stream.seek(header.start)
        return next(_messages(path, stream))


@contextmanager
def decoded(path: Path, message: bytes) -> Iterator[Any]:
    """Yield what gives the keys of a message, as ``get(key)``, and ecCodes' own handle as ``handle``."""
    library = eccodes()
    handle = library.codes_new_from_message(message)
    if handle is None:
        raise FileError(f"{path}: holds a GRIB message that ecCodes cannot read; fetch it again")
    try:
        yield _Keys(library, handle)
    finally:
        library.codes_release(handle)


class _Keys:
    def __init__(self, library: Any, handle: Any) -> None:
        self.library, self.handle = library, handle

    def number(self, key: str) -> int:
        return int(self.library.codes_get_long(self.handle, key))

    def real(self, key: str) -> float:
        return float(self.library.codes_get_double(self.handle, key))

    def text(self, key: str) -> str:
        return str(self.library.codes_get_string(self.handle, key))

    def values(self) -> Any:
        return self.library.codes_get_values(self.handle)


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    with path.open("rb") as raw:
        yield gzip.GzipFile(fileobj=raw) if raw.peek(2).startswith(_GZIP) else raw


def _messages(path: Path, stream: Any) -> Iterator[bytes]:
    for _ in range(_MOST_MESSAGES):
        start = stream.read(_START)
        if not start:
            return
        length = int.from_bytes(start[8:16], "big") if start.startswith(b"GRIB") and start[7:8] == b"\2" else 0
        if not _START < length <= _LARGEST:
            raise FileError(
                f"{path}: has {start[:8]!r} where a GRIB2 message should begin; it is truncated or "
                "damaged, fetch it again"
            )
        message = start + stream.read(length - _START)
        if len(message) != length or not message.endswith(_END):
            raise FileError(
                f"{path}: a message has {len(message)} bytes, expected {length} that end with "
                f"{_END.decode()}; it is truncated or damaged, fetch it again"
            )
        check_sections(path, message)
        yield message
    raise FileError(f"{path}: holds more than {_MOST_MESSAGES} messages, expected radar composites")


def _header(path: Path, keys: _Keys, start: int, length: int) -> MessageHeader:
    place = tuple(keys.number(k) for k in ("discipline", "parameterCategory", "parameterNumber"))
    product = product_of(keys.number("centre"), *place)
    if product is None:
        number = ".".join(map(str, place))
        raise FileError(
            f"{path}: holds parameter {number} of {keys.text('centreDescription')}, expected "
            f"{known_products()}; leave it out"
        )
    lead = keys.number("forecastTime")
    if lead or keys.number("productDefinitionTemplateNumber") != 0:
        what = f"a forecast ({lead} ahead)" if lead else "no field of one moment and one level"
        raise FileError(
            f"{path}: {product.name} is {what}, expected an observation; keep forecasts out of the "
            "folder of observations"
        )
    grid, flips = _grid(path, keys)
    picture = keys.text("packingType") == "grid_png"
    packing = _packing(keys)
    if picture and not packing[0]:
        bits = keys.number("bitsPerValue")
        raise FileError(
            f"{path}: is packed as a picture with a bitmap or of {bits} bits, expected "
            "8 or 16 bits and no bitmap; pack it in another way, such as with grib_set"
        )
    return MessageHeader(
        start, length, product, _time(path, keys), keys.text("centreDescription"), grid, flips, picture, packing
    )


def _time(path: Path, keys: _Keys) -> np.datetime64:
    parts = [keys.number(k) for k in ("year", "month", "day", "hour", "minute", "second")]
    year, month, day, hour, minute, second = parts
    try:
        return np.datetime64(datetime(year, month, day, hour, minute, second), "ns")
    except ValueError as error:
        raise FileError(f"{path}: its time is {parts} ({error}); it is damaged, fetch it again") from error


def _packing(keys: _Keys) -> tuple[int, float, int, int]:
    bits = 0 if keys.number("bitmapPresent") else keys.number("bitsPerValue")
    scales = keys.number("binaryScaleFactor"), keys.number("decimalScaleFactor")
    return (bits if bits in (8, 16) else 0, keys.real("referenceValue"), *scales)


def _grid(path: Path, keys: _Keys) -> tuple[Grid, tuple[bool, bool]]:
    kind = keys.text("gridType")
    if kind != "regular_ll" or keys.number("jPointsAreConsecutive") or keys.number("alternativeRowScanning"):
        raise GridError(
            f"{path}: its grid is '{kind}', expected regular latitudes and longitudes row by row; "
            "regrid it first"
        )
    rows, columns = keys.number("Nj"), keys.number("Ni")
    check_size(path, rows, columns)
    south_up, west_ward = bool(keys.number("jScansPositively")), bool(keys.number("iScansNegatively"))
    y = _axis(path, keys, "latitude", "j", rows, 1 if south_up else -1)
    x = _axis(path, keys, "longitude", "i", columns, -1 if west_ward else 1)
    x = x - 360.0 * np.floor((x.mean() + 180.0) / 360.0)
    earth = (
        {"a": keys.real("earthMajorAxis"), "b": keys.real("earthMinorAxis")}
        if keys.number("earthIsOblate")
        else {"R": keys.real("radius")}
    )
    try:
        crs = pyproj.CRS.from_dict({"proj": "longlat", **earth})
        grid = Grid(crs.to_wkt(), y[::-1] if south_up else y, x[::-1] if west_ward else x)
    except (GridError, pyproj.exceptions.ProjError) as error:
        raise GridError(f"{path}: {' '.join(str(error).split())[:200]}") from error
    return grid, (south_up, west_ward)


def _axis(path: Path, keys: _Keys, name: str, letter: str, count: int, sign: int) -> np.ndarray[Any, Any]:
    first, last = (keys.real(f"{name}Of{which}GridPointInDegrees") for which in ("First", "Last"))
    span = sign * (last - first) % 360.0 if name == "longitude" else sign * (last - first)
    step = span / (count - 1)
    if keys.number(f"{letter}DirectionIncrementGiven"):
        stated = keys.real(f"{letter}DirectionIncrementInDegrees")
        if abs(stated * (count - 1) - span) > _OFF_GRID * stated:
            raise GridError(
                f"{path}: {name}s go from {first:g} to {last:g} in {count} steps of {stated:g}, "
                "which do not meet; the georeference of the file contradicts itself"
            )
        step = stated
    if not step > 0 or (name == "latitude" and max(abs(first), abs(last)) > 90.0):
        raise GridError(
            f"{path}: {name}s go from {first:g} to {last:g}, expected places on the "
            "Earth; it is damaged, fetch it again"
        )
    return first + sign * step * np.arange(count)
