"""What a forecaster wants to know of products first, in a line each.

Dimensions: H rows, W columns.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from nowcast.core.field import NAME
from nowcast.core.grid import Grid

_HALF = 0.5
_FROM = 0.005
"""Probabilities below count as none: a half per cent."""


def product_lines(forecast: xr.Dataset) -> list[str]:
    """Lines on each product that a forecast holds: the highest value of each and where it is."""
    found = []
    for name, lines in (
        ("rain_rate_exceedance_probability", _rain_rate),
        ("rain_sum_exceedance_probability", _rain_sum),
        ("rain_sum_mean", _rain_mean),
        ("neighbourhood_probability", _near),
        ("rain_onset_probability", _onset),
        ("reflectivity_spread", _spread),
    ):
        if name in forecast:
            found += lines(forecast, forecast[name])
    return found


def _rain_rate(forecast: xr.Dataset, likely: xr.DataArray) -> list[str]:
    return [
        f"at least {rate:g} mm/h: {_most(forecast, likely.sel(rain_rate_threshold=rate))}"
        for rate in likely["rain_rate_threshold"].values
    ]


def _rain_sum(forecast: xr.Dataset, likely: xr.DataArray) -> list[str]:
    period = float(likely["accumulation_period"][-1])
    last = likely.isel(accumulation_period=-1)
    return [
        f"at least {amount:g} mm in {period:g} min: {_most(forecast, last.sel(rain_sum_threshold=amount))}"
        for amount in likely["rain_sum_threshold"].values
    ]


def _rain_mean(forecast: xr.Dataset, mean: xr.DataArray) -> list[str]:
    last = mean.isel(accumulation_period=-1).values
    if np.isnan(last).all():
        return ["rain sums: nothing is known"]
    kind = "mean of the members" if "rain_sum_quantile" in forecast else "of the one field"
    period = float(mean["accumulation_period"][-1])
    return [f"rain of {period:g} min, {kind}: up to {np.nanmax(last):.1f} mm at {_place(forecast, last)}"]


def _near(forecast: xr.Dataset, likely: xr.DataArray) -> list[str]:
    radius = float(likely["radius_km"][0])
    return [
        f"{t:g} dBZ within {radius:g} km: {_most(forecast, likely.isel(radius_km=0).sel(threshold=t))}"
        for t in likely["threshold"].values
    ]


def _onset(forecast: xr.Dataset, likely: xr.DataArray) -> list[str]:
    known = likely.values[~np.isnan(likely.values)]
    if not known.size:
        return ["rain begins: nothing is known"]
    longest = float(forecast["lead_time"].values[-1] / np.timedelta64(60, "s"))
    return [
        f"rain ({likely.attrs['rain_begins_at']}) now or within {longest:g} min with 50 % or more "
        f"on {(known >= _HALF).mean():.1%}"
    ]


def _spread(forecast: xr.Dataset, spread: xr.DataArray) -> list[str]:
    del forecast
    wet = spread.values[spread.values > 0]
    if not wet.size:
        return ["no member has an echo"]
    return [f"spread of the members where any has an echo: {wet.mean():.1f} dB"]


def _most(forecast: xr.Dataset, likely: xr.DataArray) -> str:
    """The highest probability, where, and after which lead time."""
    values = likely.values
    if np.isnan(values).all():
        return "nothing is known"
    highest = float(np.nanmax(values))
    if highest < _FROM:
        return "nowhere likely"
    if values.ndim == 2:
        return f"up to {highest:.0%} at {_place(forecast, values)}"
    lead = int(np.nanargmax(np.nanmax(np.where(np.isnan(values), -1, values), axis=(1, 2))))
    minutes = float(forecast["lead_time"].values[lead] / np.timedelta64(60, "s"))
    return f"up to {highest:.0%} at {_place(forecast, values[lead])} in {minutes:g} min"


def _place(forecast: xr.Dataset, values: np.ndarray) -> str:
    """Latitude and longitude of the highest of the values (H, W)."""
    row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
    grid = Grid.of(forecast[NAME])
    lon, lat = grid.lonlat(grid.y[[row]], grid.x[[column]])
    north, east = float(lat[0]), float(lon[0])
    return f"{abs(north):.1f}{'N' if north >= 0 else 'S'} {abs(east):.1f}{'E' if east >= 0 else 'W'}"
