"""Which dimension of a CF variable is time, row and column, by what its coordinate says it is, never by place.

Dimensions: H rows, W columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, GridError
from nowcast.ingestion.readers.cf_attributes import unpacked
from nowcast.ingestion.readers.cf_quantity import factor_to, stated_units

T, Z, Y, X, MEMBER = "time", "level", "row", "column", "member"
LATLON, ROTATED, PROJECTED = "degrees", "rotated degrees", "metres"
_STANDARD = {
    "time": (T, ""),
    "latitude": (Y, LATLON),
    "longitude": (X, LATLON),
    "grid_latitude": (Y, ROTATED),
    "grid_longitude": (X, ROTATED),
    "projection_y_coordinate": (Y, PROJECTED),
    "projection_x_coordinate": (X, PROJECTED),
    "projection_y_angular_coordinate": (Y, PROJECTED),
    "projection_x_angular_coordinate": (X, PROJECTED),
    "height": (Z, ""),
    "altitude": (Z, ""),
    "height_above_mean_sea_level": (Z, ""),
    "air_pressure": (Z, ""),
    "realization": (MEMBER, ""),
    "forecast_period": (MEMBER, ""),
    "forecast_reference_time": (MEMBER, ""),
}
_NORTH = re.compile(r"^degrees?_?(n|north)$", re.IGNORECASE)
_EAST = re.compile(r"^degrees?_?(e|east)$", re.IGNORECASE)
_NAMES = (
    (re.compile(r"^(lat|latitude|nlat|lats)$", re.IGNORECASE), (Y, LATLON)),
    (re.compile(r"^(lon|long|longitude|nlon|lons)$", re.IGNORECASE), (X, LATLON)),
    (re.compile(r"^(rlat|grid_latitude)$", re.IGNORECASE), (Y, ROTATED)),
    (re.compile(r"^(rlon|grid_longitude)$", re.IGNORECASE), (X, ROTATED)),
    (re.compile(r"^(y|yc|northing|northings|y_?dim|south_north)$", re.IGNORECASE), (Y, PROJECTED)),
    (re.compile(r"^(x|xc|easting|eastings|x_?dim|west_east)$", re.IGNORECASE), (X, PROJECTED)),
    (re.compile(r"^(time|times|t|valid_time)$", re.IGNORECASE), (T, "")),
    (re.compile(r"^(z|lev|level|levels|height|altitude|alt)$", re.IGNORECASE), (Z, "")),
    (
        re.compile(
            r"^(ens|ensemble|ens_?number|member|members|realization|realisation|lead_?time|leads?|step|"
            r"forecast_period|number)$",
            re.IGNORECASE,
        ),
        (MEMBER, ""),
    ),
)
_AXIS = {"T": T, "Z": Z, "Y": Y, "X": X, "E": MEMBER}
_BENT = 0.01
"""How far, in cells, a coordinate may lie off a straight line: 32-bit numbers are that coarse."""


@dataclass(frozen=True)
class Axis:
    """One dimension: its name, what it is (`T`, `Z`, `Y`, `X`, `MEMBER`), in what, and its coordinate."""

    dimension: str
    role: str
    system: str
    coordinate: Any


@dataclass(frozen=True)
class Axes:
    """The dimensions of a variable of rows, columns and perhaps time; all others have length one."""

    order: tuple[str, ...]
    row: Axis
    column: Axis
    time: str | None
    select: Mapping[str, int] = field(default_factory=dict)
    """Dimension -> index, where another than the first is wanted."""

    def place(self, time: int) -> dict[int, int]:
        """Return where the frame at one index of time lies: axis -> index; rows and columns are left out."""
        of_time = {} if self.time is None else {self.order.index(self.time): time}
        return {**{self.order.index(d): index for d, index in self.select.items()}, **of_time}

    def frame(self, variable: Any, time: int) -> npt.NDArray[Any]:
        """Read the frame at one index of time, as stored, rows first (H, W)."""
        index = tuple(
            slice(None)
            if d in (self.row.dimension, self.column.dimension)
            else time
            if d == self.time
            else self.select.get(d, 0)
            for d in self.order
        )
        found: npt.NDArray[Any] = np.asarray(variable[index])
        rows_first = self.order.index(self.row.dimension) < self.order.index(self.column.dimension)
        return found if rows_first else found.T


def axes_of(
    path: Path, variables: Mapping[str, Any], variable: Any, select: Mapping[str, int] | None = None
) -> Axes:
    """Tell the axes of a variable apart; of those in ``select`` one index is taken, whatever they are.

    Raises:
        FileError: several levels, members or lead times.
        GridError: no row or column that says what it is; curvilinear; two of one kind.
    """
    lengths = dict(zip(variable.dimensions, variable.shape, strict=True))
    _check_select(path, variable, lengths, select or {})
    found = [_axis(variables, variable, d) for d in variable.dimensions if d not in (select or {})]
    for axis in found:
        if axis.role == MEMBER:
            raise FileError(
                f"{path}: {variable.name!r} has an axis {axis.dimension!r} of members or lead times"
                ", expected observations; a forecast is not ingested"
            )
    one = {role: [a for a in found if a.role == role] for role in (T, Y, X)}
    if len(one[Y]) != 1 or len(one[X]) != 1 or len(one[T]) > 1:
        _refuse(path, variables, variable)
    for axis in found:
        if axis.role not in (T, Y, X) and lengths[axis.dimension] != 1:
            raise FileError(
                f"{path}: {variable.name!r} has {lengths[axis.dimension]} of {axis.dimension!r}, "
                "expected one level of time, rows and columns; choose one with select in a mapping"
            )
    row, column = one[Y][0], one[X][0]
    if row.system != column.system:
        raise GridError(
            f"{path}: rows {row.dimension!r} are in {row.system} but columns "
            f"{column.dimension!r} in {column.system}, expected both alike"
        )
    return Axes(tuple(variable.dimensions), row, column, one[T][0].dimension if one[T] else None, select or {})


def _check_select(path: Path, variable: Any, lengths: Mapping[str, int], select: Mapping[str, int]) -> None:
    for dimension, index in select.items():
        if not 0 <= index < lengths.get(dimension, 0):
            size = lengths.get(dimension, 0)
            raise FileError(
                f"{path}: select: got {dimension}: {index}, expected an index below {size} of a "
                f"dimension of {variable.name!r} ({', '.join(lengths)}); counted from 0"
            )


def _axis(variables: Mapping[str, Any], variable: Any, dimension: str) -> Axis:
    own = variables.get(dimension)
    if own is not None and own.dimensions == (dimension,):
        return Axis(dimension, *_identity(own), own)
    beside = str(getattr(variable, "coordinates", "")).split()
    others = [v for v in variables.values() if v.dimensions == (dimension,)]
    for other in [v for v in others if v.name in beside] + others:
        role, system = _identity(other)
        if role:
            return Axis(dimension, role, system, other)
    role, system = _by_name(dimension)
    return Axis(dimension, role if role in (T, Z, MEMBER) else "", system, None)


def _identity(coordinate: Any) -> tuple[str, str]:
    """Return role and system of a coordinate: its standard name, unit, axis and name are asked in turn.

    A "latitude" in metres is a row of a projection that somebody has named wrongly.
    """
    units, named = stated_units(coordinate), _by_name(coordinate.name)
    metres = factor_to(units, "m") is not None
    standard = str(getattr(coordinate, "standard_name", "")).strip().lower()
    if standard in _STANDARD:
        role, system = _STANDARD[standard]
        return role, PROJECTED if system and metres else system
    if _NORTH.match(units) or _EAST.match(units):
        role = Y if _NORTH.match(units) else X
        return role, named[1] if named[0] == role and named[1] == ROTATED else LATLON
    if " since " in units.lower():
        return T, ""
    role = _AXIS.get(str(getattr(coordinate, "axis", "")).strip().upper(), named[0])
    system = PROJECTED if metres else named[1]
    return role, system if role in (Y, X) else ""


def _by_name(name: str) -> tuple[str, str]:
    return next((identity for pattern, identity in _NAMES if pattern.match(name)), ("", ""))


def _refuse(path: Path, variables: Mapping[str, Any], variable: Any) -> None:
    flat = [
        v.name
        for v in variables.values()
        if v.ndim == 2 and v.dimensions == variable.dimensions[-2:] and _identity(v)[1] == LATLON
    ]
    if len(flat) >= 2:
        raise GridError(
            f"{path}: {variable.name!r} lies on a curvilinear grid (2-D {flat[0]!r} and "
            f"{flat[1]!r}), expected 1-D coordinates of a projection or of latitude and "
            "longitude; regrid it first"
        )
    raise GridError(
        f"{path}: {variable.name!r} has no 1-D coordinates of rows and columns for "
        f"{tuple(variable.dimensions)}, expected a regular grid with standard_name or units on "
        "each"
    )


def cell_centres(path: Path, variables: Mapping[str, Any], axis: Axis) -> npt.NDArray[np.float64]:
    """Return the centres of the cells along an axis, in degrees or metres, in the file's order.

    Bounds, where there are any, say where a cell is: coordinates may stand for its edge. Longitudes that
    jump by a full circle are unrolled, and lie around Greenwich.

    Raises:
        GridError: a unit that is none of the axis, or bounds that are not one cell each.
    """
    coordinate = axis.coordinate
    factor = _factor(path, axis)
    values = _values(coordinate) * factor
    bounds = variables.get(str(getattr(coordinate, "bounds", "")))
    if bounds is not None:
        values = _middles(path, bounds, values, factor)
    if axis.system == LATLON and axis.role == X:
        values = np.unwrap(values, period=360.0)
        values = values - 360.0 * np.floor((values.mean() + 180.0) / 360.0)
    if axis.system == LATLON and axis.role == Y and np.abs(values).max() > 90.0:
        raise GridError(
            f"{path}: latitudes of {coordinate.name!r} reach {np.abs(values).max():g}, expected -90 to 90"
        )
    straight = np.linspace(values[0], values[-1], len(values))
    cell = abs(values[-1] - values[0]) / (len(values) - 1)
    return straight if np.abs(values - straight).max() < _BENT * cell else values


def _values(variable: Any) -> npt.NDArray[np.float64]:
    return np.asarray(np.ma.filled(unpacked(variable).astype(np.float64), np.nan))


def _factor(path: Path, axis: Axis) -> float:
    units = stated_units(axis.coordinate)
    if axis.system == PROJECTED:
        factor = factor_to(units, "m")
    elif units.lower() in ("", "deg", "degree", "degrees") or _NORTH.match(units) or _EAST.match(units):
        factor = 1.0
    else:
        factor = factor_to(units, "degrees")
    if factor is None:
        expected = "m or km" if axis.system == PROJECTED else "degrees"
        raise GridError(f"{path}: coordinate {axis.coordinate.name!r} has units {units!r}, expected {expected}")
    return factor


def _middles(
    path: Path, bounds: Any, values: npt.NDArray[np.float64], factor: float
) -> npt.NDArray[np.float64]:
    if bounds.shape != (len(values), 2):
        raise GridError(
            f"{path}: bounds {bounds.name!r} have shape {bounds.shape}, expected {(len(values), 2)}"
        )
    edges = _values(bounds) * factor
    middles: npt.NDArray[np.float64] = np.mean(edges, axis=1)
    cell = np.abs(np.diff(edges, axis=1)).mean()
    steps = np.abs(np.diff(values)).mean()
    if (
        not np.isfinite(edges).all()
        or abs(cell - steps) > _BENT * steps
        or (np.abs(middles - values) > (0.5 + _BENT) * cell).any()
    ):
        raise GridError(
            f"{path}: bounds {bounds.name!r} do not hold the cells of their coordinate, expected "
            "one cell each; the georeference of the file contradicts itself"
        )
    return middles
