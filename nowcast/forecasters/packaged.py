"""Networks that come with the package: trained weights and their calibration, by the name of their system."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from nowcast.core.errors import CheckpointError, SettingsError, complain
from nowcast.core.files import sha256
from nowcast.forecasters.calibration_file import read_calibration
from nowcast.forecasters.neural import Neural, NeuralSettings

REGISTRY = "registry.json"
CALIBRATION = ".calibration.json"
"""What the name of the file of a network's calibration ends in."""


def folder() -> Path:
    """The folder of the package that holds weights, calibrations, cards and their registry."""
    return Path(str(files("nowcast") / "weights"))


def registry() -> dict[str, str]:
    """The networks that come with the package: name -> sha256 of its weights."""
    found: dict[str, str] = json.loads((folder() / REGISTRY).read_text(encoding="utf-8"))
    return found


def weights_of(name: str) -> Path:
    """The file of weights of a network that comes with the package.

    Raises:
        SettingsError: there is no such network.
        CheckpointError: its file is missing or is not the one the registry names.
    """
    known = registry()
    if name not in known:
        listed = ", ".join(known) or "none is installed"
        raise SettingsError(complain("network of the package", f"'{name}'", listed, "choose one"))
    path = folder() / f"{name}.safetensors"
    if not path.is_file() or sha256(path) != known[name]:
        raise CheckpointError(
            f"{path}: got {'other weights' if path.is_file() else 'no file'}, expected those that come with "
            "nowcast; install the package again"
        )
    return path


def card(name: str) -> str:
    """The card of a network that comes with the package, as Markdown.

    Raises:
        SettingsError, CheckpointError: as `weights_of`.
    """
    path = weights_of(name).with_suffix(".md")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{path}: no card ({error.strerror}); install the package again") from error


def packaged(name: str, settings: NeuralSettings | None = None, raw: bool = False) -> Neural:
    """Load a network that comes with the package, calibrated on validation days.

    Args:
        name: a key of `registry`.
        settings: how it is run.
        raw: leave the calibration out: its own probabilities, events at even odds.

    Raises:
        CheckpointError: its file is missing or is not the one the registry names.
    """
    path = weights_of(name)
    chosen = folder() / f"{name}{CALIBRATION}"
    calibration = None if raw or not chosen.is_file() else read_calibration(chosen).models[0]
    try:
        return Neural.load(path, settings, name, calibration)
    except SettingsError as error:
        raise CheckpointError(f"{chosen}: {error}; install the package again") from error
