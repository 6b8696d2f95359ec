"""The catalog of the forecast file: every variable beside the grid and the times is one line here.

A line says its dims, how its values are packed and what they mean in words of CF. It is written and read by
`nowcast.products.cf_netcdf` alone.

Source: CF conventions 1.10, sections 3, 5.6, 7.3 and 8.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nowcast.core.field import ATTRS, MEMBERS, NAME, PROBABILITY
from nowcast.products.packed_values import (
    DECIBELS,
    MILLIMETRES,
    MINUTES,
    PROBABILITIES,
    REFLECTIVITY,
    PackedKind,
)

_DBZ = {"standard_name": ATTRS["standard_name"], "units": ATTRS["units"]}
_RATE = {"standard_name": "lwe_precipitation_rate", "units": "mm h-1"}
_AMOUNT = {"standard_name": "lwe_thickness_of_precipitation_amount", "units": "mm"}
_SUM = "accumulation_period: sum"
_MEMBERS = "realization: mean"


@dataclass(frozen=True)
class FileAxis:
    """A dimension of its own with the variable that labels it."""

    name: str
    attrs: Mapping[str, str]
    dtype: str = "f8"
    from_zero: bool = False
    """Each label is the end of a span that begins at 0; the file has the spans as bounds."""


@dataclass(frozen=True)
class FileVariable:
    """A variable of the forecast: dims as in the Dataset; the last two are always ``y``, ``x``."""

    name: str
    dims: tuple[str, ...]
    kind: PackedKind
    attrs: Mapping[str, str]
    former_names: tuple[str, ...] = ()
    """As older files call it."""


AXES: Mapping[str, FileAxis] = {
    axis.name: axis
    for axis in (
        FileAxis("threshold", {**_DBZ, "long_name": "radar reflectivity that is reached or exceeded"}),
        FileAxis(
            "member",
            {"standard_name": "realization", "long_name": "member of the ensemble", "units": "1"},
            dtype="i4",
        ),
        FileAxis("quantile", {"long_name": "share of the members that are at or below", "units": "1"}),
        FileAxis("rain_rate_threshold", {**_RATE, "long_name": "rain rate that is reached or exceeded"}),
        FileAxis("rain_sum_threshold", {**_AMOUNT, "long_name": "rain sum that is reached or exceeded"}),
        FileAxis(
            "accumulation_period",
            {
                "standard_name": "forecast_period",
                "units": "min",
                "long_name": "time from the forecast reference time over which rain is summed",
            },
            from_zero=True,
        ),
        FileAxis("radius_km", {"long_name": "radius of the circle around a cell", "units": "km"}),
    )
}

_FRAMES = ("lead_time", "y", "x")
VARIABLES: Mapping[str, FileVariable] = {
    variable.name: variable
    for variable in (
        FileVariable(
            NAME,
            _FRAMES,
            REFLECTIVITY,
            {
                **_DBZ,
                "long_name": "radar reflectivity, forecast",
                "comment": "-32 dBZ: no echo expected; _FillValue: nothing can be known, because nothing was "
                "observed where it comes from",
            },
        ),
        FileVariable(
            PROBABILITY,
            ("threshold", *_FRAMES),
            PROBABILITIES,
            {"long_name": "probability that reflectivity reaches the threshold", "units": "1"},
            former_names=("probability_of_exceedance",),
        ),
        FileVariable(
            MEMBERS,
            ("member", *_FRAMES),
            REFLECTIVITY,
            {
                **_DBZ,
                "long_name": "radar reflectivity, equally likely members of an ensemble",
                "comment": "-32 dBZ: no echo",
            },
        ),
        FileVariable(
            "reflectivity_mean",
            _FRAMES,
            REFLECTIVITY,
            {**_DBZ, "long_name": "mean reflectivity of the members", "cell_methods": _MEMBERS},
        ),
        FileVariable(
            "reflectivity_spread",
            _FRAMES,
            DECIBELS,
            {
                **_DBZ,
                "long_name": "standard deviation of the members' reflectivity, in dB",
                "cell_methods": "realization: standard_deviation",
            },
        ),
        FileVariable(
            "neighbourhood_probability",
            ("radius_km", "threshold", *_FRAMES),
            PROBABILITIES,
            {
                "long_name": "probability that reflectivity reaches the threshold within the radius",
                "units": "1",
            },
        ),
        FileVariable(
            "rain_rate_exceedance_probability",
            ("rain_rate_threshold", *_FRAMES),
            PROBABILITIES,
            {"long_name": "probability that the rain rate reaches the threshold", "units": "1"},
        ),
        FileVariable(
            "rain_sum_mean",
            ("accumulation_period", "y", "x"),
            MILLIMETRES,
            {**_AMOUNT, "long_name": "rain sum, mean of the members", "cell_methods": f"{_SUM} {_MEMBERS}"},
        ),
        FileVariable(
            "rain_sum_quantile",
            ("accumulation_period", "quantile", "y", "x"),
            MILLIMETRES,
            {**_AMOUNT, "long_name": "rain sum, quantiles over the members", "cell_methods": _SUM},
        ),
        FileVariable(
            "rain_sum_exceedance_probability",
            ("accumulation_period", "rain_sum_threshold", "y", "x"),
            PROBABILITIES,
            {"long_name": "probability that the rain sum reaches the threshold", "units": "1"},
        ),
        FileVariable(
            "rain_onset_quantile",
            ("quantile", "y", "x"),
            MINUTES,
            {
                "long_name": "time until rain begins, quantiles over the members",
                "units": "min",
                "comment": "from the forecast reference time; _FillValue where rain_onset_probability is "
                "known: later than the forecast",
            },
        ),
        FileVariable(
            "rain_onset_probability",
            ("y", "x"),
            PROBABILITIES,
            {"long_name": "probability that rain begins within the forecast", "units": "1"},
        ),
    )
}
