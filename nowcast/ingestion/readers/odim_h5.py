"""ODIM_H5 composites (objects COMP and IMAGE) of any producer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, TimeError, complain
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.stripes import in_stripes
from nowcast.core.times import nanoseconds, to_text
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.foreign import odim_object
from nowcast.ingestion.readers.hdf5 import attributes, finite, is_hdf5, number, open_hdf5, read_numbers
from nowcast.ingestion.readers.lazy import Frame, decode_codes, faults_named, lazy_field
from nowcast.ingestion.readers.odim_grid import odim_grid

REFLECTIVITY = ("DBZH", "DBZ", "DBZV", "TH", "TV")
RAIN = ("RATE", "ACRR")
_LATEST_START = np.timedelta64(5, "m")
"""Data of an observation begin before its nominal time, or where that names the start of a scan soon after."""
LOWEST_DBZ = -90.0
"""No radar reports less, though codes of 16 bits may reach down to -64 dBZ."""
FORECAST_MARKS = ("forecast_reference_time", "nowcast_issued")
"""Attributes of ``/how`` that say a file is a forecast; files of 2025 and 2026 hold the second."""


@dataclass(frozen=True)
class OdimH5:
    """Reads the reflectivity, else the rain, of an ODIM_H5 composite as one frame at its nominal time.

    ``what`` may stand at the data, the data set or the root: the nearest one to the data holds, name
    by name. Value = gain * raw + offset; raw = nodata is not observed, raw = undetect is no echo, both
    compared as the array stores its numbers (a float32 array never equals the float64 -9999.9).
    RATE (mm/h) and ACRR (mm between start and end time, as a mean rate) become dBZ through the Z-R
    relation ``z_r_name``. Where several quantities are there, the order of `REFLECTIVITY`, then
    `RAIN` decides; quality fields are passed over. A forecast that this package wrote is refused.

    Source: ODIM_H5 2.4 (EUMETNET OPERA), sections 4.1 to 4.4, tables 13 and 16.
    """

    description: ClassVar = FormatDescription(
        "ODIM_H5 composites of any producer", "DBZH, DBZ, DBZV, TH, TV; RATE, ACRR"
    )
    z_r_name: str = "marshall_palmer"
    name: str = "odim_h5"

    def sniff(self, path: Path) -> bool:
        """Whether this is HDF5 whose root ``what/object`` is COMP or IMAGE."""
        return is_hdf5(path, lambda file: odim_object(file) in ("COMP", "IMAGE"))

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingestion.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "ODIM_H5"), open_hdf5(path) as file:
            what = attributes(file, "what")
            _refuse_forecast(path, attributes(file, "how"))
            place, meaning = _best(path, file)
            dataset = file[place]
            if dataset.ndim != 2 or dataset.dtype.kind not in "uif":
                raise FileError(
                    f"{path}: {place} is {dataset.dtype} with {dataset.ndim} dims, "
                    "expected numbers in rows and columns"
                )
            where = {**attributes(file, "where"), **attributes(file[place.split("/")[0]], "where")}
            grid = odim_grid(path, where, dataset.shape)
            time = odim_time(path, what, "date", "time")
            _refuse_later(path, time, meaning)
            attrs = {"quantity": meaning["quantity"], "source": str(what.get("source", "unknown"))}
            factor = 1.0
            if meaning["quantity"] in RAIN:
                attrs["z_r_relation"] = str(relation)
                if meaning["quantity"] == "ACRR":
                    factor = _per_hour(path, meaning)
                    attrs["accumulation_hours"] = f"{1 / factor:g}"
            codes = _Codes.of(path, place.removesuffix("/data"), meaning, factor)
        read = partial(_read, path, place, codes, relation if "z_r_relation" in attrs else None)
        return lazy_field(read, np.array([time], "datetime64[ns]"), grid, attrs)


def _refuse_forecast(path: Path, how: Mapping[str, Any]) -> None:
    for name in FORECAST_MARKS:
        if name in how:
            raise FileError(
                f"{path}: is a forecast (forecast reference time {str(how[name])[:20]}), expected "
                "an observation; keep forecasts out of the folder of observations"
            )


def _refuse_later(path: Path, time: np.datetime64, meaning: Mapping[str, Any]) -> None:
    """Refuse data that begin well after the nominal time: forecasts of other producers have no mark."""
    if {"startdate", "starttime"} <= set(meaning):
        start = odim_time(path, meaning, "startdate", "starttime")
        if start - time >= _LATEST_START:
            raise FileError(
                f"{path}: is a forecast (its data begin at {to_text(start)}, its time is "
                f"{to_text(time)}), expected an observation; keep forecasts out of the folder"
            )


@dataclass(frozen=True)
class _Codes:
    gain: float
    offset: float
    nodata: float | None
    undetect: float | None

    @classmethod
    def of(cls, path: Path, place: str, meaning: Mapping[str, Any], factor: float) -> _Codes:
        where = f"{place}/what"
        gain, offset = (
            finite(path, where, meaning, name) if name in meaning else otherwise
            for name, otherwise in (("gain", 1.0), ("offset", 0.0))
        )
        if gain == 0.0:
            raise FileError(
                f"{path}: {where}/gain: got 0, expected a number that tells values apart; ask "
                "the producer for a file that follows its format"
            )
        nodata, undetect = (
            number(path, where, meaning, name) if name in meaning else None for name in ("nodata", "undetect")
        )
        return cls(gain * factor, offset * factor, nodata, undetect)


def _candidates(file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each array with what is said of it, the nearest ``what`` winning name by name."""
    root = attributes(file, "what")
    for outer in sorted((k for k in file if k.startswith("dataset")), key=_number):
        for inner in sorted((k for k in file[outer] if k.startswith("data")), key=_number):
            if "data" in file[outer][inner]:
                near = {**root, **attributes(file[outer], "what"), **attributes(file[outer][inner], "what")}
                yield f"{outer}/{inner}/data", near


def _number(name: str) -> tuple[int, str]:
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyz")
    return (int(digits) if digits.isdigit() else 0, name)


def _best(path: Path, file: Any) -> tuple[str, dict[str, Any]]:
    found = [(place, {**m, "quantity": str(m.get("quantity", ""))}) for place, m in _candidates(file)]
    for quantity in (*REFLECTIVITY, *RAIN):
        for place, meaning in found:
            if meaning["quantity"] == quantity:
                return place, meaning
    there = ", ".join(sorted({m["quantity"] or "(unnamed)" for _, m in found})) or "none"
    raise FileError(
        f"{path}: holds the quantities {there}, expected one of {', '.join((*REFLECTIVITY, *RAIN))}"
    )


def odim_time(path: Path, what: Mapping[str, Any], date: str, time: str) -> np.datetime64:
    """Return the time of two attributes of a group, YYYYMMDD and HHMMSS.

    Raises:
        FileError: they give no time that a radar saw.
    """
    day, clock = what.get(date), what.get(time)
    text = f"{day}{clock if isinstance(clock, str) else str(clock).zfill(6)}"
    try:
        if len(text) != len("YYYYMMDDHHMMSS"):
            raise ValueError(text)  # "1200" would be read as twelve minutes past midnight
        found = nanoseconds([np.datetime64(datetime.strptime(text, "%Y%m%d%H%M%S"), "us")])
        return np.datetime64(found[0])
    except (ValueError, TimeError) as error:
        raise FileError(
            f"{path}: what/{date} and what/{time} give '{text[:40]}', expected YYYYMMDD and "
            "HHMMSS of the years 1970 to 2199"
        ) from error


def _per_hour(path: Path, what: Mapping[str, Any]) -> float:
    period = odim_time(path, what, "enddate", "endtime") - odim_time(path, what, "startdate", "starttime")
    if period <= np.timedelta64(0, "ns"):
        raise FileError(
            f"{path}: an accumulation from {what.get('starttime')} to "
            f"{what.get('endtime')}, expected an end after the start"
        )
    return float(np.timedelta64(1, "h") / period)


def odim_decoder(path: Path, place: str, meaning: Mapping[str, Any]) -> Callable[[npt.NDArray[Any]], Frame]:
    """Return what turns the stored numbers of one array of reflectivity into dBZ; ``meaning`` is its ``what``.

    Raises:
        FileError: a gain or offset that is no number; when called, values that no attribute explains.
    """
    return partial(_decoded, path, _Codes.of(path, place, meaning, 1.0), None)


def _decoded(path: Path, codes: _Codes, relation: ZRelation | None, raw: npt.NDArray[Any]) -> Frame:
    _refuse_unexplained(path, codes, raw, relation)
    return decode_codes(raw, partial(_to_dbz, codes, relation))


def _read(path: Path, place: str, codes: _Codes, relation: ZRelation | None, index: int) -> Frame:
    del index
    with faults_named(path, "ODIM_H5"), open_hdf5(path) as file:
        raw = read_numbers(path, file[place])
    return _decoded(path, codes, relation, raw)


def _refuse_unexplained(path: Path, codes: _Codes, raw: npt.NDArray[Any], relation: ZRelation | None) -> None:
    """Refuse values below what there can be that are neither ``nodata`` nor ``undetect``: some other code."""
    if raw.dtype == np.uint8:
        raw = np.flatnonzero(np.bincount(raw.reshape(-1), minlength=256)).astype(np.uint8)[np.newaxis]
    limit, unit = (LOWEST_DBZ, "dBZ") if relation is None else (-max(abs(codes.gain), 1e-3), "mm/h")
    low = min((_lowest_unexplained(codes, part) for part in in_stripes(raw)), default=np.inf)
    if low < limit:
        raise FileError(
            complain(
                f"{path}: values",
                f"{low:g} {unit}",
                f"at least {limit:g} {unit}, or nodata and undetect that say what it stands for",
                "ask the producer for a file that follows its format",
            )
        )


def _lowest_unexplained(codes: _Codes, raw: npt.NDArray[Any]) -> float:
    value = raw.astype(np.float64) * codes.gain + codes.offset
    told = _equal(raw, codes.undetect) | _equal(raw, codes.nodata) | np.isnan(value)
    return float(value.min(where=~told, initial=np.inf))


def _to_dbz(codes: _Codes, relation: ZRelation | None, raw: npt.NDArray[Any]) -> Frame:
    value = raw.astype(np.float64) * codes.gain + codes.offset
    dbz = value.astype(np.float32) if relation is None else relation.to_dbz(value)
    dbz[_equal(raw, codes.undetect)] = NO_ECHO_DBZ
    dbz[_equal(raw, codes.nodata)] = np.nan
    return dbz


def _equal(raw: npt.NDArray[Any], code: float | None) -> npt.NDArray[np.bool_]:
    """Where the array holds ``code``, which is rounded to the array's own type of floating-point number."""
    if code is None:
        return np.zeros(raw.shape, np.bool_)
    if raw.dtype.kind != "f":
        return np.asarray(raw == code)
    with np.errstate(over="ignore"):
        rounded = np.float64(code).astype(raw.dtype)
    return np.isnan(raw) if np.isnan(rounded) else np.asarray(raw == rounded)
