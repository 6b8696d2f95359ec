"""Which networks, and means of some of them, come with the package; needs neither torch nor xarray.

Training on a GPU box asks here for weights to start from, and completion of the command line for names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from nowcast.core.errors import CheckpointError, SettingsError, complain
from nowcast.core.files import sha256

REGISTRY = "registry.json"
CALIBRATION = ".calibration.json"
"""What the name of the file of a network's calibration ends in."""


def folder() -> Path:
    """The folder of the package that holds weights, calibrations, cards and their registry."""
    return Path(str(files("nowcast") / "weights"))


@dataclass(frozen=True)
class PackagedNetwork:
    """What the registry says of a network that comes with the package."""

    sha256: str
    """Of its weights."""
    system: str
    """The name that `nowcast forecast` knows it by, shared by networks of other steps."""
    step_minutes: float | None
    """Time between its frames; None where the registry does not tell."""


@dataclass(frozen=True)
class PackagedMean:
    """What the registry says of a mean of networks of the package, which has a calibration and no weights."""

    members: tuple[str, ...]
    """Names of networks of the package, each counted alike."""
    system: str
    """As that of a network."""
    step_minutes: float
    """Time between the frames of its members."""


def networks() -> dict[str, PackagedNetwork]:
    """The networks that come with the package, by name.

    A system may have several, one a step: ``motionrnn`` for frames every 10 minutes, ``motionrnn_5min`` for 5.
    """
    return {
        name: PackagedNetwork(one, name, None)
        if isinstance(one, str)
        else PackagedNetwork(one["sha256"], one["system"], one["step_minutes"])
        for name, one in _registered().items()
        if isinstance(one, str) or "members" not in one
    }


def means() -> dict[str, PackagedMean]:
    """The means of networks that come with the package, by name."""
    return {
        name: PackagedMean(tuple(one["members"]), one["system"], one["step_minutes"])
        for name, one in _registered().items()
        if "members" in one
    }


def packaged_models() -> dict[str, PackagedNetwork | PackagedMean]:
    """Everything of the package that `nowcast forecast --model` takes by name: networks, then means."""
    return {**networks(), **means()}


def packaged_names() -> tuple[str, ...]:
    """The names of `packaged_models`."""
    return tuple(packaged_models())


def _registered() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder() / REGISTRY).read_text(encoding="utf-8"))
    return found


def registry() -> dict[str, str]:
    """The networks that come with the package: name -> sha256 of its weights."""
    return {name: one.sha256 for name, one in networks().items()}


def at_step(asked: Sequence[str], step_minutes: float) -> list[str]:
    """Name for each of some systems the network, or mean, that reads an archive with frames so far apart.

    It is that of the shortest step for which all of them have one, so that they can be set side by side, and
    of which the archive's step is a whole part. Names of which there is none stay, as do those that are no
    system's: ``motionrnn_5min`` is that network whatever the step.
    """
    known = packaged_models()
    systems = {name for name in asked if name in known and known[name].system == name}
    steps = {one.step_minutes for one in known.values() if one.step_minutes is not None}
    for step in sorted(steps):
        found = {one.system: other for other, one in known.items() if one.step_minutes == step}
        if step % step_minutes == 0 and systems <= found.keys():
            return [found[name] if name in systems else name for name in asked]
    return list(asked)


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
    """The card of a network, or a mean, that comes with the package, as Markdown.

    Raises:
        SettingsError, CheckpointError: as `weights_of`.
    """
    path = folder() / f"{name}.md" if name in means() else weights_of(name).with_suffix(".md")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{path}: no card ({error.strerror}); install the package again") from error


def calibration_of(name: str) -> Path:
    """The file of the calibration of a network, or a mean, that comes with the package; not all have one."""
    return folder() / f"{name}{CALIBRATION}"
