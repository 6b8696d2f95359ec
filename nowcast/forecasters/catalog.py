"""Every forecaster that has a name, and checkpoints as forecasters."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.core.settings import build
from nowcast.core.times import minutes
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.calibration_file import read_calibration
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.motion import MOTIONS
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.forecasters.packaged import packaged, packaged_mean, with_calibration
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.pysteps_cascades import Sprog, StepsMean
from nowcast.forecasters.pysteps_ensembles import LindaP, Steps
from nowcast.forecasters.pysteps_lk import PystepsExtrapolation
from nowcast.forecasters.registry import at_step, means, networks, packaged_models, packaged_names
from nowcast.models.device import Device


def build_persistence(settings: Mapping[str, Any]) -> Persistence:
    """Build persistence; it has no settings."""
    if settings:
        raise SettingsError(f"persistence: got settings {', '.join(settings)}, expected none")
    return Persistence()


def build_extrapolation(settings: Mapping[str, Any]) -> Extrapolation:
    """Build extrapolation; ``method`` names one of `MOTIONS`, ``motion`` holds that one's settings."""
    rest = dict(settings)
    method, chosen = rest.pop("method", next(iter(MOTIONS))), rest.pop("motion", {})
    if method not in MOTIONS:
        raise SettingsError(
            complain("extrapolation: method", method, f"one of {', '.join(MOTIONS)}", "choose one")
        )
    known = [f.name for f in dataclasses.fields(Extrapolation) if f.name not in ("motion", "name")]
    for key in rest:
        if key not in known:
            names = ", ".join((*known, "method", "motion"))
            raise SettingsError(f"extrapolation.{key}: unknown setting; known: {names}")
    motion = build(MOTIONS[method], chosen, "extrapolation.motion")
    return dataclasses.replace(build(Extrapolation, rest, "extrapolation"), motion=motion)


@dataclass(frozen=True)
class AverageSettings:
    """Of which forecasters a mean is, and how."""

    of: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    calibration: str | None = None
    raw: bool = False
    device: Device = "cpu"
    """That networks among them forecast on."""


FORECASTERS: dict[str, Callable[[Mapping[str, Any]], Forecaster]] = {
    "persistence": build_persistence,
    "extrapolation": build_extrapolation,
    "pysteps_lk": lambda settings: build(PystepsExtrapolation, settings, "pysteps_lk"),
    "sprog": lambda settings: build(Sprog, settings, "sprog"),
    "steps_mean": lambda settings: build(StepsMean, settings, "steps_mean"),
    "steps": lambda settings: build(Steps, settings, "steps"),
    "linda_p": lambda settings: build(LindaP, settings, "linda_p"),
}
"""Name of a baseline -> how it is built from plain settings."""


def build_average(settings: Mapping[str, Any], step: np.timedelta64 | None = None) -> Average:
    """Build the mean of several forecasters.

    ``of`` lists their names, the networks of the package when left out; ``weights`` their weights;
    ``calibration`` a file that baselines among them get probabilities from; ``raw`` leaves out the calibration
    that comes with the mean. Networks of the package, and means of them, enter without theirs.
    """
    chosen = build(AverageSettings, settings, "average")
    names = list(chosen.of) or list(dict.fromkeys(one.system for one in networks().values()))
    if step is not None:
        names = at_step(names, minutes(step))
    if len(chosen.weights) not in (0, len(names)):
        raise SettingsError(
            complain("average: weights", len(chosen.weights), f"{len(names)}", "one for each forecaster")
        )
    known = [] if chosen.calibration is None else read_calibration(Path(chosen.calibration)).models
    own = {*packaged_names(), "average"}
    parts = []
    for n, name in enumerate(names):
        one = build_forecaster(name, {"raw": True} if name in own else None, device=chosen.device)
        steps = next((m.steps for m in known if m.identity == identity_of(one)), ())
        parts.append(Part(one, steps, chosen.weights[n] if chosen.weights else 1.0))
    made = Average(tuple(parts), "+".join(chosen.of) or "average")
    return made if chosen.raw else with_calibration(made)


def builders() -> dict[str, Callable[[Mapping[str, Any]], Forecaster]]:
    """Everything that can be named: baselines, networks that come with the package, and means of them."""
    own = {name: partial(_packaged, name) for name in packaged_names()}
    return FORECASTERS | own | {"average": build_average}


def build_forecaster(
    name: str | Path,
    settings: Mapping[str, Any] | None = None,
    step: np.timedelta64 | None = None,
    device: Device = "cpu",
) -> Forecaster:
    """Build a forecaster by its name, or from the network of a checkpoint.

    Args:
        name: a key of `builders`, the path of a file that `nowcast train` wrote, or several of both with ``+``
            between: the mean of their probabilities.
        settings: plain values; what is left out keeps its default. ``raw`` leaves out the
            calibration that comes with a network, ``step_minutes`` names the step of its frames.
        step: time between the frames of the archive, by which that of several networks of a system is chosen.
        device: that networks forecast on where ``settings`` do not say; baselines compute on the CPU.

    Raises:
        SettingsError: neither a name nor a file, the message says what is near, or all names; no such device.
        CheckpointError: a file that is no checkpoint of radar.
    """
    text = str(name)
    if device != "cpu" and text not in FORECASTERS:
        settings = {"device": device, **(settings or {})}
    if text not in (known := builders()) and "+" in text and not Path(text).exists():
        return build_average({**(settings or {}), "of": [part.strip() for part in text.split("+")]}, step)
    if text == "average":
        return build_average(settings or {}, step)
    if step is not None and "step_minutes" not in (settings or {}):
        name = at_step([text], minutes(step))[0]
    if Path(name).is_file() or Path(name).suffix in (".ckpt", ".safetensors"):
        known.setdefault(str(name), partial(_checkpoint, Path(name)))
    if str(name) not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "give one of these or the path of a .ckpt file"
        raise SettingsError(
            complain("model", f"'{name}'", f"{', '.join(known)} or a checkpoint that exists", hint)
        )
    return known[str(name)](settings or {})


def _packaged(name: str, settings: Mapping[str, Any]) -> Forecaster:
    rest = dict(settings)
    raw = rest.pop("raw", False) is True
    wanted = rest.pop("step_minutes", None)
    if wanted is not None:
        known = packaged_models()
        same = {
            str(one.step_minutes): other for other, one in known.items() if one.system == known[name].system
        }
        if str(float(wanted)) not in same:
            raise SettingsError(
                complain(f"{name}: step_minutes", wanted, f"one of {', '.join(same)}", "choose a step there is")
            )
        name = same[str(float(wanted))]
    load = packaged_mean if name in means() else packaged
    return load(name, build(NeuralSettings, rest, "neural"), raw)


def _checkpoint(path: Path, settings: Mapping[str, Any]) -> Forecaster:
    return Neural.load(path, build(NeuralSettings, settings, "neural"))
