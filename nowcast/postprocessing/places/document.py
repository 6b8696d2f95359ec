"""What a forecast says of places as JSON; `docs/reference/places.schema.json` says what is in it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr

from nowcast.core.errors import printable
from nowcast.core.times import minutes, to_text
from nowcast.postprocessing.places.rows import PlaceRow, rows
from nowcast.postprocessing.places.sums import SUM_PERIOD
from nowcast.postprocessing.places.words import rain_sentence

SCHEMA = "nowcast places"
VERSION = 1
"""Rises when a member of the document changes its meaning or goes; new members do not raise it."""

Document = dict[str, Any]


def to_document(found: xr.Dataset) -> Document:
    """Return what `nowcast.workflows.at.at_places` found as plain values; null is not known, or never."""
    leads, valid = found["lead_time"].values, found["valid_time"].values
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "model": printable(found.attrs.get("model", "unknown")),
        "observed_from": printable(found.attrs.get("observed_from", "unknown")),
        "licence": printable(found.attrs.get("licence", "unknown")),
        "forecast_reference_time": to_text(valid[0] - leads[0]),
        "lead_minutes": [minutes(lead) for lead in leads],
        "valid_times": [to_text(time) for time in valid],
        "rain_threshold_dbz": float(found.attrs["rain_threshold_dbz"]),
        "z_r_relation": found.attrs["z_r_relation"] or None,
        "thresholds_dbz": _plain(found["threshold"].values) if "threshold" in found.coords else [],
        "thresholds_mm_h": _plain(found["threshold_rain_rate"].values) if "threshold" in found.coords else [],
        "observed_times": [to_text(t) for t in found["time"].values] if "time" in found.coords else [],
        "places": [_place(place) for place in rows(found)],
    }


def to_json(found: xr.Dataset) -> str:
    """Return the document as text."""
    return json.dumps(to_document(found), allow_nan=False, ensure_ascii=False)


def _place(place: PlaceRow) -> Document:
    described: Document = {
        "name": place["place"],
        "kind": place["kind"],
        "latitude": _plain(place["latitude"]),
        "longitude": _plain(place["longitude"]),
        "within_km": _plain(place["within_km"]),
        "cells": int(place["cells"]),
        "status": place["status"],
        "share_inside": _plain(place["share_inside"]),
        "smaller_than_cell": bool(place["smaller_than_cell"]),
        "note": printable(place["note"]),
        "sentence": rain_sentence(place),
    }
    if not place.answered:
        return described
    described |= {
        "rain": {
            "by": place.by,
            "probability": _plain(place["rain_probability"]),
            "begins": _time(place["rain_begins"]),
            "ends": _time(place["rain_ends"]),
            "begins_quantiles": _by_quantile(place, "rain_begins_quantile", _time),
            "ends_quantiles": _by_quantile(place, "rain_ends_quantile", _time),
        },
        "peak": {
            "reflectivity_dbz": _plain(place["peak_reflectivity"]),
            "rain_rate_mm_h": _plain(place["peak_rain_rate"]),
            "time": _time(place["peak_time"]),
        },
        "series": {name: _plain(place[key]) for name, key in _SERIES.items() if key in place},
    }
    if "rain_sum" in place:
        described["rain_sum"] = _rain_sum(place)
    if "exceedance_probability" in place:
        described["probability_source"] = place["probability_source"]
        described["exceedance_probability"] = _plain(place["exceedance_probability"])
    if "verified_frequency" in place:
        described["verified"] = {
            "observed_frequency": _plain(place["verified_frequency"]),
            "cases": _plain(place["verified_cases"]),
        }
    if "rain_rate_quantile" in place:
        described["rain_rate_quantiles"] = _by_quantile(place, "rain_rate_quantile", _plain)
    return described


_SERIES = {
    "reflectivity_dbz": "reflectivity",
    "rain_rate_mm_h": "rain_rate",
    "highest_rain_rate_mm_h": "highest_rain_rate",
    "wet_share": "wet_share",
    "known_share": "known_share",
    "observed_reflectivity_dbz": "observed_reflectivity",
    "observed_rain_rate_mm_h": "observed_rain_rate",
}


def _rain_sum(place: PlaceRow) -> Document:
    total: Document = {"minutes": minutes(SUM_PERIOD), "mm": _plain(place["rain_sum"])}
    if "rain_sum_quantile" in place:
        total["quantiles"] = _by_quantile(place, "rain_sum_quantile", _plain)
        chances = zip(place["rain_sum_threshold"], place["rain_sum_exceedance_probability"], strict=True)
        total["exceedance_probability"] = {f"{mm:g}": _plain(p) for mm, p in chances}
    return total


def _by_quantile(place: PlaceRow, name: str, how: Any) -> Document:
    return {f"{q:g}": how(values) for q, values in zip(place["quantile"], place[name], strict=True)}


def _time(time: np.datetime64) -> str | None:
    return None if np.isnat(time) else to_text(time)


def _plain(values: Any) -> Any:
    """Numbers as Python's own, rounded to six digits; NaN is None."""
    if isinstance(values, (list, np.ndarray)) and np.ndim(values):
        return [_plain(value) for value in values]
    number = float(values)
    return None if not math.isfinite(number) else float(f"{number:.6g}")
