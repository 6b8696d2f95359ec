"""What products share: the members of a forecast, statistics over them, and adding variables to a forecast.

A statistic over members is known where all of them are.

Dimensions: M members, N pixels, S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import NowcastError, SettingsError, complain
from nowcast.core.field import MEMBERS, PROBABILITY
from nowcast.products.variables import AXES, VARIABLES

Array = npt.NDArray[np.float32]


def members_of(forecast: xr.Dataset, product: str, fewest: int = 1) -> Array:
    """Return the members (M, S, H, W) of a forecast, dBZ.

    Raises:
        NowcastError: it has none, or too few; the message says how to get some.
    """
    count = forecast.sizes.get("member", 0) if MEMBERS in forecast else 0
    if count >= fewest:
        return np.asarray(forecast[MEMBERS].values, np.float32)
    kind = "probabilities without members" if PROBABILITY in forecast else "one field without members"
    remedy = "give --members N"
    if PROBABILITY not in forecast:
        remedy = "take a model that forecasts members or probabilities"
    raise NowcastError(
        complain(
            f"product {product}",
            f"{count} member" if count else f"a forecast of {kind}",
            f"at least {fewest}" if count else "members",
            remedy,
        )
    )


def quantiles(values: Array, shares: Sequence[float]) -> Array:
    """Quantiles over members (M, ...) as (Q, ...): linear between the sorted members.

    Member i of M, sorted, is the quantile i / (M - 1); NaN where any member is; infinity counts as the highest.
    """
    count = len(values)
    ordered = np.sort(np.ascontiguousarray(values.reshape(count, -1).T), axis=1)
    unknown = np.isnan(ordered[:, -1])
    found = np.empty((len(shares), len(ordered)), np.float32)
    for quantile, share in zip(found, shares, strict=True):
        place = share * (count - 1)
        low = min(int(place), max(count - 2, 0))
        part = np.float32(place - low)
        quantile[:] = ordered[:, low]
        if part > 0:
            with np.errstate(invalid="ignore"):
                np.add(quantile, part * (ordered[:, low + 1] - quantile), out=quantile)
            quantile[np.isinf(ordered[:, low + 1])] = np.inf
        quantile[unknown] = np.nan
    return found.reshape(len(shares), *values.shape[1:])


def share_reaching(values: Array, thresholds: Sequence[float]) -> Array:
    """The share of members (M, ...) at or above each threshold: (K, ...), NaN where any member is."""
    unknown = np.isnan(values).any(axis=0)
    found = np.empty((len(thresholds), *values.shape[1:]), np.float32)
    for share, threshold in zip(found, thresholds, strict=True):
        count = (values >= np.float32(threshold)).sum(axis=0, dtype=np.int32)
        np.divide(count, np.float32(len(values)), out=share)
        share[unknown] = np.nan
    return found


def side_by_side(work: Callable[[int], None], count: int) -> None:
    """Do ``work`` for 0 to ``count`` - 1, in as many threads as torch uses: NumPy lets others run meanwhile."""
    import torch

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(work, range(count)))


def check_rising(what: str, values: Sequence[float], low: float, high: float, example: str) -> None:
    """Refuse settings that are not at least one rising number within [low, high].

    Raises:
        SettingsError: otherwise.
    """
    rising = list(values) == sorted(set(values))
    if not values or not rising or not all(low <= v <= high for v in values):
        raise SettingsError(
            complain(
                what,
                ", ".join(f"{v:g}" for v in values) or "none",
                f"rising numbers from {low:g} to {high:g}",
                f"for example {example}",
            )
        )


def add_variables(
    forecast: xr.Dataset,
    values: Mapping[str, Array],
    axes: Mapping[str, Sequence[float]],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Add variables of the catalog of the forecast file to a forecast; those of these names are replaced.

    Args:
        forecast: is not changed.
        values: by name, in the dims that `nowcast.products.variables` names.
        axes: labels of the dims that are no part of every forecast.
        attrs: further attributes of each of the variables.

    Raises:
        SettingsError: the forecast has other labels of an axis, for another product.
    """
    kept = forecast.drop_vars(list(values), errors="ignore")
    in_use = {d for variable in kept.data_vars.values() for d in variable.dims}
    kept = kept.drop_vars([name for name in axes if name in kept.coords and name not in in_use])
    labels = {}
    for name, numbers in axes.items():
        if name in kept.dims and not np.array_equal(kept[name].values, np.asarray(numbers, np.float64)):
            held, wanted = (", ".join(f"{v:g}" for v in some) for some in (kept[name].values, numbers))
            raise SettingsError(
                complain(
                    f"products: {name} of {', '.join(values)}",
                    wanted,
                    f"{held}, as in the forecast",
                    "take the same for all",
                )
            )
        if name not in kept.dims:
            labels[name] = (name, np.asarray(numbers, np.float64), dict(AXES[name].attrs))
    return kept.assign_coords(labels).assign(
        {
            name: (VARIABLES[name].dims, array, {**VARIABLES[name].attrs, **(attrs or {})})
            for name, array in values.items()
        }
    )
