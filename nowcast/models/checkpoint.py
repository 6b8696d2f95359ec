"""Checkpoints: what is written beside the weights, and reading them back without running anything.

A checkpoint is a file of `torch.save` with Lightning's ``state_dict`` (keys start with ``network.``) and,
under ``nowcast``, a plain dict of all that `forecast` needs. Nothing in it but tensors, numbers,
texts, lists and dicts: it is read with ``weights_only=True`` and anything else is refused. The same content
to forecast with alone, small, is a file of `nowcast.models.weights_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nowcast.core.errors import CheckpointError, NowcastError, SettingsError
from nowcast.core.files import provenance, sha256, whole_file
from nowcast.core.plain_values import check_plain
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build, formerly, plain
from nowcast.models import safe_load, weights_file
from nowcast.models.base import SequenceModel
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.former_names import current_tensor_names
from nowcast.models.lagrangian.wrapper import LagrangianSettings
from nowcast.models.size_limit import build_without_memory

FORMAT_VERSION = 1
"""Raised by one whenever a checkpoint of before can no longer be read the same way."""

PREFIX = "network."
_HEAD = b"PK\x03\x04"


@dataclass(frozen=True)
class CheckpointMeta:
    """The description in a checkpoint."""

    model: str
    """Name in the model catalog."""
    settings: dict[str, Any]
    """Settings of that network."""
    channels: int
    size: tuple[int, int] | None
    """Rows and columns of the training crop, for networks whose parameters depend on them."""
    past: int
    future: int
    step_seconds: float
    """Time between two frames it was trained on."""
    scaling: Scaling | None
    """dBZ range of [0, 1]; None for videos."""
    grid_km: tuple[float, float] | None = None
    """Height and width of a grid cell it was trained on, in km; None where it has none."""
    data_fingerprint: str = ""
    """Changes with the data it was trained on."""
    experiment: dict[str, Any] = field(default_factory=dict)
    """All settings of the training run, resolved."""
    provenance: dict[str, str] = field(default_factory=provenance)
    """Commit and versions that made it."""
    format_version: int = FORMAT_VERSION
    exceedance_probability: ExceedanceProbabilitySettings | None = field(
        default=None, metadata=formerly("exceedance")
    )
    """Thresholds whose probabilities it forecasts; None forecasts frames."""
    lagrangian: LagrangianSettings | None = field(default=None, metadata=formerly("advection"))
    """How frames are advected along the optical flow; None leaves them where they are."""

    def __post_init__(self) -> None:
        sizes, cells = self.size or (), self.grid_km or ()
        ranges: tuple[tuple[str, tuple[float, ...], float, float], ...] = (
            ("channels", (self.channels,), 1, 100_000),
            ("past", (self.past,), 1, 10_000),
            ("future", (self.future,), 1, 10_000),
            ("size", sizes, 1, 100_000),
            ("step_seconds", (self.step_seconds,), 1e-3, 366 * 86400.0),
            ("grid_km", cells, 1e-3, 10_000.0),
        )
        for name, values, low, high in ranges:
            if wrong := [value for value in values if not low <= value <= high]:
                raise SettingsError(f"{name}: got {wrong[0]:g}, expected {low:g} to {high:g}")


class LoadedNetwork(NamedTuple):
    """A network ready to forecast."""

    model: SequenceModel
    """In eval mode, on the CPU, with the weights that scored best on validation (their EMA if kept)."""
    meta: CheckpointMeta
    sha256: str
    """Of the file, 64 hexadecimal digits."""


def pack(weights: Mapping[str, Tensor], meta: CheckpointMeta) -> dict[str, Any]:
    """The dict that a checkpoint file holds: plain values and tensors only."""
    state = {PREFIX + name: value.detach().cpu() for name, value in weights.items()}
    return {"state_dict": state, "nowcast": plain(meta)}


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        FileError: the disk is full or the folder cannot be written.
    """
    with whole_file(path) as temporary:
        try:
            torch.save(dict(content), temporary)
        except RuntimeError as error:  # torch's own writer does not raise OSError on a full disk
            raise OSError(None, " ".join(str(error).split())) from error


def read(path: Path) -> dict[str, Any]:
    """Read the dict of a checkpoint of this package; tensors on the CPU, nothing is run.

    Raises:
        CheckpointError: absent, not a checkpoint, truncated, of another program or another version, or
            with objects in it that are neither tensors nor plain values.
    """
    path = Path(path)
    if path.suffix == weights_file.SUFFIX:
        return _current(path, weights_file.read(path))
    _look_at_head(path)
    found = safe_load.load(path)
    if not isinstance(found, dict) or not isinstance(found.get("nowcast"), dict):
        raise CheckpointError(
            f"{path}: got a checkpoint of another program, expected one of 'nowcast train'; weights of "
            "published code are read by nowcast.models.load_published"
        )
    return _current(path, found)


def _current(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """The content of a checkpoint with the names that parts of networks have today."""
    version = found["nowcast"].get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: got checkpoint format {version}, expected {FORMAT_VERSION}; it was written by another "
            f"version of nowcast ({_maker(found['nowcast'])}): use that one, or train again"
        )
    if isinstance(found.get("state_dict"), dict):
        found["state_dict"] = current_tensor_names(found["state_dict"])
    if isinstance(found.get("average"), dict) and isinstance(found["average"].get("weights"), dict):
        found["average"] = {**found["average"], "weights": current_tensor_names(found["average"]["weights"])}
    return found


def meta_of(path: Path, content: Mapping[str, Any]) -> CheckpointMeta:
    """Read the description in a checkpoint.

    Raises:
        CheckpointError: something is missing, unknown or of the wrong type.
    """
    try:
        check_plain(content["nowcast"])
        return build(CheckpointMeta, content["nowcast"])
    except (SettingsError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its description does not fit this version of nowcast ({error}); it was written by "
            f"{_maker(content['nowcast'])}"
        ) from error


def load_network(path: Path | str, channels: int | None = None, whole: bool = False) -> LoadedNetwork:
    """Build the network of a checkpoint and fill in its weights; nothing else is needed.

    Args:
        path: the file, as written by `nowcast train`.
        channels: how many the caller's frames have, if it should be checked.
        whole: keep the parts that forecasting does not need; see `SequenceModel.forecast_only`.

    Raises:
        CheckpointError: see `read`; or the network is unknown here, its weights do not fit, are not
            finite, or it takes another number of channels.
    """
    path = Path(path)
    content = read(path)
    meta = meta_of(path, content)
    if channels is not None and channels != meta.channels:
        raise CheckpointError(
            f"{path}: got frames of {channels} channels, expected {meta.channels}; "
            "use data like that it was trained on, or train on yours"
        )
    state = weights_in(content)
    _check_fit(meta, state, path, whole)
    network = build_network(meta, path)
    if not whole:
        network = network.forecast_only()
    fill(network, state, path)
    return LoadedNetwork(network.eval(), meta, sha256(path))


def _check_fit(meta: CheckpointMeta, state: object, path: Path, whole: bool) -> None:
    """Refuse a description whose network is not that of the weights beside it, before memory is taken for it.

    Why looser than the file: parts that forecasting does not need may have been left out of it.
    """
    tensors = [v for v in state.values() if isinstance(v, Tensor)] if isinstance(state, dict) else []
    numbers = sum(value.numel() for value in tensors)
    try:
        network = build_without_memory(
            lambda: build_network(meta, path), 1000 + 10 * len(tensors), 10_000_000 + 100 * numbers
        )
    except SettingsError as error:
        raise CheckpointError(f"{path}: its network cannot be built here ({error})") from error
    _fitting(network if whole else network.forecast_only(), state, path)


def weights_in(content: Mapping[str, Any]) -> object:
    """The weights to forecast with, as `fill` takes them: their moving average where one was kept."""
    average = content.get("average")
    if not isinstance(average, dict):
        return content.get("state_dict")
    if not isinstance(average.get("weights"), dict):
        return None
    return {PREFIX + str(name): value for name, value in average["weights"].items()}


def build_network(meta: CheckpointMeta, path: Path) -> SequenceModel:
    """Make the network a checkpoint names, with fresh weights.

    Raises:
        CheckpointError: no such network here, or its settings are not known.
    """
    from nowcast.models.choice import ModelChoice

    chosen = ModelChoice(meta.model, meta.settings, meta.exceedance_probability, meta.lagrangian)
    try:
        return chosen.build(meta.channels, meta.size, meta.scaling)
    except NowcastError as error:
        raise CheckpointError(f"{path}: its network cannot be built here ({error})") from error


def fill(network: SequenceModel, state: object, path: Path) -> None:
    """Put the weights of a checkpoint's ``state_dict`` into ``network``.

    Raises:
        CheckpointError: a tensor is missing, too many, of another shape, or not finite.
    """
    network.load_state_dict(_fitting(network, state, path))


def _fitting(network: SequenceModel, state: object, path: Path) -> dict[str, Tensor]:
    """Return the weights that ``network`` takes of ``state``, by its own names, checked as `fill` says."""
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path}: got no 'state_dict' of tensors, expected one; train it again")
    named = ((str(k).removeprefix(PREFIX), v) for k, v in state.items())
    weights = {name: value for name, value in named if not name.startswith(network.left_out)}
    own = network.state_dict()
    if wrong := sorted(set(own) ^ set(weights)):
        where = "missing" if wrong[0] in own else "unknown"
        raise CheckpointError(
            f"{path}: {len(wrong)} tensors do not fit the network, the first is '{wrong[0]}' ({where}); "
            "it was written by another version of this network"
        )
    for name, value in weights.items():
        if value.shape != own[name].shape or value.is_floating_point() != own[name].is_floating_point():
            raise CheckpointError(
                f"{path}: tensor '{name}': got shape {tuple(value.shape)} of {value.dtype}, expected "
                f"{tuple(own[name].shape)} of {own[name].dtype}; channels or settings are not those of these "
                "weights"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"{path}: tensor '{name}' holds values that are not finite; training went wrong, "
                "train again with a lower learning rate or gradient clipping"
            )
    return weights


def _look_at_head(path: Path) -> None:
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise CheckpointError(f"{path}: no such checkpoint ({error.strerror}); check the path") from error
    if head != _HEAD:
        found = "an empty file" if not head else f"a file that starts with {head!r}"
        raise CheckpointError(f"{path}: got {found}, expected a checkpoint of 'nowcast train' (.ckpt)")


def _maker(meta: Mapping[str, Any]) -> str:
    made = meta.get("provenance")
    return f"nowcast {made.get('nowcast', 'unknown')}" if isinstance(made, dict) else "an unknown version"
