"""Composites of the Royal Netherlands Meteorological Institute (KNMI) in its own HDF5 layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, GridError
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.hdf5 import attributes, finite, is_hdf5, open_hdf5, read_numbers
from nowcast.ingestion.readers.lazy import Frame, check_size, decode_codes, faults_named, lazy_field
from nowcast.ingestion.readers.projections import wkt_of_proj

REFLECTIVITY, RAIN = "REFLECTIVITY_[DBZ]", "ACCUMULATED_PRECIPITATION_[MM]"
_FACTOR = r"([-+]?(?:\d+\.?\d*|\.\d+))"
_FORMULA = re.compile(rf"GEO\s*=\s*{_FACTOR}\s*\*\s*PV\s*\+\s*{_FACTOR}")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_OVERVIEW = ("product_datetime_start", "product_datetime_end", "product_group_name")
_PLACE = tuple(
    f"geo_{name}"
    for name in (
        "number_rows",
        "number_columns",
        "pixel_size_x",
        "pixel_size_y",
        "column_offset",
        "row_offset",
        "dim_pixel",
    )
)
_CALIBRATION = tuple(f"calibration_{name}" for name in ("formulas", "missing_data", "out_of_image"))
_PROJ = "projection_proj4_params"
_PROJECTION = ("lat_0", "lon_0", "lat_ts", "a", "b")
_NOTHING = {"x_0": 0.0, "y_0": 0.0, "k": 1.0, "k_0": 1.0}
"""What may stand in a projection besides, if it has this value."""
_LONGEST_RADIUS_KM = 1e4
_CORNER_SLACK = 0.02
"""Degrees by which corners that a file states may miss those of its own grid."""


@dataclass(frozen=True)
class KnmiH5:
    """Reads image1 of a KNMI composite as one frame at the end of its period.

    Value = gain * code + offset as the calibration formula says, in dBZ or in mm over the period of the
    product; the mean rate of the latter becomes dBZ through the Z-R relation ``z_r_name``. A code outside
    the image is not observed. The code of missing data is not observed either, but for reflectivity with
    a code of its own for that, which is zero and stands wherever nothing came back: it is no echo.

    The grid is polar stereographic; lengths in the file, those of the ellipsoid too, are kilometres.

    Source: Roozekrans and Holleman (2003), KNMI HDF5 data format specification 3.5.
    """

    description: ClassVar = FormatDescription("HDF5 composites of KNMI", "reflectivity; rain amounts")
    z_r_name: str = "marshall_palmer"
    name: str = "knmi_h5"

    def sniff(self, path: Path) -> bool:
        """Whether this is HDF5 with KNMI's groups overview, geographic and image1."""
        groups = ("overview", "geographic/map_projection", "image1/image_data")
        return is_hdf5(path, lambda file: all(group in file for group in groups))

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingestion.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "KNMI HDF5"), open_hdf5(path) as file:
            overview = attributes(file, "overview", _OVERVIEW)
            kind = attributes(file, "image1", ("image_geo_parameter",)).get("image_geo_parameter")
            data = file["image1/image_data"]
            if kind not in (REFLECTIVITY, RAIN) or data.ndim != 2 or data.dtype.kind != "u":
                raise FileError(
                    f"{path}: image1 is {str(kind)[:60]} as {data.dtype} with {data.ndim} dims, "
                    f"expected {REFLECTIVITY} or {RAIN} as codes in rows and columns"
                )
            grid = _grid(
                path,
                attributes(file, "geographic", _PLACE),
                attributes(file, "geographic/map_projection", (_PROJ,)),
                data.shape,
            )
            _check_corners(path, grid, file["geographic"].attrs.get("geo_product_corners"))
            end = _time(path, overview, "product_datetime_end")
            product = str(overview.get("product_group_name", ""))[:40]
            attrs = {"quantity": kind, "source": f"KNMI {product}".strip()}
            hours = 1.0
            if kind == RAIN:
                hours = (end - _time(path, overview, "product_datetime_start")) / np.timedelta64(1, "h")
                if hours <= 0:
                    raise FileError(f"{path}: its period lasts {hours:g} h, expected more than 0")
                attrs |= {"z_r_relation": str(relation), "accumulation_hours": f"{hours:.4g}"}
            codes = _Codes.of(path, attributes(file, "image1/calibration", _CALIBRATION), data.dtype, hours)
        read = partial(_read, path, codes, relation if kind == RAIN else None)
        return lazy_field(read, np.array([end], "datetime64[ns]"), grid, attrs)


@dataclass(frozen=True)
class _Codes:
    gain: float
    offset: float
    missing: float
    outside: float

    @classmethod
    def of(cls, path: Path, calibration: Mapping[str, Any], kind: npt.DTypeLike, hours: float) -> _Codes:
        text = str(calibration.get("calibration_formulas"))
        found = _FORMULA.fullmatch(text.strip())
        if not found:
            raise FileError(
                f"{path}: the calibration is '{text[:60]}', expected GEO = a * PV + b with "
                "numbers; ask the producer for a file that follows its format"
            )
        missing, outside = (
            finite(path, "calibration", calibration, f"calibration_{name}")
            for name in ("missing_data", "out_of_image")
        )
        codes = cls(float(found[1]), float(found[2]), missing, outside)
        most = np.iinfo(np.dtype(kind)).max
        if not codes.gain > 0 or not all(0 <= code <= most for code in (codes.missing, codes.outside)):
            raise FileError(
                f"{path}: calibrated by a gain of {codes.gain:g}, codes {codes.missing:g} and "
                f"{codes.outside:g}, expected a gain above 0 and codes of 0 to {most}"
            )
        return replace(codes, gain=codes.gain / hours, offset=codes.offset / hours)


def _time(path: Path, overview: Mapping[str, Any], name: str) -> np.datetime64:
    """Read DD-MON-YYYY;HH:MM:SS.sss, in English whatever the locale."""
    text = str(overview.get(name))
    try:
        day, month, rest = text.split("-", 2)
        number = f"{day}-{_MONTHS.index(month.upper()) + 1:02d}-{rest}"
        found = datetime.strptime(number, "%d-%m-%Y;%H:%M:%S.%f")
        if not 1950 <= found.year <= 2200:
            raise ValueError(f"the year {found.year}")
        return np.datetime64(found, "ns")
    except ValueError as error:
        raise FileError(f"{path}: {name} is '{text[:40]}', expected DD-MON-YYYY;HH:MM:SS.sss") from error


def _grid(path: Path, where: Mapping[str, Any], projection: Mapping[str, Any], shape: tuple[int, int]) -> Grid:
    """Make the grid: offsets are cells from the origin of the projection to the upper left corner."""
    check_size(path, *shape)
    declared = tuple(finite(path, "geographic", where, f"geo_number_{name}") for name in ("rows", "columns"))
    if declared != tuple(shape):
        raise GridError(
            f"{path}: the array has {shape[0]} x {shape[1]} cells but 'geographic' says "
            f"{declared[0]:g} x {declared[1]:g}; the file contradicts itself"
        )
    text = str(projection.get(_PROJ))
    said = dict(re.findall(r"\+(\w+)=(\S+)", text))
    known = set(_PROJECTION) <= set(said) <= {"proj", *_PROJECTION, *_NOTHING}
    known = known and all(_NUMBER.fullmatch(value) for name, value in said.items() if name != "proj")
    idle = known and all(float(said[name]) == value for name, value in _NOTHING.items() if name in said)
    if said.get("proj") != "stere" or not idle:
        raise GridError(
            f"{path}: the projection is '{text[:80]}', expected +proj=stere with "
            f"{', '.join(_PROJECTION)} and nothing else"
        )
    values = {name: float(said[name]) for name in _PROJECTION}
    across, down, left, top = (
        finite(path, "geographic", where, f"geo_{name}")
        for name in ("pixel_size_x", "pixel_size_y", "column_offset", "row_offset")
    )
    unit = str(where.get("geo_dim_pixel"))[:20]
    if not (across > 0 > down) or unit != "KM,KM" or values["a"] > _LONGEST_RADIUS_KM:
        raise GridError(
            f"{path}: cells of {across:g} x {down:g} {unit} on a radius of {values['a']:g}, "
            "expected kilometres, columns to the east and rows to the south"
        )
    values["a"], values["b"] = 1000.0 * values["a"], 1000.0 * values["b"]
    wkt = wkt_of_proj(proj="stere", **values, units="m")
    return Grid(
        wkt,
        1000.0 * down * (top + np.arange(shape[0]) + 0.5),
        1000.0 * across * (left + np.arange(shape[1]) + 0.5),
    )


def _check_corners(path: Path, grid: Grid, corners: Any) -> None:
    """Hold the grid against the corners that the file states, clockwise from the lower left."""
    if corners is None or np.size(corners) != 8:
        return
    west, east, south, north = grid.extent
    lon, lat = grid.lonlat(np.array([south, north, north, south]), np.array([west, west, east, east]))
    said = np.asarray(corners, np.float64).reshape(4, 2)
    miss = float(np.abs(np.stack([lon, lat], axis=1) - said).max())
    if not miss <= _CORNER_SLACK:
        raise GridError(
            f"{path}: the corners it states are up to {miss:.2f} degrees from those of its own "
            "projection, expected the same; the georeference of the file contradicts itself"
        )


def _read(path: Path, codes: _Codes, relation: ZRelation | None, index: int) -> Frame:
    del index
    with faults_named(path, "KNMI HDF5"), open_hdf5(path) as file:
        raw = read_numbers(path, file["image1/image_data"])
    return decode_codes(raw, partial(_to_dbz, codes, relation))


def _to_dbz(codes: _Codes, relation: ZRelation | None, raw: npt.NDArray[Any]) -> Frame:
    values = (codes.gain * raw.astype(np.float64) + codes.offset).astype(np.float32)
    dbz = values if relation is None else relation.to_dbz(values)
    dbz[raw == codes.missing] = NO_ECHO_DBZ if relation is None else np.nan
    dbz[raw == codes.outside] = np.nan
    return dbz
