"""CfRadial 1 and 2 (netCDF): sweeps by their start and end rays, or one group each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep, Volume
from nowcast.ingestion.readers.cf_missing import AbsenceCodes
from nowcast.ingestion.readers.cf_store import NetcdfStore
from nowcast.ingestion.readers.cf_time import decode_times
from nowcast.ingestion.readers.lazy import Frame

FIELDS = (
    "DBZH",
    "DBZ",
    "DBZ_F",
    "DZ",
    "CZ",
    "REF",
    "ZH",
    "corrected_reflectivity",
    "reflectivity",
    "reflectivity_horizontal",
    "DBTH",
    "TH",
    "DBZV",
)
_REFLECTIVITY = ("equivalent_reflectivity_factor", "radar_equivalent_reflectivity_factor_h")
_MOST_SWEEPS = 200
_STORE = NetcdfStore()
_Numbers = npt.NDArray[np.float64]


def read_cfradial(path: Path, settings: PolarSettings) -> Volume:
    """Read what a volume says of itself; the numbers of a sweep are read when they are asked for.

    Its one code for "missing" stands for gates where nothing was heard and for gates that were not looked at;
    ``missing`` of the settings says which is meant.

    Source: CfRadial 1.4 and 2.1 (NCAR EOL).

    Raises:
        FileError: no field of reflectivity, gates that differ from ray to ray, or coordinates that are missing.
    """
    with _STORE.opened(path) as data:
        groups = sorted(g for g in data.groups if re.fullmatch(r"sweep_?\d+", g, re.IGNORECASE))
        place = {k: _number(path, data, k) for k in ("longitude", "latitude", "altitude")}
        name = str(getattr(data, "instrument_name", "") or getattr(data, "site_name", "") or "unknown")[:40]
        site = Site(" ".join(name.split()), place["longitude"], place["latitude"], place["altitude"])
        parts = list(_in_groups(path, data, groups) if groups else _in_root(path, data))
        field = _field(path, data[groups[0]] if groups else data, settings)
        inside = [
            (group, rays)
            for group, rays in parts
            if settings.lowest_elevation_deg
            <= _elevation(path, data, group, rays)
            <= settings.highest_elevation_deg
        ]
        sweeps = tuple(_sweep(path, data, group, rays, field, settings) for group, rays in inside)
        first = data[groups[0]] if groups else data
        time = decode_times(path, first.variables["time"], first.variables["time"][:1])[0]
        return Volume(path, site, np.datetime64(time), field, sweeps)


def _number(path: Path, data: Any, name: str) -> float:
    if name not in data.variables:
        raise FileError(complain(f"{path}: {name}", "nothing", "where the radar stands", "mend the file"))
    value = np.ma.filled(np.ma.asarray(data.variables[name][...], np.float64), np.nan).reshape(-1)
    if not value.size or not np.isfinite(value[0]):
        raise FileError(complain(f"{path}: {name}", "no number", "where the radar stands", "mend the file"))
    return float(value[0])


def _in_root(path: Path, data: Any) -> Iterator[tuple[str, slice]]:
    """Yield the rays of each sweep of version 1."""
    names = ("sweep_start_ray_index", "sweep_end_ray_index")
    if "azimuth" not in data.variables or "range" not in data.variables or "ray_n_gates" in data.variables:
        raise FileError(
            f"{path}: has no azimuth and range of a common number of gates, expected CfRadial with "
            "fields of (time, range); convert it with lrose or Py-ART"
        )
    rays = data.variables["azimuth"].size
    if not all(n in data.variables for n in names):
        yield "", slice(0, rays)
        return
    first, last = (np.ma.filled(data.variables[n][:], -1).astype(np.int64) for n in names)
    if len(first) > _MOST_SWEEPS or (first < 0).any() or (last < first).any() or (last >= rays).any():
        raise FileError(f"{path}: its sweeps do not lie within its {rays} rays; the file is damaged")
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        yield "", slice(start, stop + 1)


def _in_groups(path: Path, data: Any, groups: list[str]) -> Iterator[tuple[str, slice]]:
    """Yield each sweep of version 2."""
    if len(groups) > _MOST_SWEEPS:
        raise FileError(f"{path}: holds {len(groups)} sweeps, expected at most {_MOST_SWEEPS}; it is not read")
    for group in groups:
        if not {"azimuth", "elevation", "range", "time"} <= set(data[group].variables):
            raise FileError(f"{path}: {group} lacks azimuth, elevation, range or time; the file is damaged")
        yield group, slice(0, data[group].variables["azimuth"].size)


def _field(path: Path, group: Any, settings: PolarSettings) -> str:
    fields = [n for n, v in group.variables.items() if v.ndim == 2 and v.dtype.kind in "iuf"]
    named = {n for n in fields if str(getattr(group.variables[n], "standard_name", "")) in _REFLECTIVITY}
    wanted = (settings.quantity,) if settings.quantity else FIELDS
    found = next((n for n in wanted if n in fields), None)
    if found is None and not settings.quantity and len(named) == 1:
        found = named.pop()
    if found is None:
        raise FileError(
            complain(
                f"{path}: quantity",
                ", ".join(sorted(fields))[:120] or "none",
                f"one of {', '.join(wanted[:6])}",
                "choose one with --polar quantity=NAME",
            )
        )
    return found


def _elevation(path: Path, data: Any, group: str, rays: slice) -> float:
    values = _coordinate(path, data, group, "elevation")[rays]
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else 99.0


def _coordinate(path: Path, data: Any, group: str, name: str) -> _Numbers:
    variables: Mapping[str, Any] = (data[group] if group else data).variables
    if name not in variables:
        raise FileError(f"{path}: has no {name}, expected CfRadial; the file is damaged")
    return np.asarray(np.ma.filled(np.ma.asarray(variables[name][:], np.float64), np.nan))


def _sweep(path: Path, data: Any, group: str, rays: slice, field: str, settings: PolarSettings) -> Sweep:
    ranges = _coordinate(path, data, group, "range")
    azimuth = _coordinate(path, data, group, "azimuth")[rays]
    variable = (data[group] if group else data).variables[field]
    steps = np.diff(ranges)
    if len(ranges) < 2 or not np.isfinite(ranges).all() or np.ptp(steps) > 0.01 * abs(steps.mean()) + 0.1:
        raise FileError(
            f"{path}: its gates are not evenly spaced, expected one distance between them; it is not read"
        )
    if variable.shape[1] != len(ranges) or variable.shape[0] < rays.stop:
        raise FileError(f"{path}: {field} has shape {variable.shape}, expected rays by {len(ranges)} gates")
    codes = AbsenceCodes.of(variable)
    read = partial(_read, path, f"{group}/{field}" if group else field, rays, codes, settings.missing)
    gate_m = float((ranges[-1] - ranges[0]) / (len(ranges) - 1))
    return Sweep(_elevation(path, data, group, rays), azimuth, float(ranges[0]), gate_m, len(ranges), read)


def _read(path: Path, name: str, rays: slice, codes: AbsenceCodes, missing: str) -> Frame:
    with _STORE.opened(path, known=True) as data:
        _STORE.check_frame(path, data, name, {})
        variable = data[name] if "/" in name else data.variables[name]
        variable.set_auto_maskandscale(False)
        raw = variable[rays]
    try:
        dbz = codes.decode(np.asarray(raw), 1.0, None)
    except FileError as error:
        raise FileError(f"{path}: {name}: {error}") from error
    if missing == "no_echo":
        dbz[np.isnan(dbz)] = NO_ECHO_DBZ
    return dbz
