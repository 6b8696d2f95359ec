"""The coordinate reference system of a CF variable: its grid mapping, understood without opening any file."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import GridError
from nowcast.ingestion.readers.cf_axes import LATLON, PROJECTED, ROTATED, Axes
from nowcast.ingestion.readers.projections import crs_of_proj, safe_wkt

_WKT = ("crs_wkt", "spatial_ref")
_PROJ = ("proj4", "proj4_params", "proj4_string", "proj_params", "proj4text")
_LONGEST = 20_000
Centres = npt.NDArray[np.float64]
_EARTH_M = (6.3e6, 6.4e6)


def crs_of(
    path: Path, variables: Mapping[str, Any], variable: Any, axes: Axes, y: Centres, x: Centres
) -> pyproj.CRS:
    """Return the reference system of a variable; WGS 84 where it has latitudes and says no more.

    Raises:
        GridError: no grid mapping where one is needed, one that cannot be understood, or one that is not of
            the axes.

    Source: CF conventions 1.10, section 5.6 and appendix F.
    """
    system = axes.row.system
    name = _mapping_name(variable, axes) or (_only_mapping(variables) if system != LATLON else None)
    if name is None or name not in variables:
        if system == LATLON:
            return pyproj.CRS.from_epsg(4326)
        raise GridError(
            f"{path}: {variable.name!r} has no grid_mapping, expected one because its coordinates "
            f"are not degrees of latitude and longitude but {system}"
        )
    mapping = variables[name]
    stated = {k: np.asarray(mapping.getncattr(k)).tolist() for k in mapping.ncattrs()}
    try:
        crs = _crs(json.dumps(stated, sort_keys=True))
        _check_agreement(path, name, stated, crs, y, x)
    except GridError as error:
        if str(error).startswith(str(path)):
            raise
        raise GridError(f"{path}: grid mapping {name!r}: {error}") from error
    except (pyproj.exceptions.CRSError, ValueError, KeyError, TypeError, IndexError) as error:
        said = " ".join(str(error).split())[:150]
        raise GridError(
            f"{path}: grid mapping {name!r} cannot be understood ({said}), expected "
            "grid_mapping_name with its parameters, or crs_wkt"
        ) from error
    found = ROTATED if crs.is_geographic and crs.is_derived else LATLON if crs.is_geographic else PROJECTED
    if found != system:
        raise GridError(
            f"{path}: coordinates are {system} but the grid mapping is {crs.name[:60]!r} "
            f"({found}), expected both to agree"
        )
    return crs


def _check_agreement(
    path: Path, name: str, stated: Mapping[str, Any], crs: pyproj.CRS, y: Centres, x: Centres
) -> None:
    """Refuse WKT beside parameters that put the corners of the grid half a cell or more elsewhere."""
    alone = {k: v for k, v in stated.items() if k not in _WKT}
    earth = {"semi_major_axis", "earth_radius"} & set(alone)
    if len(alone) == len(stated) or not earth or "grid_mapping_name" not in alone:
        return
    other = _crs(json.dumps(alone, sort_keys=True))
    corners = np.array([x[0], x[-1]]), np.array([y[0], y[-1]])
    here, there = (
        pyproj.Transformer.from_crs(c, c.geodetic_crs, always_xy=True).transform(*corners) for c in (crs, other)
    )
    _, _, apart = pyproj.Geod(ellps="WGS84").inv(*here, *there)
    cell_m = min(abs(y[1] - y[0]), abs(x[1] - x[0])) * (111_000.0 if crs.is_geographic else 1.0)
    if crs.is_geographic != other.is_geographic or (np.nan_to_num(apart) > cell_m / 2).any():
        raise GridError(
            f"{path}: grid mapping {name!r} gives parameters and WKT that differ "
            f"({crs.name[:60]!r}), expected one place; remove one of them"
        )


def _mapping_name(variable: Any, axes: Axes) -> str | None:
    """Return the grid mapping of the axes: the attribute is one name, or "crs: x y other: lat lon"."""
    text = str(getattr(variable, "grid_mapping", "")).strip()
    if ":" not in text:
        return text or None
    parts = re.findall(r"(\S+)\s*:\s*((?:[^\s:]+(?!\S*:)\s*)*)", text)
    ours = {axes.row.coordinate.name, axes.column.coordinate.name}
    return next((name for name, of in parts if ours & set(of.split())), None)


def _only_mapping(variables: Mapping[str, Any]) -> str | None:
    """Return the one grid mapping of a file whose variable names none, as Py-ART leaves it."""
    found = [n for n, v in variables.items() if "grid_mapping_name" in v.ncattrs()]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=32)
def _crs(stated: str) -> pyproj.CRS:
    """Make the CRS of a CF grid mapping; 0.2 s each, hence once for each mapping."""
    attributes = json.loads(stated)
    known = {k: v for k, v in attributes.items() if len(str(v)) <= _LONGEST}
    for name in _WKT:
        if name in known:
            safe_wkt(str(known[name]))
    if "grid_mapping_name" not in known and not any(n in known for n in _WKT):
        for name in _PROJ:
            if name in known:
                return crs_of_proj(str(known[name]))
        raise ValueError(f"it says {', '.join(sorted(attributes))[:80] or 'nothing'} alone")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crs = pyproj.CRS.from_cf(known)
        try:
            crs.to_cf()  # PROJ takes WKT that lacks a parameter, and reads it as 0
        except KeyError as error:
            raise ValueError(f"its projection has no {error.args[0]}") from error
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    radius = crs.ellipsoid.semi_major_metre if crs.ellipsoid else 0.0
    if not _EARTH_M[0] < radius < _EARTH_M[1]:
        raise ValueError(f"its earth has a radius of {radius:g} m")
    if not crs.is_geographic and any(a.unit_conversion_factor != 1.0 for a in crs.axis_info):
        raise ValueError(f"it is in {crs.axis_info[0].unit_name}, not metres")
    return crs
