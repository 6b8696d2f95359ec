"""Every forecaster that has a name, and checkpoints as forecasters."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nowcast.core.errors import SettingsError, complain
from nowcast.core.settings import build
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.motion import MOTIONS
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.forecasters.packaged import packaged, registry
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.pysteps_cascades import Sprog, StepsMean
from nowcast.forecasters.pysteps_ensembles import LindaP, Steps
from nowcast.forecasters.pysteps_lk import PystepsExtrapolation


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


def builders() -> dict[str, Callable[[Mapping[str, Any]], Forecaster]]:
    """Everything that can be named: baselines, and the networks that come with the package."""
    return FORECASTERS | {name: partial(_packaged, name) for name in registry()}


def build_forecaster(name: str | Path, settings: Mapping[str, Any] | None = None) -> Forecaster:
    """Build a forecaster by its name, or from the network of a checkpoint.

    Args:
        name: a key of `builders`, or the path of a file that `nowcast train` wrote.
        settings: plain values; what is left out keeps its default. ``raw`` leaves out the
            calibration that comes with a network.

    Raises:
        SettingsError: neither a name nor a file; the message says what is near, or all names.
        CheckpointError: a file that is no checkpoint of radar.
    """
    known = builders()
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
    return packaged(name, build(NeuralSettings, rest, "neural"), raw)


def _checkpoint(path: Path, settings: Mapping[str, Any]) -> Forecaster:
    return Neural.load(path, build(NeuralSettings, settings, "neural"))
