"""CF netCDF: reflectivity in dBZ or rain rate on a regular lat/lon or projected grid, time by time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr

from nowcast.core.errors import FileError, GridError
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import Times, to_text
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC
from nowcast.ingestion.readers.lazy import (
    HDF5_LOCK,
    Frame,
    check_size,
    decode_codes,
    faults_named,
    lazy_field,
)

_DBZ = ("dbz",)
_RATES = {"mm h-1": 1.0, "mm/h": 1.0, "mm hr-1": 1.0, "mm/hr": 1.0, "kg m-2 s-1": 3600.0,
          "mm s-1": 3600.0, "m s-1": 3.6e6}
_METRES = {"m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0}
_NO_ECHO = re.compile(r"(-?\d+(?:\.\d+)?)\s*[:=]\s*(?:observed,?\s*)?no[ _]?echo", re.IGNORECASE)
_MOST_TIMES = 100_000


@dataclass(frozen=True)
class CfNetcdf:
    """Reads CF netCDF-3 and -4 files with one variable in dBZ or in a unit of rain rate.

    Not observed is ``_FillValue``, ``missing_value`` or a code outside the valid range. No echo is the
    code that the file itself names so: CF ``flag_values`` with a meaning ``no_echo``, or a comment
    such as "0: observed, no echo". A file that names none has none: its zeros are 0 dBZ.

    Source: CF Conventions 1.10, sections 2.5, 3, 4, 5.6 and 8.1.
    """

    z_r_name: str = "marshall_palmer"
    name: str = "cf_netcdf"
    library: str | None = None

    def sniff(self, path: Path) -> bool:
        """Say whether this is netCDF-3, or netCDF-4 with a variable in dBZ or mm/h."""
        try:
            with path.open("rb") as handle:
                magic = handle.read(8)
            if magic[:3] == b"CDF" and magic[3] in (1, 2, 5):
                return True
            if magic != HDF5_MAGIC:
                return False
            with HDF5_LOCK, netCDF4.Dataset(path) as data:
                return any(_kind(v) for v in data.variables.values())
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field; see `nowcast.ingestion.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "CF netCDF"), HDF5_LOCK, netCDF4.Dataset(path) as data:
            variable = _find(path, data)
            times, order = _times(path, data, variable)
            grid, flips = _grid(path, data, variable)
            attrs: dict[str, Any] = {"quantity": variable.name}
            for ours, names in (("source", ("institution", "source", "title")),
                                ("licence", ("licence", "license"))):
                found = [str(data.getncattr(n)) for n in names if n in data.ncattrs()]
                attrs.update({ours: found[0]} if found else {})
            rate = _kind(variable) != "dbz"
            if rate:
                attrs["z_r_relation"] = str(relation)
            read = partial(
                _read, path, variable.name, order, flips, relation if rate else None,
            )
        return lazy_field(read, times[order], grid, attrs)


def _units(variable: Any) -> str:
    return " ".join(str(getattr(variable, "units", "")).split())


def _kind(variable: Any) -> str | None:
    """Give "dbz", the unit of a rain rate, or None; only for variables with rows and columns."""
    if variable.ndim not in (2, 3):
        return None
    units = _units(variable)
    if units.lower() in _DBZ:
        return "dbz"
    return units if units in _RATES else None


def _find(path: Path, data: Any) -> Any:
    found = [v for v in data.variables.values() if _kind(v)]
    best = [v for v in found if _kind(v) == "dbz"] or found
    exact = [v for v in best
             if getattr(v, "standard_name", "") == "equivalent_reflectivity_factor"] or best
    if len(exact) == 1:
        return exact[0]
    names = ", ".join(v.name for v in exact) or "none"
    raise FileError(
        f"{path}: got {names} as variables in dBZ or mm/h, expected exactly one of dims (time, y, x); "
        "keep one in the file"
    )


def _times(path: Path, data: Any, variable: Any) -> tuple[Times, npt.NDArray[np.intp]]:
    """Give the times as stored, and the order that sorts them."""
    stamps = [v for n, v in data.variables.items()
              if getattr(v, "standard_name", "") == "time" or n == "time"]
    if variable.ndim == 3:
        stamps = [v for v in stamps if v.dimensions == variable.dimensions[:1]]
    else:
        stamps = [v for v in stamps if v.size == 1]
    if not stamps or " since " not in _units(stamps[0]):
        raise FileError(f"{path}: got no time coordinate of '{variable.name}', expected one with "
                        "units such as 'seconds since 1970-01-01'")
    if stamps[0].size > _MOST_TIMES:
        raise FileError(f"{path}: declares {stamps[0].size} times, expected at most {_MOST_TIMES}")
    numbers = np.ma.filled(np.ma.atleast_1d(stamps[0][...]).astype(np.float64), np.nan)
    if not np.isfinite(numbers).all():
        raise FileError(f"{path}: some times are missing values, expected a time for every frame")
    dates = netCDF4.num2date(
        numbers, _units(stamps[0]), getattr(stamps[0], "calendar", "standard"),
        only_use_cftime_datetimes=False, only_use_python_datetimes=True,
    )
    naive = [d.replace(tzinfo=None) for d in np.atleast_1d(np.asarray(dates, dtype=object))]
    whole = np.array(naive, dtype="datetime64[us]") + np.timedelta64(500_000, "us")
    times = whole.astype("datetime64[s]").astype("datetime64[ns]")
    order = np.argsort(times, kind="stable")
    twice = times[order][1:][np.diff(times[order]) == np.timedelta64(0, "ns")]
    if len(twice):
        raise FileError(f"{path}: got {to_text(twice[0])} twice, expected each time once; which of the two "
                        "frames is right cannot be told, ask the producer or split the file")
    return times, order


def _grid(path: Path, data: Any, variable: Any) -> tuple[Grid, tuple[bool, bool]]:
    """Give the grid and whether rows and columns must be reversed."""
    height, width = variable.shape[-2:]
    check_size(path, height, width)
    rows, columns = (data.variables.get(n) for n in variable.dimensions[-2:])
    if rows is None or columns is None or rows.ndim != 1 or columns.ndim != 1:
        raise GridError(f"{path}: '{variable.name}' has no 1-D coordinates "
                        f"{variable.dimensions[-2:]}, expected a regular grid")
    degrees = _units(rows).lower().startswith("degree")
    mapping = data.variables.get(str(getattr(variable, "grid_mapping", "")))
    if mapping is not None:
        stated = {k: np.asarray(mapping.getncattr(k)).tolist() for k in mapping.ncattrs()}
        crs = _crs(json.dumps(stated, sort_keys=True))
    elif degrees:
        crs = pyproj.CRS.from_epsg(4326)
    else:
        raise GridError(f"{path}: '{variable.name}' has no grid_mapping, expected one because its "
                        "coordinates are not degrees")
    if degrees != crs.is_geographic:
        raise GridError(f"{path}: coordinates are in '{_units(rows)}' but the grid mapping is "
                        f"'{crs.name}', expected both to agree")
    y, x = (_even(v, 1.0 if degrees else _metres(path, v)) for v in (rows, columns))
    flips = (bool(y[0] < y[-1]), bool(x[0] > x[-1]))
    return Grid(crs.to_wkt(), y[::-1] if flips[0] else y, x[::-1] if flips[1] else x), flips


@lru_cache(maxsize=32)
def _crs(stated: str) -> pyproj.CRS:
    """Make the CRS of a CF grid mapping; 0.2 s each, hence once for each mapping."""
    return pyproj.CRS.from_cf(json.loads(stated))


def _metres(path: Path, variable: Any) -> float:
    if _units(variable) not in _METRES:
        raise GridError(f"{path}: coordinate '{variable.name}' has units '{_units(variable)}', "
                        "expected m or km")
    return _METRES[_units(variable)]


def _even(variable: Any, factor: float) -> npt.NDArray[np.float64]:
    """Give the coordinate, straightened where 32-bit rounding alone bends it."""
    values = np.ma.filled(variable[...].astype(np.float64), np.nan) * factor
    straight = np.linspace(values[0], values[-1], len(values))
    cell = abs(values[-1] - values[0]) / (len(values) - 1)
    return straight if np.abs(values - straight).max() < 0.01 * cell else values


def _read(
    path: Path, name: str, order: npt.NDArray[np.intp], flips: tuple[bool, bool],
    relation: ZRelation | None, index: int,
) -> Frame:
    with faults_named(path, "CF netCDF"), HDF5_LOCK, netCDF4.Dataset(path) as data:
        variable = data.variables[name]
        variable.set_auto_maskandscale(False)
        raw = variable[int(order[index])] if variable.ndim == 3 else variable[...]
        if str(getattr(variable, "_Unsigned", "false")).lower() == "true":
            raw = raw.view(f"u{raw.dtype.itemsize}")
        dbz = decode_codes(raw, partial(_to_dbz, _Codes.of(variable, raw.dtype), relation))
    return np.ascontiguousarray(dbz[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1])


@dataclass(frozen=True)
class _Codes:
    """What the codes of a variable mean, as its attributes say."""

    scale: float
    offset: float
    absent: tuple[float, ...]
    lowest: float
    highest: float
    no_echo: float | None

    @classmethod
    def of(cls, variable: Any, dtype: np.dtype[Any]) -> _Codes:
        def stated(name: str, otherwise: float) -> float:
            value = np.asarray(getattr(variable, name, otherwise))
            return float(value.astype(dtype) if name in absent_names else value)

        absent_names = ("_FillValue", "missing_value")
        valid = getattr(variable, "valid_range", (-np.inf, np.inf))
        kind = _kind(variable) or "dbz"
        factor = _RATES.get(kind, 1.0)
        return cls(
            stated("scale_factor", 1.0) * factor, stated("add_offset", 0.0) * factor,
            tuple(stated(n, 0.0) for n in absent_names if n in variable.ncattrs()),
            stated("valid_min", float(valid[0])), stated("valid_max", float(valid[1])),
            _no_echo_code(variable),
        )


def _no_echo_code(variable: Any) -> float | None:
    meanings = str(getattr(variable, "flag_meanings", "")).lower().split()
    flags = np.atleast_1d(getattr(variable, "flag_values", []))
    for flag, meaning in zip(flags, meanings, strict=False):
        if meaning in ("no_echo", "undetect", "no_detection", "below_threshold"):
            return float(flag)
    found = _NO_ECHO.search(str(getattr(variable, "comment", "")))
    return float(found.group(1)) if found else None


def _to_dbz(codes: _Codes, relation: ZRelation | None, raw: npt.NDArray[Any]) -> Frame:
    number = raw.astype(np.float64)
    value = number * codes.scale + codes.offset
    dbz = value.astype(np.float32) if relation is None else relation.to_dbz(value)
    if codes.no_echo is not None:
        dbz[number == codes.no_echo] = NO_ECHO_DBZ
    gone = (number < codes.lowest) | (number > codes.highest)
    for absent in codes.absent:
        gone |= number == absent
    dbz[gone] = np.nan
    return dbz
