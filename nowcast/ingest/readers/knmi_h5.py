"""Composites of the Royal Netherlands Meteorological Institute (KNMI) in its own HDF5 layout."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr

from nowcast.core.errors import FileError, GridError
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingest.readers.hdf5 import HDF5_MAGIC, attributes
from nowcast.ingest.readers.lazy import (
    HDF5_LOCK,
    Frame,
    check_size,
    decode_codes,
    faults_named,
    lazy_field,
)

REFLECTIVITY, RAIN = "REFLECTIVITY_[DBZ]", "ACCUMULATED_PRECIPITATION_[MM]"
_FORMULA = re.compile(r"GEO\s*=\s*([-+.\d]+)\s*\*\s*PV\s*\+\s*([-+.\d]+)")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_PROJECTION = ("lat_0", "lon_0", "lat_ts", "a", "b")


@dataclass(frozen=True)
class KnmiH5:
    """Reads image1 of a KNMI composite as one frame at the end of its period.

    Value = gain * code + offset as the calibration formula says, in dBZ or in mm over the period of the
    product; the mean rate of the latter becomes dBZ through the Z-R relation ``z_r_name``. A code outside
    the image is not observed. A reflectivity code of missing data, which is zero and stands wherever
    nothing came back, is no echo; where it is the code outside the image, it is not observed.

    The grid is polar stereographic; lengths in the file, those of the ellipsoid too, are kilometres.

    Source: Roozekrans and Holleman (2003), KNMI HDF5 data format specification 3.5.
    """

    z_r_name: str = "marshall_palmer"
    name: str = "knmi_h5"
    library: str | None = None

    def sniff(self, path: Path) -> bool:
        """Say whether this is HDF5 with KNMI's groups overview, geographic and image1."""
        try:
            with path.open("rb") as handle:
                if handle.read(8) != HDF5_MAGIC:
                    return False
            with HDF5_LOCK, h5py.File(path, "r") as file:
                return all(f in file for f in ("overview", "geographic/map_projection", "image1/image_data"))
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingest.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "KNMI HDF5"), HDF5_LOCK, h5py.File(path, "r") as file:
            overview, image = attributes(file, "overview"), attributes(file, "image1")
            kind = image.get("image_geo_parameter")
            data = file["image1/image_data"]
            if kind not in (REFLECTIVITY, RAIN) or data.ndim != 2 or data.dtype.kind != "u":
                raise FileError(f"{path}: image1 is {kind} as {data.dtype} with {data.ndim} dims, expected "
                                f"{REFLECTIVITY} or {RAIN} as codes in rows and columns")
            grid = _grid(path, attributes(file, "geographic"),
                         attributes(file, "geographic/map_projection"), data.shape)
            codes = _Codes.of(path, attributes(file, "image1/calibration"))
            end = _time(path, overview, "product_datetime_end")
            attrs = {"quantity": kind, "source": f"KNMI {overview.get('product_group_name', '')}".strip()}
            if kind == RAIN:
                hours = (end - _time(path, overview, "product_datetime_start")) / np.timedelta64(1, "h")
                if hours <= 0:
                    raise FileError(f"{path}: its period lasts {hours:g} h, expected more than 0")
                codes = codes.per_hour(hours)
                attrs |= {"z_r_relation": str(relation), "accumulation_hours": f"{hours:.4g}"}
        read = partial(_read, path, codes, relation if kind == RAIN else None)
        return lazy_field(read, np.array([end], "datetime64[ns]"), grid, attrs)


@dataclass(frozen=True)
class _Codes:
    gain: float
    offset: float
    missing: float
    outside: float

    @classmethod
    def of(cls, path: Path, calibration: Mapping[str, Any]) -> _Codes:
        text = str(calibration.get("calibration_formulas"))
        found = _FORMULA.fullmatch(text.strip())
        if not found:
            raise FileError(f"{path}: the calibration is '{text[:60]}', expected GEO = a * PV + b")
        return cls(float(found[1]), float(found[2]), float(calibration["calibration_missing_data"]),
                   float(calibration["calibration_out_of_image"]))

    def per_hour(self, hours: float) -> _Codes:
        return _Codes(self.gain / hours, self.offset / hours, self.missing, self.outside)


def _time(path: Path, overview: Mapping[str, Any], name: str) -> np.datetime64:
    """Read DD-MON-YYYY;HH:MM:SS.sss, in English whatever the locale."""
    text = str(overview.get(name))
    try:
        day, month, rest = text.split("-", 2)
        number = f"{day}-{_MONTHS.index(month.upper()) + 1:02d}-{rest}"
        return np.datetime64(datetime.strptime(number, "%d-%m-%Y;%H:%M:%S.%f"), "ns")
    except ValueError as error:
        raise FileError(f"{path}: {name} is '{text[:40]}', expected DD-MON-YYYY;HH:MM:SS.sss") from error


def _grid(
    path: Path, where: Mapping[str, Any], projection: Mapping[str, Any], shape: tuple[int, int]
) -> Grid:
    """Make the grid: offsets are cells from the origin of the projection to the upper left corner."""
    check_size(path, *shape)
    declared = (int(where["geo_number_rows"]), int(where["geo_number_columns"]))
    if declared != tuple(shape):
        raise GridError(f"{path}: the array has {shape[0]} x {shape[1]} cells but 'geographic' says "
                        f"{declared[0]} x {declared[1]}; the file is damaged")
    text = str(projection.get("projection_proj4_params"))
    said = dict(re.findall(r"\+(\w+)=(\S+)", text))
    if said.get("proj") != "stere" or not set(_PROJECTION) <= set(said):
        raise GridError(f"{path}: the projection is '{text[:80]}', expected +proj=stere with "
                        f"{', '.join(_PROJECTION)}")
    values = {name: float(said[name]) for name in _PROJECTION}
    kilometres = 1000.0 if values["a"] < 1e5 else 1.0
    values["a"], values["b"] = values["a"] * kilometres, values["b"] * kilometres
    across, down = (1000.0 * float(where[f"geo_pixel_size_{axis}"]) for axis in "xy")
    left, top = float(where["geo_column_offset"]), float(where["geo_row_offset"])
    if not (across > 0 > down and all(map(math.isfinite, (left, top, *values.values())))):
        raise GridError(f"{path}: cells of {across:g} x {down:g} m, expected columns to the east and rows "
                        "to the south")
    crs = pyproj.CRS.from_dict({"proj": "stere", **values, "units": "m"})
    return Grid(crs.to_wkt(), down * (top + np.arange(shape[0]) + 0.5),
                across * (left + np.arange(shape[1]) + 0.5))


def _read(path: Path, codes: _Codes, relation: ZRelation | None, index: int) -> Frame:
    del index
    with faults_named(path, "KNMI HDF5"), HDF5_LOCK, h5py.File(path, "r") as file:
        raw = file["image1/image_data"][()]
    return decode_codes(raw, partial(_to_dbz, codes, relation))


def _to_dbz(codes: _Codes, relation: ZRelation | None, raw: npt.NDArray[Any]) -> Frame:
    values = (codes.gain * raw.astype(np.float64) + codes.offset).astype(np.float32)
    dbz = values if relation is None else relation.to_dbz(values)
    dbz[raw == codes.missing] = NO_ECHO_DBZ if relation is None else np.nan
    dbz[raw == codes.outside] = np.nan
    return dbz
