"""A forecast at places: the one way, for the command line, the service and users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r, z_r_of_text
from nowcast.postprocessing.places.coordinates import check_place, place_name
from nowcast.postprocessing.places.files import check_names, read_areas
from nowcast.postprocessing.places.locations import Location, check_distance, locate
from nowcast.postprocessing.places.series import RAIN_DBZ, PlaceSeries
from nowcast.postprocessing.places.sums import PRODUCTS
from nowcast.products.cf_netcdf import read_forecast, read_grid

Z_R_ATTRIBUTE = "z_r_relation"
_RAIN_RANGE = (-30.0, 80.0)


def at(
    forecast: xr.Dataset | Path | str,
    lat: npt.ArrayLike | None = None,
    lon: npt.ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    areas: Path | str | Mapping[str, Any] | None = None,
    within_km: float = 0.0,
    z_r: str | None = None,
    rain_dbz: float = RAIN_DBZ,
    observed: xr.DataArray | None = None,
) -> xr.Dataset:
    """Read a forecast at places: points, all within a distance of them, or areas.

    A point is the cell that holds it, not interpolated; an area, and all within a distance, are the cells whose
    centres lie in it. Nothing is made up where nothing is known: values are NaN, times NaT, and ``status`` says
    ``outside``, ``unknown`` or ``partly known``.

    Args:
        forecast: what `nowcast.forecast` returns, or a file that ``nowcast forecast`` wrote.
        lat, lon: degrees north and east (WGS 84), numbers or arrays of one shape (P,).
        names: of the points; by default where they lie.
        areas: GeoJSON with polygons, a file or its content, beside or instead of points.
        within_km: read the points as all within this distance.
        z_r: name of a Z-R relation for mm/h and mm where the forecast's attribute ``z_r_relation`` names
            none. Without one, values in mm/h are NaN and sums are left out.
        rain_dbz: reflectivity from which on it counts as rain.
        observed: frames (time, y, x) up to the forecast reference time, for ``observed_reflectivity``.

    Returns:
        Over ``place`` (left out where ``lat`` and ``lon`` are single numbers): ``reflectivity``,
        ``rain_rate``, ``wet_share``, ``known_share`` (lead_time, place); ``exceedance_probability``
        (threshold, lead_time, place), of reaching the threshold anywhere in the place; ``rain_begins``,
        ``rain_ends`` and ``rain_probability`` (place), from what the attribute ``by`` says; ``rain_sum``
        (place), mm of the next 60 minutes, from the product ``rain_sum_mean`` where the forecast holds it;
        with members also ``rain_begins_quantile``, ``rain_rate_quantile``, ``rain_sum_quantile`` and
        ``rain_sum_exceedance_probability``; of a calibrated forecast also ``verified_frequency`` and
        ``verified_cases`` (threshold, lead_time, place): how often it came when such a probability was given
        to a cell on validation days.

    Raises:
        SettingsError: no places, a place off the Earth, an unknown Z-R relation.
        FileError: a forecast or areas that cannot be read.

    Example:
        >>> import nowcast
        >>> milan = nowcast.at("nowcast.nc", 45.46, 9.19)  # doctest: +SKIP
        >>> milan.rain_begins.values, milan.exceedance_probability.sel(threshold=30.0)  # doctest: +SKIP
    """
    places = _points(lat, lon, names, within_km) + (read_areas(areas) if areas is not None else [])
    if names is not None or areas is not None:
        check_names([place.name for place in places], "places")
    found = at_places(forecast, places, z_r_name=z_r, rain_dbz=rain_dbz, observed=observed)
    single = areas is None and not np.shape(np.asarray(lat))
    return found.isel(place=0) if single else found


def at_places(
    forecast: xr.Dataset | Path | str,
    places: Sequence[Location],
    *,
    z_r_name: str | None = None,
    rain_dbz: float = RAIN_DBZ,
    observed: xr.DataArray | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Read a forecast at places as `at` does, always over ``place``."""
    if not _RAIN_RANGE[0] <= rain_dbz <= _RAIN_RANGE[1]:
        raise SettingsError(
            complain(
                "rain", f"{rain_dbz} dBZ", f"{_RAIN_RANGE[0]:g} to {_RAIN_RANGE[1]:g} dBZ", "for example 10"
            )
        )
    grid = read_grid(forecast) if isinstance(forecast, (str, Path)) else Grid.of(forecast[NAME])
    cells = locate(grid, places, progress)
    window = rows, columns = cells.window(grid.shape)
    near = cells.moved_into(grid.shape, window)
    if isinstance(forecast, (str, Path)):
        held = read_forecast(forecast, (PROBABILITY, MEMBERS, *PRODUCTS), window)
    else:
        held = forecast.isel(y=rows, x=columns)
    relation = relation_of(held, observed, z_r_name)
    seen = None if observed is None else observed.isel(y=rows, x=columns)
    return PlaceSeries(places, near, relation, rain_dbz).of(held, seen)


def relation_of(forecast: xr.Dataset, observed: xr.DataArray | None, name: str | None) -> ZRelation | None:
    """The Z-R relation of the forecast, else of the observed frames, else the one that is named, if any.

    Raises:
        SettingsError: no such relation, or another is named than the forecast's.
    """
    texts = [str(held.attrs.get(Z_R_ATTRIBUTE, "")) for held in (forecast, observed) if held is not None]
    own = next(filter(None, map(z_r_of_text, texts)), None)
    if name is None:
        return own
    chosen = z_r(name)
    if own is not None and not chosen.same(own):
        raise SettingsError(
            complain("Z-R relation (--z-r)", name, f"that of the forecast ({own})", "leave it out")
        )
    return chosen


def _points(
    lat: npt.ArrayLike | None, lon: npt.ArrayLike | None, names: Sequence[str] | None, within_km: float
) -> list[Location]:
    if lat is None and lon is None:
        return []
    try:
        north, east = (
            np.atleast_1d(np.asarray(() if value is None else value, np.float64)) for value in (lat, lon)
        )
    except (TypeError, ValueError):
        north = east = np.zeros((0, 0))
    if north.ndim != 1 or north.shape != east.shape:
        shapes = [np.shape(np.asarray(value)) for value in (lat, lon)]
        raise SettingsError(
            complain(
                "places",
                f"lat {shapes[0]} and lon {shapes[1]}",
                "degrees north and east of one shape (P,)",
                "give one for each place",
            )
        )
    within_km = check_distance(within_km)
    where = [check_place(float(y), float(x)) for y, x in zip(north, east, strict=True)]
    called = [place_name(*place) for place in where] if names is None else list(names)
    if len(called) != len(where):
        raise SettingsError(
            complain("names", len(called), f"{len(where)}, one for each place", "add or drop some")
        )
    return [Location(name, *place, within_km=within_km) for name, place in zip(called, where, strict=True)]
