"""Where an ODIM_H5 composite lies: projection, scale and corners of its ``where`` group as one grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.lazy import check_size

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
    declared = (int(where.get("ysize", shape[0])), int(where.get("xsize", shape[1])))
    if declared != tuple(shape):
        raise GridError(f"{path}: the array has {shape[0]} x {shape[1]} cells but 'where' says "
                        f"{declared[0]} x {declared[1]}; the file is damaged")
    if not where.get("projdef"):
        raise GridError(f"{path}: 'where' has no projdef, expected a PROJ string; polar files are "
                        "not read, only composites")
    corners = {c: (float(where[f"{c}_lon"]), float(where[f"{c}_lat"]))
               for c in _CORNERS if f"{c}_lon" in where and f"{c}_lat" in where}
    if not ({"LL", "UR"} <= set(corners) or {"UL", "LR"} <= set(corners)):
        raise GridError(f"{path}: 'where' gives corners {sorted(corners)}, expected LL and UR or "
                        "UL and LR at least")
    faults: list[str] = []
    fits: list[tuple[float, Grid]] = []
    for projdef in _readings(str(where["projdef"])):
        try:
            fits.append(_fit(projdef, corners, where, shape))
        except (GridError, pyproj.exceptions.ProjError) as error:
            faults.append(" ".join(str(error).split()))
    if not fits:
        raise GridError(f"{path}: {faults[0]}; the georeference of the file contradicts itself")
    return min(fits, key=lambda fit: round(fit[0], 6))[1]


def _readings(projdef: str) -> list[str]:
    both = re.search(r"\+(datum|ellps)=", projdef) and re.search(r"\+[ab]=", projdef)
    return [projdef, re.sub(r"\+[ab]=\S+", "", projdef)] if both else [projdef]


def _fit(
    projdef: str, corners: Mapping[str, tuple[float, float]], where: Mapping[str, Any],
    shape: tuple[int, int],
) -> tuple[float, Grid]:
    """Give the grid of one reading of the projection, and by how much of a cell its corners miss."""
    crs = _crs(projdef)
    project = pyproj.Proj(crs)
    factor = 1.0
    if not crs.is_geographic:
        factor = crs.axis_info[0].unit_conversion_factor or 1.0
    places = {c: project(*lonlat) if not crs.is_geographic else lonlat
              for c, lonlat in corners.items()}
    edges = {
        side: float(np.mean([places[c][axis] for c in names if c in places]))
        for side, names, axis in (("west", ("LL", "UL"), 0), ("east", ("LR", "UR"), 0),
                                  ("south", ("LL", "LR"), 1), ("north", ("UL", "UR"), 1))
    }
    if factor != 1.0:
        metre = dict(crs.to_dict(), units="m")
        metre.pop("to_meter", None)
        crs = pyproj.CRS.from_dict(metre)
        edges = {side: value * factor for side, value in edges.items()}
    miss_x, x = _centres(edges["west"], edges["east"], shape[1], where.get("xscale"), "x")
    miss_y, y = _centres(edges["south"], edges["north"], shape[0], where.get("yscale"), "y")
    return miss_x + miss_y, Grid(crs.to_wkt(), y[::-1], x)


@lru_cache(maxsize=32)
def _crs(projdef: str) -> pyproj.CRS:
    return pyproj.CRS.from_user_input(projdef)


def _centres(
    low: float, high: float, count: int, scale: Any, axis: str
) -> tuple[float, npt.NDArray[np.float64]]:
    span = high - low
    step = span / count if not scale else float(scale)
    if not np.isfinite(span) or span <= 0 or step <= 0:
        raise GridError(f"corners give {axis} from {low:g} to {high:g}, expected a rising extent")
    if abs(span / step - count) > _SLACK_CELLS:
        raise GridError(f"corners are {span / step:.2f} cells of {axis}scale {step:g} apart but there "
                        f"are {count} cells")
    miss = abs(span / step - round(span / step))
    if abs(span / step - count) < 0.01:
        step = span / count
    middle = (low + high) / 2
    places = middle + (np.arange(count) - (count - 1) / 2) * step
    return miss, np.asarray(places, dtype=np.float64)
