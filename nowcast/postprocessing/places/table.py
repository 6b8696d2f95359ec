"""What a forecast says of places, for the terminal: one line a place, and a block for each of a few."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nowcast.core.errors import printable
from nowcast.core.rain import Z_R
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.text_table import text_table
from nowcast.core.times import minutes, to_text
from nowcast.postprocessing.places.labels import BY_FIELD, BY_MEMBERS, KNOWN, OUTSIDE
from nowcast.postprocessing.places.rows import PlaceRow, rows
from nowcast.postprocessing.places.sums import SUM_PERIOD
from nowcast.postprocessing.places.words import block, clock, percent, spread, title

_BLOCKS = 12
"""Places at most that have a block of their own."""
_NONE = "-"


def in_words(found: xr.Dataset) -> str:
    """Return what `nowcast.workflows.at.at_places` found, for people."""
    places = rows(found)
    parts = ["\n".join(heading(found)), _table(found, places)]
    if len(places) <= _BLOCKS:
        parts += [block(place) for place in places if place.answered]
    return "\n\n".join(parts)


def heading(found: xr.Dataset) -> list[str]:
    """Return what is true of all places: model, times, what rain is, and what is missing for more."""
    leads, valid, begins = found["lead_time"].values, found["valid_time"].values, found["rain_begins"].attrs
    likely = f"while {begins.get('threshold_dbz', '')} dBZ has a probability of 50 % or more"
    by = {
        BY_MEMBERS: "median of the members, in brackets 10 to 90 % of those with rain",
        BY_FIELD: "as the one forecast field has it",
    }.get(begins["by"], likely)
    return [
        f"{printable(found.attrs.get('model', 'unknown model'))}, forecast reference time "
        f"{to_text(valid[0] - leads[0])}, {minutes(leads[0]):g} to "
        f"{minutes(leads[-1]):g} min ahead; times are UTC",
        f"rain is {found.attrs['rain_threshold_dbz']:g} dBZ or more; begin and end: {by}",
        *missing(found),
    ]


def missing(found: xr.Dataset) -> list[str]:
    """Return the Z-R relation, and what cannot be told and what it would take."""
    leads, relation = found["lead_time"].values, found.attrs["z_r_relation"]
    lines = [
        f"mm/h by {printable(relation)}"
        if relation
        else f"no mm/h and no mm: the forecast names no Z-R relation; choose one with --z-r ({', '.join(Z_R)})"
    ]
    if leads[-1] < SUM_PERIOD:
        lines.append(
            f"no sum of {minutes(SUM_PERIOD):g} min: the forecast reaches {minutes(leads[-1]):g} min; "
            "forecast more lead times"
        )
    if "exceedance_probability" not in found:
        lines.append("no probabilities: the forecast holds neither probabilities nor members")
    return lines


def _table(found: xr.Dataset, places: list[PlaceRow]) -> str:
    thresholds = [f"{t:g}" for t in found["threshold"].values] if "threshold" in found.coords else []
    rate = bool(found.attrs["z_r_relation"])
    head = [
        "place",
        "remark",
        "begins",
        "ends",
        "peak dBZ",
        *(["mm/h"] if rate else []),
        *(f"P({t}) %" for t in thresholds),
        *(["mm in 60 min"] if "rain_sum" in found else []),
    ]
    lines = [head, *(_line(place, len(head), rate) for place in places)]
    if not any(line[1] for line in lines[1:]):
        lines = [[line[0], *line[2:]] for line in lines]
        return text_table(lines, left=1)
    return text_table(lines, left=2)


def _line(place: PlaceRow, cells: int, rate: bool) -> list[str]:
    if not place.answered:
        told = "outside the grid" if place["status"] == OUTSIDE else "nothing known"
        return [title(place), told, *[_NONE] * (cells - 2)]
    begins, ends, dbz = place["rain_begins"], place["rain_ends"], float(place["peak_reflectivity"])
    now = begins == place["forecast_reference_time"]
    first = _NONE if np.isnat(begins) else "now" if now else clock(begins, place)
    if not (np.isnat(begins) or now):
        first += spread(place, "rain_begins_quantile")
    values = [first, _NONE if np.isnat(begins) else clock(ends, place)]
    values.append(f"{dbz:.1f}" if dbz > NO_ECHO_DBZ else "no echo")
    values += [f"{place['peak_rain_rate']:.1f}"] if rate else []
    if "exceedance_probability" in place:
        highest = np.fmax.reduce(place["exceedance_probability"], axis=1)
        values += [_NONE if np.isnan(p) else f"{100 * p:.0f}" for p in highest]
    if "rain_sum" in place:
        values.append(_NONE if np.isnan(place["rain_sum"]) else f"{place['rain_sum']:.1f}")
    known = "" if place["status"] == KNOWN else f"{percent(place['known_share'].mean())} known"
    return [title(place), known, *values]
