"""The field: what a radar sequence *is* everywhere between the readers and the page.

A field is an ``xr.DataArray`` named ``reflectivity`` in dBZ, float32, dims ``(time, y, x)``, with a CF
grid mapping. Three kinds of absence are never mixed: *not observed* is NaN, *no echo* is
``NO_ECHO_DBZ``, and a *missing frame* is a time that is not there.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr
from xarray.indexes import PandasIndex

from nowcast.core.errors import NowcastError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import Times

NAME = "reflectivity"
PROBABILITY = "exceedance_probability"
"""What a forecast holds beside its reflectivity where the forecaster knows it."""
MEMBERS = "reflectivity_members"
"""Equally likely fields (member, lead_time, y, x) of an ensemble, dBZ, beside the one of ``reflectivity``."""
HIGHEST_DBZ = 100.0
ATTRS: Mapping[str, str] = {
    "standard_name": "equivalent_reflectivity_factor",
    "long_name": "radar reflectivity",
    "units": "dBZ",
    "grid_mapping": "crs",
}


class FieldError(NowcastError):
    """Data that is not a field: wrong dims, dtype, values out of range, unsorted or repeated times."""


def make_field(dbz: Any, times: Times, grid: Grid, attrs: Mapping[str, Any] | None = None) -> xr.DataArray:
    """Put labels on dBZ of shape (T, H, W): a numpy or dask array becomes a field.

    Args:
        dbz: float32 dBZ; NaN is not observed, ``NO_ECHO_DBZ`` is observed and dry.
        times: T sorted, unique UTC times.
        grid: where it lies; H rows north to south, W columns west to east.
        attrs: further attributes (source, licence, the Z-R relation of a rain-rate source).
    """
    stamps = xr.Variable(("time",), np.asarray(times, "datetime64[ns]"), {"standard_name": "time"})
    index = PandasIndex(stamps.values, "time")
    place = _place(grid.crs_wkt, *((v.dtype.str, v.tobytes()) for v in (grid.y, grid.x)))
    coords = {
        **index.create_variables({"time": stamps}),
        **{name: variable.copy(deep=False) for name, variable in place.variables.items()},
    }
    variable = xr.Variable(("time", "y", "x"), dbz, {**ATTRS, **(attrs or {})})
    return _labelled(variable, coords, {"time": index, **place.xindexes})


def _labelled(variable: xr.Variable, coords: dict[Any, Any], indexes: dict[Any, Any]) -> xr.DataArray:
    """Put coordinates to numbers, by xarray's own short way where it has one.

    Why: the other copies each index and attribute, which takes longer than to read a small file.
    """
    try:
        return xr.DataArray(variable, coords, name=NAME, indexes=indexes, fastpath=True)
    except TypeError:
        return xr.DataArray(variable, xr.Coordinates(coords, indexes), name=NAME)


@lru_cache(maxsize=16)
def _place(wkt: str, y: tuple[str, bytes], x: tuple[str, bytes]) -> xr.Coordinates:
    """Return the coordinates of a grid, given by type and bytes of its centres; every field gets a copy.

    Why cached: the files of an archive share them, and their indexes take longer to make than a small file to
    read.
    """
    rows, columns = (np.frombuffer(values, kind) for kind, values in (y, x))
    return xr.Coordinates(grid_coords(Grid(wkt, rows, columns)))


def grid_coords(grid: Grid) -> dict[str, Any]:
    """The coordinates ``y``, ``x`` and the scalar ``crs`` with their CF attributes."""
    if grid.geographic:
        y_attrs = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
        x_attrs = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
    elif grid.rotated:
        y_attrs = {"standard_name": "grid_latitude", "units": "degrees", "axis": "Y"}
        x_attrs = {"standard_name": "grid_longitude", "units": "degrees", "axis": "X"}
    else:
        y_attrs = {"standard_name": "projection_y_coordinate", "units": "m", "axis": "Y"}
        x_attrs = {"standard_name": "projection_x_coordinate", "units": "m", "axis": "X"}
    mapping = {**_grid_mapping(grid.crs_wkt), "crs_wkt": grid.crs_wkt}
    return {"y": ("y", grid.y, y_attrs), "x": ("x", grid.x, x_attrs), "crs": ((), np.int32(0), mapping)}


@lru_cache(maxsize=64)
def _grid_mapping(wkt: str) -> Mapping[str, Any]:
    with warnings.catch_warnings():  # what CF cannot say of an oblique projection, crs_wkt says
        warnings.filterwarnings("ignore", message=".*lost in conversion to CF", category=UserWarning)
        stated = pyproj.CRS.from_wkt(wkt).to_cf()
    return {k: v for k, v in stated.items() if v is not None}


def check(field: xr.DataArray, values: bool = True) -> xr.DataArray:
    """Return ``field`` if it keeps the contract of this module.

    Args:
        field: what claims to be a field.
        values: also look at the numbers (this computes a lazy field).

    Raises:
        FieldError: the first thing that is wrong, with its value and what was expected.
    """
    if field.name != NAME or field.dims != ("time", "y", "x"):
        raise FieldError(f"field: got '{field.name}' {field.dims}, expected '{NAME}' (time, y, x)")
    if field.dtype != np.float32:
        raise FieldError(f"field: got {field.dtype}, expected float32")
    if field.attrs.get("units") != "dBZ":
        raise FieldError(f"field: got units {field.attrs.get('units')!r}, expected 'dBZ'")
    times = field["time"].values
    if len(times) > 1 and (np.diff(times) <= np.timedelta64(0, "ns")).any():
        raise FieldError("field: times must be sorted and unique")
    Grid.of(field)
    if values:
        check_values(field.values)
    return field


def check_values(dbz: npt.NDArray[np.floating]) -> None:
    """Refuse dBZ outside [NO_ECHO_DBZ, HIGHEST_DBZ] and infinities; NaN is allowed.

    Raises:
        FieldError: with the lowest and highest value found.
    """
    if dbz.size == 0 or np.isnan(dbz).all():
        return
    low, high = float(np.nanmin(dbz)), float(np.nanmax(dbz))
    if low < NO_ECHO_DBZ or high > HIGHEST_DBZ:
        raise FieldError(
            f"field: got values from {low:g} to {high:g}, expected dBZ within "
            f"{NO_ECHO_DBZ:g} to {HIGHEST_DBZ:g}; check the source's gain, offset and unit"
        )
