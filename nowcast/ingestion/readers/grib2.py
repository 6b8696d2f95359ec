"""GRIB edition 2 on latitudes and longitudes: composites of NOAA MRMS, rates and reflectivity of the WMO."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import to_text
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.foreign import head_of
from nowcast.ingestion.readers.grib2_messages import MessageHeader, decoded, headers, message_bytes
from nowcast.ingestion.readers.grib2_products import Grib2Product
from nowcast.ingestion.readers.grib2_sections import picture_codes
from nowcast.ingestion.readers.lazy import Frame, faults_named, lazy_field, looked_up

_BLOCK = 1 << 20
_LOWEST_DBZ, _LOWEST_MM_H = -90.0, -1e-3


@dataclass(frozen=True)
class Grib2:
    """Reads every message of a file, also gzip'd, as a frame at its reference time.

    A message without a value in its bitmap is not observed there. MRMS has numbers instead: of rain -1 and -3
    are not observed; of reflectivity -999 is not observed, and -99 is no echo. Rates and sums (as the mean rate
    of their period) become dBZ through ``z_r_name``. Latitudes and longitudes may run in any direction, and
    longitudes from 0 to 360. Forecasts, statistics over time and other grids are refused.

    Needs ecCodes, the extra ``grib``. Source: WMO Manual on Codes, FM 92 GRIB edition 2.
    """

    description: ClassVar = FormatDescription(
        "GRIB2 on latitudes and longitudes, such as MRMS, also .gz",
        "reflectivity; rain rates and QPE",
        "eccodes",
        "grib",
    )
    z_r_name: str = "marshall_palmer"
    name: str = "grib2"

    def sniff(self, path: Path) -> bool:
        """Whether this begins, unpacked, as GRIB of edition 2."""
        try:
            head = head_of(path)
            return head.startswith(b"GRIB") and head[7:8] == b"\2"
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field; see `nowcast.ingestion.readers.base.Reader`.

        Raises:
            MissingExtraError: ecCodes is not installed.
        """
        relation = z_r(self.z_r_name)
        with faults_named(path, "GRIB2"):
            found = headers(path)
        if not found:
            raise FileError(f"{path}: holds no message, expected GRIB2; fetch it again")
        first = found[0]
        for header in found[1:]:
            if header.product != first.product or not header.grid.matches(first.grid):
                raise FileError(
                    f"{path}: holds {first.product.name} and {header.product.name} or two grids, "
                    "expected one parameter on one grid; split the file"
                )
        times = np.array([header.time for header in found], "datetime64[ns]")
        order = np.argsort(times, kind="stable")
        twice = times[order][1:][np.diff(times[order]) == np.timedelta64(0)]
        if len(twice):
            raise FileError(
                f"{path}: got {first.product.name} of {to_text(twice[0])} twice, expected one "
                "level at one time; split the file"
            )
        attrs = {"quantity": first.product.name, "source": first.centre}
        if first.product.factor:
            attrs["z_r_relation"] = str(relation)
            attrs |= {"accumulation_hours": f"{first.product.hours:g}"} if first.product.hours else {}
        read = partial(_read, path, [found[i] for i in order], relation)
        return lazy_field(read, times[order], first.grid, attrs)


def _read(path: Path, found: list[MessageHeader], relation: ZRelation, index: int) -> Frame:
    header = found[index]
    with faults_named(path, "GRIB2"):
        message = message_bytes(path, header)
        if header.picture:
            codes = picture_codes(path, message, header.grid.shape, header.packing[0])
            dbz = looked_up(_table(header.product, relation, header.packing), codes)
        else:
            dbz = _unpacked(path, message, header, relation)
    lowest = float(np.nanmin(dbz, initial=np.inf))
    if lowest == -np.inf:
        limit = "rain of 0 or more" if header.product.factor else f"at least {_LOWEST_DBZ:g} dBZ"
        raise FileError(
            f"{path}: holds values below what there can be, expected {limit}, or a code of "
            f"{header.product.name}; ask the producer for a file that follows its format"
        )
    return np.ascontiguousarray(dbz[:: -1 if header.flips[0] else 1, :: -1 if header.flips[1] else 1])


def _unpacked(path: Path, message: bytes, header: MessageHeader, relation: ZRelation) -> Frame:
    """Return the dBZ of a message that ecCodes unpacks, block by block: there may be many millions of cells."""
    with decoded(path, message) as keys:
        gone = keys.real("missingValue") if keys.number("bitmapPresent") else None
        values = keys.values()
    rows, columns = header.grid.shape
    if values.shape != (rows * columns,):
        raise FileError(f"{path}: holds {values.size} values, expected {rows} x {columns}; it is damaged")
    dbz = np.empty(values.size, np.float32)
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        known = block if gone is None else np.where(block == gone, np.nan, block)
        dbz[start : start + _BLOCK] = _to_dbz(known, header.product, relation)
    return dbz.reshape(rows, columns)


@lru_cache(maxsize=4)
@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # what is not finite is refused with the field
def _table(product: Grib2Product, relation: ZRelation, packing: tuple[int, float, int, int]) -> Frame:
    """Return the dBZ of every integer of a picture: 65 536 logarithms instead of one a cell."""
    bits, reference, binary, decimal = packing
    steps = np.arange(1 << bits) * np.float64(2.0) ** binary
    value: npt.NDArray[np.float64] = (reference + steps) / np.float64(10.0) ** decimal
    return _to_dbz(value, product, relation)


def _to_dbz(value: npt.NDArray[np.float64], product: Grib2Product, relation: ZRelation) -> Frame:
    """Return dBZ; minus infinity where a value is below what there can be and no code."""
    absent = np.isnan(value)
    for code in product.absent:
        absent |= np.abs(value - code) < 1e-3
    dry = np.zeros(value.shape, np.bool_)
    for code in product.dry:
        dry |= np.abs(value - code) < 1e-3
    low = _LOWEST_MM_H if product.factor else _LOWEST_DBZ
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = (value < low) & ~absent & ~dry
        dbz = relation.to_dbz(value * product.factor) if product.factor else value.astype(np.float32)
        dbz = np.maximum(dbz, np.float32(NO_ECHO_DBZ))
    dbz[dry], dbz[absent], dbz[wrong] = NO_ECHO_DBZ, np.nan, -np.inf
    return dbz
