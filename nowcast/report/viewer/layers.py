"""What the map can show: every variable of a forecast as layers of packed planes, the most asked for first.

Dimensions: T positions of the time slider, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import MEMBERS, PROBABILITY
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.report.viewer.content import Moment, ShownForecast
from nowcast.report.viewer.packing import PackedPlanes, pack_values

HUNDREDTHS = 100.0
SHARES = 250.0
_HALF_DBZ = 2.0
_ABSENT = -1


@dataclass
class Layers:
    """Layers as the page's script reads them, and the planes that they share."""

    budget: int
    """Bytes that the planes may take."""
    packs: list[dict[str, object]] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What the page has no room for."""
    used: int = 0

    def put(self, planes: PackedPlanes) -> int | None:
        """Keep packed planes if there is room, and return their number."""
        if self.used + len(planes.text) > self.budget:
            return None
        self.used += len(planes.text)
        self.packs.append(planes.as_json())
        return len(self.packs) - 1

    def layer(self, key: str, name: str, quantity: str, choices: Sequence[str] = ()) -> dict[str, Any]:
        """Begin a layer; ``choices`` name what its variants differ in."""
        made = {"key": key, "name": name, "quantity": quantity, "choices": list(choices), "variants": []}
        self.layers.append(made)
        return made


def build_layers(shown: ShownForecast, moments: Sequence[Moment], budget: int) -> Layers:
    """Pack everything that a forecast holds, as long as there is room.

    Args:
        shown: the forecast.
        moments: positions of the slider.
        budget: bytes that all planes may take; the one field and its observations always find room.
    """
    made = Layers(budget)
    valid = [moment.valid for moment in moments]
    _reflectivity(made, shown, valid)
    for build in (_probabilities, _sums, _onset, _statistics, _members, _neighbourhood):
        build(made, shown, valid)
    made.layers = [layer for layer in made.layers if layer["variants"]]
    return made


def _reflectivity(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    """The one field after the observed frames before it; observations after it as a layer of their own."""
    seen = _by_time(shown.observed, "time")
    forecast = _by_time(shown.frames, "valid_time")
    where = dict(forecast)
    where.update({t: frame for t, frame in seen.items() if t <= shown.reference_time})
    main, frames = _packed_dbz(where, valid)
    made.used += len(main.text)
    made.packs.append(main.as_json())
    for key, name in (("reflectivity", "Reflectivity"), ("rain_rate", "Rain rate")):
        made.layer(key, name, key)["variants"].append({"label": "", "pack": 0, "frames": frames})
    if any(t > shown.reference_time for t in seen):
        later, frames = _packed_dbz(seen, valid)
        number = made.put(later)
        if number is None:
            made.left_out.append("frames observed after the forecast reference time")
            return
        variant = {"label": "", "pack": number, "frames": frames}
        made.layer("observed", "Observed reflectivity", "reflectivity")["variants"].append(variant)


def _probabilities(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    for name, axis, title, unit in (
        (PROBABILITY, "threshold", "Probability of reflectivity", "dBZ"),
        ("rain_rate_exceedance_probability", "rain_rate_threshold", "Probability of rain rate", "mm/h"),
    ):
        held = shown.variable(name)
        if held is None:
            continue
        layer = made.layer(name, title, "probability", ("at least",))
        for label, frames in _along(held, axis):
            _add(made, layer, f"{label:g} {unit}", frames.values, _frames_at(shown, valid), SHARES)


def _sums(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    still = [0] * len(valid)
    for name, axis, title, quantity in (
        ("rain_sum_mean", None, "Rain sum, mean of the members", "rain_sum"),
        ("rain_sum_quantile", "quantile", "Rain sum, quantile of the members", "rain_sum"),
        ("rain_sum_exceedance_probability", "rain_sum_threshold", "Probability of a rain sum", "probability"),
    ):
        held = shown.variable(name)
        if held is None:
            continue
        layer = made.layer(name, title, quantity, ("over", "quantile" if axis == "quantile" else "at least"))
        for period, sums in _along(held, "accumulation_period"):
            for label, plane in _along(sums, axis):
                part = (
                    "" if label is None else f", {100 * label:g} %" if axis == "quantile" else f", {label:g} mm"
                )
                steps = SHARES if quantity == "probability" else HUNDREDTHS
                _add(made, layer, f"next {period:g} min{part}", plane.values[None], still, steps)


def _onset(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    still = [0] * len(valid)
    chance = shown.variable("rain_onset_probability")
    if chance is not None:
        layer = made.layer("rain_onset_probability", "Probability that rain begins", "probability")
        _add(made, layer, "", chance.values[None], still, SHARES)
    begins = shown.variable("rain_onset_quantile")
    if begins is not None:
        layer = made.layer("rain_onset_quantile", "Rain begins in", "minutes", ("quantile",))
        for label, plane in _along(begins, "quantile"):
            _add(made, layer, f"{100 * label:g} %", plane.values[None], still, HUNDREDTHS)


def _statistics(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    for name, title, dry in (
        ("reflectivity_mean", "Mean of the members", NO_ECHO_DBZ),
        ("reflectivity_spread", "Spread of the members", None),
    ):
        held = shown.variable(name)
        if held is not None:
            layer = made.layer(name, title, "reflectivity" if dry else "spread")
            low = NO_ECHO_DBZ if dry else 0.0
            _add(made, layer, "", held.values, _frames_at(shown, valid), HUNDREDTHS, low, dry)


def _neighbourhood(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    held = shown.variable("neighbourhood_probability")
    if held is None:
        return
    layer = made.layer(
        "neighbourhood_probability", "Probability within a distance", "probability", ("at least", "within")
    )
    for radius, circle in _along(held, "radius_km"):
        for label, frames in _along(circle, "threshold"):
            text = f"{label:g} dBZ within {radius:g} km"
            if not _add(made, layer, text, frames.values, _frames_at(shown, valid), SHARES):
                return


def _members(made: Layers, shown: ShownForecast, valid: Sequence[np.datetime64]) -> None:
    held = shown.variable(MEMBERS)
    if held is None:
        return
    layer = made.layer(MEMBERS, "Member", "reflectivity", ("member",))
    frames, half = _frames_at(shown, valid), made.used + (made.budget - made.used) // 2
    for label, member in _along(held, "member"):
        text = f"{label + 1:g} of {held.sizes['member']}"
        if made.used > half:
            made.left_out.append(f"{layer['name']} ({text})")
            return
        if not _add(made, layer, text, member.values, frames, _HALF_DBZ, NO_ECHO_DBZ, NO_ECHO_DBZ):
            return


def _add(
    made: Layers,
    layer: dict[str, Any],
    label: str,
    values: npt.NDArray[np.floating],
    frames: list[int],
    steps: float,
    low: float = 0.0,
    dry_at: float | None = None,
) -> bool:
    """Add a variant of a layer if there is room for it."""
    number = None if made.used >= made.budget else made.put(pack_values(values, low, steps, dry_at))
    if number is None:
        made.left_out.append(f"{layer['name']}{f' ({label})' if label else ''}")
        return False
    layer["variants"].append({"label": label, "pack": number, "frames": frames})
    return True


def _along(held: xr.DataArray, axis: str | None) -> Iterator[tuple[Any, xr.DataArray]]:
    """Each part along an axis with its label; the whole without one where there is none."""
    if axis is None:
        yield None, held
        return
    for i, label in enumerate(held[axis].values):
        yield label, held.isel({axis: i})


def _by_time(frames: xr.DataArray | None, axis: str) -> dict[np.datetime64, npt.NDArray[np.float32]]:
    return {} if frames is None else dict(zip(frames[axis].values, frames.values, strict=True))


def _packed_dbz(
    where: dict[np.datetime64, npt.NDArray[np.float32]], valid: Sequence[np.datetime64]
) -> tuple[PackedPlanes, list[int]]:
    there = [t for t in valid if t in where]
    packed = pack_values(np.stack([where[t] for t in there]), NO_ECHO_DBZ, HUNDREDTHS, NO_ECHO_DBZ)
    return packed, [there.index(t) if t in where else _ABSENT for t in valid]


def _frames_at(shown: ShownForecast, valid: Sequence[np.datetime64]) -> list[int]:
    times = list(shown.frames["valid_time"].values)
    return [times.index(t) if t in times else _ABSENT for t in valid]
