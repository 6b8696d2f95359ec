"""Networks that come with the package: trained weights and decision levels, by the name of their system."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from nowcast.core.errors import CheckpointError, SettingsError, complain
from nowcast.core.files import sha256
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.calibrated import calibrated
from nowcast.forecasters.levels import identity_of, read_levels
from nowcast.forecasters.neural import Neural, NeuralSettings

REGISTRY = "registry.json"


def folder() -> Path:
    """Give the folder of the package that holds weights, levels, cards and their registry."""
    return Path(str(files("nowcast") / "weights"))


def registry() -> dict[str, str]:
    """Give the networks that come with the package: name -> sha256 of its weights."""
    found: dict[str, str] = json.loads((folder() / REGISTRY).read_text(encoding="utf-8"))
    return found


def weights_of(name: str) -> Path:
    """Give the file of weights of a network that comes with the package.

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
    """Give the card of a network that comes with the package, as Markdown.

    Raises:
        SettingsError, CheckpointError: as `weights_of`.
    """
    path = weights_of(name).with_suffix(".md")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{path}: no card ({error.strerror}); install the package again") from error


def packaged(name: str, settings: NeuralSettings | None = None, raw: bool = False) -> Forecaster:
    """Give a network that comes with the package, calling events at the levels chosen on validation days.

    Args:
        name: a key of `registry`.
        settings: how it is run.
        raw: leave the decision levels out.

    Raises:
        CheckpointError: its file is missing or is not the one the registry names.
    """
    path = weights_of(name)
    network = Neural.load(path, settings)
    network.name = name
    levels = folder() / f"{name}.levels.json"
    if raw or not levels.is_file():
        return network
    own = [found for found in read_levels(levels).models if found.identity == identity_of(network)]
    if not own:
        raise CheckpointError(f"{levels}: got levels of other weights, expected those of {path.name}; "
                              "install the package again")
    return calibrated(network, own[0], name)
