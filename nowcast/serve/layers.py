"""What a forecast offers by name: its variables, and the rain rate where a Z-R relation is known.

A layer has the axes of its variable; one frame of it is chosen by a valid time and a label along each other
axis (``threshold=20``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nowcast.core.errors import TimeError
from nowcast.core.field import NAME
from nowcast.core.rain import ZRelation, z_r, z_r_of_text
from nowcast.core.times import nanoseconds, parse_time, to_text
from nowcast.products.open_forecast import LEAD_TIME, HeldVariable, OpenForecast, Values
from nowcast.serve.problems import not_found, wrong

RAIN_RATE = "rain_rate"
TIME = "time"
_Z_R_ATTRIBUTE = "z_r_relation"
_UNITS = {"dBZ": "dBZ", "mm": "mm", "min": "min", "1": "1", "mm h-1": "mm/h"}
_AXIS_UNITS = {
    "threshold": "dBZ",
    "member": "1",
    "quantile": "1",
    "rain_rate_threshold": "mm/h",
    "rain_sum_threshold": "mm",
    "accumulation_period": "min",
    "radius_km": "km",
}
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Layer:
    """One quantity that can be asked for."""

    name: str
    title: str
    unit: str
    standard_name: str
    variable: HeldVariable
    relation: ZRelation | None = None
    """Turns the variable's dBZ into mm/h."""

    @property
    def quantity(self) -> str:
        """What decides on its colours: reflectivity, rain_rate, rain_sum, probability, spread or minutes."""
        if self.relation is not None:
            return RAIN_RATE
        if self.variable.name.endswith("spread"):
            return "spread"
        return {"dBZ": "reflectivity", "mm": "rain_sum", "1": "probability", "min": "minutes"}[self.unit]

    @property
    def axes(self) -> tuple[str, ...]:
        """Its axes but time."""
        return tuple(axis for axis in self.variable.axes if axis != LEAD_TIME)

    @property
    def timed(self) -> bool:
        """Whether it has a frame for each valid time."""
        return LEAD_TIME in self.variable.axes

    def of(self, values: Values) -> Values:
        """Turn values of the variable into those of the layer."""
        return values if self.relation is None else self.relation.to_rate(values)


def layers_of(forecast: OpenForecast, z_r_name: str | None = None) -> Mapping[str, Layer]:
    """Every layer of a forecast by name, ``reflectivity`` first."""
    found = {
        held.name: Layer(
            held.name,
            str(held.line.attrs.get("long_name", held.name)),
            _UNITS[str(held.line.attrs["units"])],
            str(held.line.attrs.get("standard_name", "")),
            held,
        )
        for held in forecast.variables.values()
    }
    relation = _relation(forecast.attrs, z_r_name)
    if relation is not None and NAME in forecast.variables:
        title = f"rain rate, forecast, by the Z-R relation {relation.name}"
        standard = "lwe_precipitation_rate"
        found[RAIN_RATE] = Layer(RAIN_RATE, title, "mm/h", standard, forecast.variables[NAME], relation)
    return found


def _relation(attrs: Mapping[str, Any], name: str | None) -> ZRelation | None:
    own = z_r_of_text(str(attrs.get(_Z_R_ATTRIBUTE, "")))
    return own if own is not None or name is None else z_r(name)


def layer_of(layers: Mapping[str, Layer], name: str, code: str = "") -> Layer:
    """The layer of a name.

    Raises:
        RefusedRequestError: the forecast holds no such layer.
    """
    if name not in layers:
        raise not_found("layer", name, f"one of {', '.join(layers)}", "ask for another", code)
    return layers[name]


def unit_of_axis(axis: str) -> str:
    """The unit of the labels along an axis."""
    return _AXIS_UNITS[axis]


def labels(forecast: OpenForecast, axis: str) -> list[float]:
    """The labels along an axis of its own, as plain numbers."""
    return [float(f"{value:.9g}") for value in forecast.labels[axis]]


def places_of_labels(forecast: OpenForecast, axis: str, text: str, code: str = "") -> list[int]:
    """Indices along an axis of the labels in ``text``: one, several with commas, or a span ``10/30``.

    Raises:
        RefusedRequestError: no numbers, or none that the forecast has.
    """
    held = labels(forecast, axis)
    expected = f"of {', '.join(f'{label:g}' for label in held)}"
    try:
        if "/" in text:
            low, high = (float(part) for part in text.split("/"))
            found = [i for i, label in enumerate(held) if low - _TOLERANCE <= label <= high + _TOLERANCE]
        else:
            asked = [float(part) for part in text.split(",")]
            found = [i for i, label in enumerate(held) if any(abs(label - a) < _TOLERANCE for a in asked)]
            found = found if len(found) == len(set(asked)) else []
    except ValueError:
        found = []
    if not found:
        raise wrong(axis, text, expected, "ask for others", code)
    return found


def places_of_times(forecast: OpenForecast, text: str, code: str = "") -> list[int]:
    """Indices of the valid times in ``text``: one, several with commas, or a span with ``..`` for an open end.

    Raises:
        RefusedRequestError: no times, or none that the forecast has.
    """
    held = forecast.valid_times
    first, last = to_text(held[0]), to_text(held[-1])
    try:
        if "/" in text:
            start, end = (part.strip() for part in text.split("/")[:2])
            low = held[0] if start in ("", "..") else _time(start)
            high = held[-1] if end in ("", "..") else _time(end)
            found = np.flatnonzero((held >= low) & (held <= high))
        else:
            asked = nanoseconds([_time(part) for part in text.split(",")])
            found = np.flatnonzero(np.isin(held, asked))
            found = found if len(found) == len(set(asked.tolist())) else found[:0]
    except (TimeError, ValueError):
        found = np.zeros(0, np.intp)
    if not len(found):
        raise wrong("time", text, f"valid times from {first} to {last}", "ask for one of these", code)
    return [int(i) for i in found]


def _time(text: str) -> np.datetime64:
    return parse_time(text.strip().replace(" ", "+") if "T" in text else text)


def frame_index(
    forecast: OpenForecast, layer: Layer, asked: Mapping[str, str], code: str = ""
) -> tuple[int, ...]:
    """The place of one frame along the axes of a layer: what is not asked for is the first.

    Raises:
        RefusedRequestError: a label or a time that the forecast has not, or several.
    """
    index = []
    for axis in layer.variable.axes:
        text = asked.get(TIME if axis == LEAD_TIME else axis, "").strip()
        if not text or text.lower() in ("default", "current"):
            index.append(0)
            continue
        places = (
            places_of_times(forecast, text, code)
            if axis == LEAD_TIME
            else places_of_labels(forecast, axis, text, code)
        )
        if len(places) != 1:
            raise wrong(axis, text, "a single one for a picture", "ask for each by itself", code)
        index.append(places[0])
    return tuple(index)


def said(forecast: OpenForecast, layer: Layer, index: Sequence[int]) -> dict[str, str]:
    """Say in words which frame an index is: time and labels by axis."""
    words = {}
    for axis, place in zip(layer.variable.axes, index, strict=True):
        if axis == LEAD_TIME:
            words[TIME] = to_text(forecast.valid_times[place])
        else:
            words[axis] = f"{labels(forecast, axis)[place]:g} {unit_of_axis(axis)}".removesuffix(" 1")
    return words
