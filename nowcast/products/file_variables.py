"""One variable of the catalog into an open forecast file and back, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from nowcast.core.errors import FileError, complain
from nowcast.core.field import ATTRS, NAME, FieldError
from nowcast.products.variables import AXES, FileAxis, FileVariable

_STRUCTURE = ("coordinates", "grid_mapping", "scale_factor", "add_offset", "_FillValue")
"""Attributes that say how a variable lies in the file, not what it means."""
_IN_FILE = {"lead_time": "time"}
_LARGEST_TILE = 256
_LARGEST_PIXELS = 2**31
_LEVEL = 1
"""Of zlib: two thirds of the time of level 4 for files 4 % larger."""


def write_variable(file: Any, variable: FileVariable, values: xr.DataArray) -> None:
    """Write one variable, frame by frame, and those of its axes that the file lacks.

    Args:
        file: an open ``netCDF4.Dataset`` that has the grid and the times.
        variable: the line of the catalog.
        values: of its dims; attributes that the catalog does not set are kept.

    Raises:
        FieldError: other dims, or values out of range.
    """
    inside = [_IN_FILE.get(d, d) for d in variable.dims]
    if values.dims != variable.dims:
        raise FieldError(
            complain(
                f"forecast file: {variable.name}",
                f"{dict(values.sizes)}",
                f"({', '.join(variable.dims)}) of the forecast",
                "give what a forecaster returns",
            )
        )
    for axis in (AXES[name] for name in variable.dims if name in AXES and name not in file.dimensions):
        _write_axis(file, axis, values[axis.name])
    kind = variable.kind
    made = file.createVariable(
        variable.name,
        kind.dtype,
        inside,
        compression="zlib",
        complevel=_LEVEL,
        shuffle=True,
        chunksizes=(*(1 for _ in inside[:-2]), *map(_tile, values.shape[-2:])),
        fill_value=np.dtype(kind.dtype).type(kind.fill),
    )
    made.set_auto_maskandscale(False)
    made.setncatts(
        {
            **values.attrs,
            **variable.attrs,
            "grid_mapping": ATTRS["grid_mapping"],
            "coordinates": "forecast_reference_time" + " forecast_period" * ("lead_time" in variable.dims),
            "scale_factor": np.float32(kind.scale),
            "add_offset": np.float32(0.0),
        }
    )
    array = values.values
    for place in np.ndindex(*array.shape[:-2]):
        made[place] = kind.pack(np.asarray(array[place], np.float32), variable.name)


def _write_axis(file: Any, axis: FileAxis, labels: xr.DataArray) -> None:
    file.createDimension(axis.name, labels.size)
    made = file.createVariable(axis.name, axis.dtype, (axis.name,))
    made.setncatts({**labels.attrs, **axis.attrs})
    made[:] = labels.values
    if axis.from_zero:
        if "ends" not in file.dimensions:
            file.createDimension("ends", 2)
        made.bounds = f"{axis.name}_bounds"
        file.createVariable(made.bounds, axis.dtype, (axis.name, "ends"))[:] = np.stack(
            [np.zeros(labels.size), labels.values], axis=-1
        )


WHOLE = (slice(None), slice(None))
"""The window that is the whole grid."""


def _tile(size: int) -> int:
    """Rows or columns of a chunk: even parts of a frame, so that a place is read without all of it."""
    return -(-size // -(-size // _LARGEST_TILE))


def read_variable(
    file: Any, variable: FileVariable, forecast: xr.Dataset, window: tuple[slice, slice] = WHOLE
) -> xr.Dataset:
    """Add one variable of an open file to a forecast, as it is where the file does not hold it.

    Args:
        file: an open ``netCDF4.Dataset`` of unscaled values.
        variable: the line of the catalog.
        forecast: has the coordinates of the window.
        window: rows and columns to read.

    Raises:
        FileError: more values than any forecast has.
        LookupError: the forecast's own reflectivity is absent, or an axis.
    """
    held = [name for name in (variable.name, *variable.former_names) if name in file.variables]
    if not held and variable.name != NAME:
        return forecast
    codes = file[held[0] if held else NAME]
    if np.prod(codes.shape, dtype=np.float64) > _LARGEST_PIXELS:
        raise FileError(
            complain(
                str(file.filepath()),
                f"values of shape {codes.shape}",
                "a forecast that fits into memory",
                "it is damaged or no forecast",
            )
        )
    values = np.empty((*codes.shape[:-2], forecast.sizes["y"], forecast.sizes["x"]), np.float32)
    if values.ndim == len(window):
        values[:] = variable.kind.unpack(np.asarray(codes[window]))
    for index in range(len(values) if values.ndim > len(window) else 0):
        part = (index, *[slice(None)] * (values.ndim - 3), *window)
        values[index] = variable.kind.unpack(np.asarray(codes[part]))
    axes = {
        name: (
            name,
            np.asarray(file[name][:]).astype("i8" if AXES[name].dtype == "i4" else "f8"),
            {k: v for k, v in file[name].__dict__.items() if k != "bounds"},
        )
        for name in variable.dims
        if name in AXES
    }
    attrs = {k: v for k, v in codes.__dict__.items() if k not in _STRUCTURE}
    return forecast.assign_coords(axes).assign(
        {variable.name: (variable.dims, values, dict(ATTRS) if variable.name == NAME else attrs)}
    )
