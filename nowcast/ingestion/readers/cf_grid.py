"""The grid of a CF variable, made once for all files of a series that state it alike."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.cf_axes import LATLON, Axes, cell_centres
from nowcast.ingestion.readers.cf_mapping import crs_of
from nowcast.ingestion.readers.lazy import check_size

Flips = tuple[bool, bool]
_KEPT: dict[Hashable, tuple[Grid, Flips]] = {}
_MOST_KEPT = 16


def grid_of(path: Path, variables: Mapping[str, Any], variable: Any, axes: Axes) -> tuple[Grid, Flips]:
    """Return the grid and whether rows and columns must be reversed.

    Raises:
        GridError: coordinates that are not regular, or a projection that cannot be understood.
        FileError: frames that are too large.
    """
    lengths = dict(zip(variable.dimensions, variable.shape, strict=True))
    check_size(path, lengths[axes.row.dimension], lengths[axes.column.dimension])
    stated = _stated(variables, variable, axes)
    if stated is not None and stated in _KEPT:
        return _KEPT[stated]
    y, x = (cell_centres(path, variables, axis) for axis in (axes.row, axes.column))
    crs = crs_of(path, variables, variable, axes, y, x)
    flips = (bool(y[0] < y[-1]), bool(x[0] > x[-1]))
    try:
        found = Grid(crs.to_wkt(), y[::-1] if flips[0] else y, x[::-1] if flips[1] else x), flips
    except GridError as error:
        raise GridError(f"{path}: {error} ({axes.row.dimension!r}, {axes.column.dimension!r})") from error
    if stated is not None:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[stated] = found
    return found


def _stated(variables: Mapping[str, Any], variable: Any, axes: Axes) -> Hashable | None:
    """Return all that a netCDF file says of a grid: its coordinates' and mapping's attributes and numbers.

    None where more would have to be asked: bounds, several mappings, or none where one is needed.
    """
    name = str(getattr(variable, "grid_mapping", ""))
    mapping = variables.get(name)
    members = [axes.row.coordinate, axes.column.coordinate, *([mapping] if name else [])]
    if not name and axes.row.system != LATLON:
        return None
    if not all(isinstance(member, netCDF4.Variable) and member.size for member in members):
        return None
    texts = [[(n, member.getncattr(n)) for n in member.ncattrs()] for member in members]
    if "bounds" in {n for of_one in texts for n, _ in of_one}:
        return None
    numbers = []
    for coordinate in members[:2]:
        coordinate.set_auto_maskandscale(False)
        try:
            numbers.append(np.asarray(coordinate[...]))
        finally:
            coordinate.set_auto_maskandscale(True)
    return (
        tuple((axis.role, axis.system, axis.coordinate.name) for axis in (axes.row, axes.column)),
        repr([[(n, type(v).__name__, np.asarray(v).tolist()) for n, v in of_one] for of_one in texts]),
        tuple((n.dtype.str, n.shape, n.tobytes()) for n in numbers),
    )
