"""GRIB edition 2 on latitudes and longitudes: composites of NOAA MRMS, rates and reflectivity of the WMO."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, complain
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import to_text
from nowcast.ingestion.readers.foreign import head_of
from nowcast.ingestion.readers.grib2_messages import MessageHeader, decoded, headers, message_bytes
from nowcast.ingestion.readers.grib2_products import Grib2Product
from nowcast.ingestion.readers.lazy import Frame, faults_named, lazy_field

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
                raise FileError(f"{path}: holds {first.product.name} and {header.product.name} or two grids, "
                                "expected one parameter on one grid; split the file")
        times = np.array([header.time for header in found], "datetime64[ns]")
        order = np.argsort(times, kind="stable")
        twice = times[order][1:][np.diff(times[order]) == np.timedelta64(0)]
        if len(twice):
            raise FileError(f"{path}: got {first.product.name} of {to_text(twice[0])} twice, expected one "
                            "level at one time; split the file")
        attrs = {"quantity": first.product.name, "source": first.centre}
        if first.product.factor:
            attrs["z_r_relation"] = str(relation)
            attrs |= {"accumulation_hours": f"{first.product.hours:g}"} if first.product.hours else {}
        read = partial(_read, path, [found[i] for i in order], relation)
        return lazy_field(read, times[order], first.grid, attrs)


def _read(path: Path, found: list[MessageHeader], relation: ZRelation, index: int) -> Frame:
    header = found[index]
    with faults_named(path, "GRIB2"), decoded(path, message_bytes(path, header)) as keys:
        bitmap = keys.number("bitmapPresent")
        gone = keys.real("missingValue") if bitmap else None
        values = keys.values()
    rows, columns = header.grid.shape
    if values.shape != (rows * columns,):
        raise FileError(f"{path}: holds {values.size} values, expected {rows} x {columns}; it is damaged")
    try:
        dbz = _decode(values, header, relation, gone).reshape(rows, columns)
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    return np.ascontiguousarray(dbz[:: -1 if header.flips[0] else 1, :: -1 if header.flips[1] else 1])


def _decode(
    values: npt.NDArray[np.float64], header: MessageHeader, relation: ZRelation, gone: float | None
) -> Frame:
    """Turn values into dBZ, block by block: a frame of MRMS has 24.5 million.

    Why by a table where values are integers of at most 16 bits: 65 536 logarithms instead of 24.5 million.
    """
    bits, reference, binary, decimal = header.packing
    table = None
    if bits:
        table = _table(header.product, relation, header.packing)
        scale, low = 10.0**decimal / 2.0**binary, reference / 2.0**binary
    dbz = np.empty(values.size, np.float32)
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        if table is None:
            missing = np.zeros(block.shape, np.bool_) if gone is None else block == gone
            found = _to_dbz(np.where(missing, np.nan, block), header.product, relation)
        else:
            codes = block * scale
            codes -= low
            found = np.take(table, np.rint(codes, out=codes).astype(np.uint16))
        if np.isneginf(found).any():
            _refuse(block[np.isneginf(found)], header.product)
        dbz[start : start + _BLOCK] = found
    return dbz


@lru_cache(maxsize=4)
def _table(product: Grib2Product, relation: ZRelation, packing: tuple[int, float, int, int]) -> Frame:
    bits, reference, binary, decimal = packing
    value = (reference + np.arange(1 << bits) * 2.0**binary) / 10.0**decimal
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
    with np.errstate(invalid="ignore"):
        wrong = (value < low) & ~absent & ~dry
        dbz = relation.to_dbz(value * product.factor) if product.factor else value.astype(np.float32)
        dbz = np.maximum(dbz, np.float32(NO_ECHO_DBZ))
    dbz[dry], dbz[absent], dbz[wrong] = NO_ECHO_DBZ, np.nan, -np.inf
    return dbz


def _refuse(values: npt.NDArray[np.float64], product: Grib2Product) -> None:
    limit = "0 mm or more" if product.factor else f"at least {_LOWEST_DBZ:g} dBZ"
    raise FileError(complain("values", f"{values.min():g}", f"{limit}, or a code of {product.name}",
                             "ask the producer for a file that follows its format"))
