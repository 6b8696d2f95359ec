"""What a netCDF file is: observations on a grid, or something that must not pass for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError

_FORECAST = ("forecast_reference_time", "forecast_period", "realization")
_FORECAST_NAMES = re.compile(
    r"forecast_(reference_time|period)|lead_?time|ens_?(number|emble)|realization", re.IGNORECASE
)
_SAYS_FORECAST = re.compile(r"\b(forecast|nowcast|predict(ed|ion)|extrapolated)\b", re.IGNORECASE)
_POLAR = ("ray_azimuth_angle", "ray_elevation_angle", "projection_range_coordinate", "beam_azimuth_angle")
_POLAR_DIMENSIONS = {"range", "gate", "gates", "azimuth", "ray", "rays", "radial", "sweep", "beam"}
_MOST_VARIABLES = 2000


def refuse_other_kinds(path: Path, data: Any) -> None:
    """Refuse forecasts, polar volumes and files whose variables lie in groups alone.

    Raises:
        FileError: what it is instead, and what to do.
    """
    variables = data.variables
    if len(variables) > _MOST_VARIABLES:
        raise FileError(f"{path}: holds {len(variables)} variables, expected a radar composite")
    if is_polar(data):
        raise FileError(
            f"{path}: is a polar volume (rays and range gates), expected a composite on a grid; "
            "make one first, for instance with wradlib or Py-ART"
        )
    standard = _standard_names(data)
    forecast = [n for n in _FORECAST if n in standard] + [n for n in variables if _FORECAST_NAMES.search(n)]
    if "nowcast_format" in data.ncattrs():
        forecast.append("nowcast_format")
    if forecast:
        raise FileError(
            f"{path}: is a forecast (it has {forecast[0][:60]!r}), expected observations; keep "
            "forecasts out of the folder of radar files"
        )
    if not variables and data.groups:
        raise FileError(
            f"{path}: its variables lie in the groups {', '.join(map(repr, data.groups))[:100]}, "
            "expected reflectivity or rain in one of them or in the root; choose one by a mapping (--mapping) "
            "with group and variable"
        )


def refuse_forecast(path: Path, variable: Any) -> None:
    """Refuse a variable that calls itself a forecast.

    Raises:
        FileError: with what it calls itself.
    """
    said = str(getattr(variable, "long_name", ""))[:100]
    if _SAYS_FORECAST.search(f"{said} {variable.name.replace('_', ' ')}"):
        raise FileError(
            f"{path}: {variable.name!r} is a forecast ({said!r}), expected observations; keep "
            "forecasts out of the folder of radar files"
        )


def _standard_names(data: Any) -> set[str]:
    return {str(getattr(v, "standard_name", "")).strip() for v in data.variables.values()}


def is_polar(data: Any) -> bool:
    """Whether the variables of a file are those of rays and range gates."""
    texts = (str(getattr(data, name, "")).lower() for name in ("Conventions", "Sub_conventions"))
    sweeps = any(re.match(r"sweep_?\d", group, re.IGNORECASE) for group in data.groups)
    dimensions = {d.lower() for d in data.dimensions}
    names = {n.lower() for n in data.variables}
    return (
        any("radial" in text for text in texts)
        or sweeps
        or bool(_standard_names(data) & set(_POLAR))
        or len(_POLAR_DIMENSIONS & dimensions) >= 2
        or ("range" in dimensions and bool({"azimuth", "elevation"} & names))
    )
