"""Where an ODIM_H5 composite lies: projection, scale and corners of its ``where`` group as one grid."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.hdf5 import finite
from nowcast.ingestion.readers.lazy import check_size
from nowcast.ingestion.readers.projections import crs_of_proj, safe_proj

_SLACK_CELLS = 1.1
_CORNERS = ("LL", "UL", "UR", "LR")


def odim_grid(path: Path, where: Mapping[str, Any], shape: tuple[int, int]) -> Grid:
    """Make the grid from ``where``: ODIM corners are the outer edges of the corner cells.

    Why it is not one line: producers differ. Some give two corners, some no ``xscale`` (then it is the
    distance of the corners over the number of cells), some corners one cell apart from
    ``xsize * xscale`` (then the scale holds and the grid is centred between the corners), and some a
    ``projdef`` with both ``+datum`` and ``+a +b``: older PROJ took the ellipsoid of the datum, newer
    takes the axes, so the reading that agrees with the file's own corners is used.

    Args:
        path: for messages.
        where: attributes of the root's ``where``, overlaid by the data set's.
        shape: rows and columns of the stored array.

    Raises:
        GridError: no projection or corners, or corners that contradict the scale.

    Source: ODIM_H5 2.4 (EUMETNET OPERA), section 4.2, table 4 and table 20.
    """
    check_size(path, *shape)
    declared = tuple(
        finite(path, "where", where, name) if name in where else size
        for name, size in (("ysize", shape[0]), ("xsize", shape[1]))
    )
    if declared != tuple(shape):
        raise GridError(
            f"{path}: the array has {shape[0]} x {shape[1]} cells but 'where' says "
            f"{declared[0]:g} x {declared[1]:g}; the file contradicts itself"
        )
    if not where.get("projdef"):
        raise GridError(
            f"{path}: 'where' has no projdef, expected a PROJ string; polar files are not read, only composites"
        )
    corners = {
        c: (finite(path, "where", where, f"{c}_lon"), finite(path, "where", where, f"{c}_lat"))
        for c in _CORNERS
        if f"{c}_lon" in where and f"{c}_lat" in where
    }
    if not ({"LL", "UR"} <= set(corners) or {"UL", "LR"} <= set(corners)):
        raise GridError(
            f"{path}: 'where' gives corners {sorted(corners)}, expected LL and UR or UL and LR at least"
        )
    try:
        projdefs = _readings(safe_proj(str(where["projdef"])))
    except GridError as error:
        raise GridError(f"{path}: {error}") from error
    scales = {
        axis: finite(path, "where", where, f"{axis}scale") for axis in ("x", "y") if f"{axis}scale" in where
    }
    faults: list[str] = []
    fits: list[tuple[float, Grid]] = []
    for projdef in projdefs:
        try:
            fits.append(_fit(projdef, corners, scales, shape))
        except (GridError, pyproj.exceptions.ProjError) as error:
            faults.append(" ".join(str(error).split()))
    if not fits:
        raise GridError(f"{path}: {faults[0]}; the georeference of the file contradicts itself")
    return min(fits, key=lambda fit: round(fit[0], 6))[1]


def _readings(projdef: str) -> list[str]:
    both = re.search(r"\+(datum|ellps)=", projdef) and re.search(r"\+[ab]=", projdef)
    return [projdef, re.sub(r"\+[ab]=\S+", "", projdef)] if both else [projdef]


def _fit(
    projdef: str,
    corners: Mapping[str, tuple[float, float]],
    scales: Mapping[str, float],
    shape: tuple[int, int],
) -> tuple[float, Grid]:
    """Return the grid of one reading of the projection, and by how much of a cell its corners miss."""
    crs = crs_of_proj(projdef)
    project = pyproj.Proj(crs)
    factor = 1.0 if crs.is_geographic else crs.axis_info[0].unit_conversion_factor or 1.0
    places = {c: project(*lonlat) if not crs.is_geographic else lonlat for c, lonlat in corners.items()}
    edges = {
        side: float(np.mean([places[c][axis] for c in names if c in places]))
        for side, names, axis in (
            ("west", ("LL", "UL"), 0),
            ("east", ("LR", "UR"), 0),
            ("south", ("LL", "LR"), 1),
            ("north", ("UL", "UR"), 1),
        )
    }
    if factor != 1.0:
        with warnings.catch_warnings():  # the names of datums are lost, and a PROJ string has none
            warnings.simplefilter("ignore", UserWarning)
            metre = dict(crs.to_dict(), units="m")
        metre.pop("to_meter", None)
        crs = pyproj.CRS.from_dict(metre)
        edges = {side: value * factor for side, value in edges.items()}
    miss_x, x = _centres(edges["west"], edges["east"], shape[1], scales.get("x"), "x")
    miss_y, y = _centres(edges["south"], edges["north"], shape[0], scales.get("y"), "y")
    return miss_x + miss_y, Grid(crs.to_wkt(), y[::-1], x)


def _centres(
    low: float, high: float, count: int, scale: float | None, axis: str
) -> tuple[float, npt.NDArray[np.float64]]:
    span = high - low
    step = scale or span / count
    if not np.isfinite(span) or span <= 0 or step <= 0:
        raise GridError(f"corners give {axis} from {low:g} to {high:g}, expected a rising extent")
    if abs(span / step - count) > _SLACK_CELLS:
        raise GridError(
            f"corners are {span / step:.2f} cells of {axis}scale {step:g} apart but there are {count} cells"
        )
    miss = abs(span / step - round(span / step))
    if abs(span / step - count) < 0.01:
        step = span / count
    middle = (low + high) / 2
    places = middle + (np.arange(count) - (count - 1) / 2) * step
    return miss, np.asarray(places, dtype=np.float64)
