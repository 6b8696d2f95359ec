"""The rain of the next hour at places: summed here, or as the products of the forecast have it.

Dimensions: N members, Q quantiles, S lead times, P places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.rain import z_r_of_text
from nowcast.core.times import minutes
from nowcast.postprocessing.ensemble import quantiles, share_reaching
from nowcast.postprocessing.places.values import Array, PlaceReduction

QUANTILES = np.array([0.1, 0.5, 0.9])
SUM_PERIOD = np.timedelta64(60, "m")
SUM_THRESHOLDS_MM = np.array([1.0, 5.0, 10.0, 20.0])
MEAN, OF_MEMBERS, CHANCES = "rain_sum_mean", "rain_sum_quantile", "rain_sum_exceedance_probability"
PRODUCTS = (MEAN, OF_MEMBERS, CHANCES)
"""What `nowcast.postprocessing.rain_sums` adds to a forecast, summed along the motion of rain."""


def with_sums(found: xr.Dataset, field: Array, members: Array | None, start: Array | None) -> xr.Dataset:
    """Add the mean rain of each place in the next 60 minutes, where the forecast reaches so far.

    Args:
        found: has the lead times.
        field: mm/h (S, P).
        members: mm/h (N, S, P).
        start: mm/h (P) observed at the forecast reference time, where that is known.
    """
    leads = found["lead_time"].values.astype("timedelta64[ns]")
    if leads[-1] < SUM_PERIOD:
        return found
    attrs = {"units": "mm", "long_name": f"mean rain of the place in the next {minutes(SUM_PERIOD):g} min"}
    found = found.assign(rain_sum=("place", rain_sum(field, leads, SUM_PERIOD, start), attrs))
    if members is None:
        return found
    sums = rain_sum(members, leads, SUM_PERIOD, start).astype(np.float32)
    rates = quantiles(members, QUANTILES.tolist())
    return _with_statistics(
        found.assign(rain_rate_quantile=(("quantile", "lead_time", "place"), rates, {"units": "mm/h"})),
        quantiles(sums, QUANTILES.tolist()),
        share_reaching(sums, SUM_THRESHOLDS_MM.tolist()),
    )


def with_sum_products(found: xr.Dataset, forecast: xr.Dataset, reduction: PlaceReduction) -> xr.Dataset:
    """Take the sums of the forecast's own products where it has them, by the Z-R relation that is asked for.

    The mean of a place is the mean over its cells; quantiles and probabilities are those of the one cell that
    a place is: those of an area do not follow from those of its cells.
    """
    hour = minutes(SUM_PERIOD)
    if MEAN not in forecast or hour not in forecast["accumulation_period"].values or reduction.relation is None:
        return found
    own = z_r_of_text(str(forecast[MEAN].attrs.get("z_r_relation", "")))
    if own is None or not own.same(reduction.relation):
        return found
    products = forecast.sel(accumulation_period=hour)
    mean = reduction.mean(products[MEAN].values[None])[0].astype(np.float64)
    attrs = {"units": "mm", "long_name": f"mean rain of the place in the next {hour:g} min, by the products"}
    found = found.assign(rain_sum=("place", mean, attrs))
    wanted = {"quantile": QUANTILES, "rain_sum_threshold": SUM_THRESHOLDS_MM}
    if not all(n in products for n in PRODUCTS) or not all(
        np.isin(labels, products[name].values).all() for name, labels in wanted.items()
    ):
        return found
    single = reduction.cells.count == 1
    mm = reduction.mean(products[OF_MEMBERS].sel(quantile=QUANTILES).values)
    chances = reduction.mean(products[CHANCES].sel(rain_sum_threshold=SUM_THRESHOLDS_MM).values)
    if OF_MEMBERS in found:
        here = found[OF_MEMBERS].values, found[CHANCES].values
    else:
        here = np.full_like(mm, np.nan), np.full_like(chances, np.nan)
    return _with_statistics(found, np.where(single, mm, here[0]), np.where(single, chances, here[1]))


def _with_statistics(found: xr.Dataset, mm: Array, chances: Array) -> xr.Dataset:
    """Add quantiles (Q, P) of the sums and the probabilities (4, P) of reaching amounts."""
    return found.assign_coords(rain_sum_threshold=("rain_sum_threshold", SUM_THRESHOLDS_MM)).assign(
        {
            OF_MEMBERS: (("quantile", "place"), mm, {"units": "mm"}),
            CHANCES: (("rain_sum_threshold", "place"), chances, {"units": "1"}),
        }
    )


def rain_sum(
    rates: Array, leads: npt.NDArray[np.timedelta64], period: np.timedelta64, start: Array | None
) -> npt.NDArray[np.float64]:
    """Sum rates (..., S, P) in mm/h over a period to mm (..., P), by the trapezoidal rule.

    Args:
        rates: NaN makes the sum NaN where it counts.
        leads: rising; the last reaches the period.
        period: from the forecast reference time.
        start: rates (P) at the forecast reference time; those of the first lead time where it is not known.
    """
    at = np.concatenate([[0.0], leads / np.timedelta64(1, "h")])
    until = np.clip(period / np.timedelta64(1, "h") - at[:-1], 0.0, np.diff(at))
    half = until * until / np.diff(at) / 2.0
    weights = np.concatenate([until - half, [0.0]]) + np.concatenate([[0.0], half])
    counts = weights[1:] > 0
    first = rates[..., 0, :] if start is None else np.where(np.isnan(start), rates[..., 0, :], start)
    later = np.einsum("...sp,s->...p", rates[..., counts, :].astype(np.float64), weights[1:][counts])
    return np.asarray(weights[0] * first + later)
