"""Checkpoints of the papers' published code: read safely, named as ours, and what did not fit.

A published checkpoint is a dictionary of tensors under some key (``net_param`` for MotionRNN). Its
shapes tell layers, hidden channels, filter size and layer norm, so nothing of that need be given.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from nowcast.core.errors import CheckpointError, SettingsError, complain
from nowcast.models import safe_load
from nowcast.models.base import SequenceModel
from nowcast.models.catalog import build_model, find_model
from nowcast.models.lmc.published import our_name as rename_lmc
from nowcast.models.lmc.published import our_settings as infer_lmc

Weights = Mapping[str, Tensor]
Size = tuple[int, int] | None


@dataclass(frozen=True)
class Published:
    """One kind of published checkpoint: how to know its settings and its names."""

    title: str
    key: str
    """Under which key of the file the tensors lie; a file may also hold them at the top."""
    infer: Callable[[Weights, int, int], dict[str, Any]]
    """(weights, channels, patch) -> plain settings for `build_model`."""
    rename: Callable[[str], str]
    """Published name -> ours."""
    reshape: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor
    """Published name and tensor -> the tensor as ours holds it."""
    fresh: tuple[str, ...] = ()
    """Our names of what no published file holds (a counter): they keep the value of a new network."""
    stated: Mapping[str, str] = field(default_factory=dict)
    """Settings that must be given because the file does not tell them -> why."""


_MOTION = (
    (r"^cell_list\.(\d+)\.conv_([xhmo])\.0\.", r"cells.\1.cell.conv_\2."),
    (r"^cell_list\.(\d+)\.conv_([xhmo])\.1\.", r"cells.\1.cell.norm_\2."),
    (r"^cell_list\.(\d+)\.conv_last\.", r"cells.\1.cell.conv_last."),
    (r"^enc_list\.(\d+)\.", r"cells.\1.reduce."),
    (r"^motion_list\.(\d+)\.warp\.warp_gate\.", r"cells.\1.motion.mask."),
    (r"^motion_list\.(\d+)\.warp\.conv\.", r"cells.\1.motion.mix."),
    (r"^motion_list\.(\d+)\.", r"cells.\1.motion."),
    (r"^dec_list\.(\d+)\.", r"cells.\1.restore."),
    (r"^gate_list\.(\d+)\.", r"cells.\1.gate."),
    (r"^conv_first_v\.", "first."),
    (r"^conv_last\.", "last."),
)


def _rename_motionrnn(name: str) -> str:
    for pattern, ours in _MOTION:
        new, found = re.subn(pattern, ours, name)
        if found:
            return new
    return name


def _infer_motionrnn(weights: Weights, channels: int, patch: int) -> dict[str, Any]:
    del channels
    layers = [w for n, w in weights.items() if re.fullmatch(r"cell_list\.\d+\.conv_h\.0\.weight", n)]
    if not layers:
        raise CheckpointError("no 'cell_list.N.conv_h.0.weight' in it: not a MotionRNN-PredRNN checkpoint")
    return {
        "hidden": [int(w.shape[1]) for w in layers],
        "filter_size": int(layers[0].shape[-1]),
        "patch": patch,
        "layer_norm": "cell_list.0.conv_h.1.weight" in weights,
        "motion": {"variant": "released", "stability": "none"},
    }


_ASTM_GATE = re.compile(r"^cell_list\.(\d+)\.conv_([xhmo])\.([01])\.(weight|bias)$")


def rename_astm(published: str) -> str:
    """Our name of a published parameter; names without a counterpart are returned as they are."""
    name = published.removeprefix("module.")
    if found := _ASTM_GATE.match(name):
        layer, gate, part, kind = found.groups()
        return f"cells.{layer}.conv_{gate}.{('conv', 'norm')[int(part)]}.{kind}"
    if name.startswith("conv_last."):
        return name.replace("conv_last.", "last.0.")
    return name.replace("cell_list.", "cells.")


def infer_astm(weights: Weights, channels: int, patch: int) -> dict[str, Any]:
    """Read the settings off the shapes; which history was meant does not follow from them.

    Raises:
        CheckpointError: the tensors are no ASTM's.
    """
    del channels
    convs = [w for n, w in weights.items() if re.search(r"cell_list\.\d+\.conv_h\.0\.weight$", n)]
    last = next(
        (w for n, w in weights.items() if re.search(r"(^|\.)conv_last\.weight$", n) and "cell_list" not in n),
        None,
    )
    if not convs or last is None or any(w.dim() != 5 for w in (*convs, last)):
        raise CheckpointError("no 3-D 'cell_list.N.conv_h.0.weight' and 'conv_last.weight' in it: not an ASTM")
    return {
        "hidden": [int(w.shape[1]) for w in convs],
        "frame_taps": int(convs[0].shape[2]),
        "filter_size": int(convs[0].shape[-1]),
        "clip_frames": int(last.shape[2]),
        "patch": patch,
        "layer_norm": any(n.endswith("cell_list.0.conv_h.1.weight") for n in weights),
    }


PUBLISHED: dict[str, Published] = {
    "motionrnn_predrnn": Published(
        "MotionRNN on PredRNN, the authors' code of 2021", "net_param", _infer_motionrnn, _rename_motionrnn
    ),
    "lmc_memory": Published(
        "LMC-Memory, the authors' code of 2021", "state_dict", infer_lmc, rename_lmc, fresh=("batches_seen",)
    ),
    "astm": Published(
        "ASTM, the authors' program of 2021",
        "net_param",
        infer_astm,
        rename_astm,
        stated={
            "history": "equation7 or released, for weights that are ASTM's; those of STAM have the same "
            "names and shapes, attend to the spatial memory too and are not read"
        },
    ),
}
"""Name in `nowcast.models.catalog.MODELS` -> how its published checkpoints read."""


def load_published(
    path: str | Path,
    name: str,
    channels: int = 1,
    patch: int = 4,
    size: Size = None,
    settings: Mapping[str, Any] | None = None,
    history: str | None = None,
) -> SequenceModel:
    """Load a checkpoint of the published code into the network that computes what that code computes.

    Args:
        path: the file; only tensors and plain containers are read from it, never code.
        name: a key of `PUBLISHED`.
        channels: C of the frames it was trained on.
        patch: side of its patches, which the shapes alone do not tell.
        size: (H, W) of its frames; needed where it has layer norm.
        settings: put over those inferred from the shapes, for what these do not tell (the sigmoid at the
            end of LMC-Memory for KTH).
        history: for ASTM, what its gate attends to: ``equation7`` of the paper or ``released``, with which
            the published weights were made. It must be given: nothing else tells ASTM's weights from those
            of STAM, a later network that attends to its spatial memory too.

    Returns:
        The network in eval mode.

    Raises:
        CheckpointError: unsafe or damaged, of another network, tensors that do not fit (all listed), or a
            setting that must be given and is not.
        SettingsError: ``history`` for a network that has none.
    """
    if history is not None:
        if "history" not in {f.name for f in dataclasses.fields(find_model(name).settings)}:
            raise SettingsError(complain("history", history, f"none for {name}", "leave it out"))
        settings = {**(settings or {}), "history": history}
    model, _ = load_published_with_settings(path, name, channels, patch, size, settings)
    return model


def load_published_with_settings(
    path: str | Path,
    name: str,
    channels: int = 1,
    patch: int = 4,
    size: Size = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[SequenceModel, dict[str, Any]]:
    """Like `load_published`, and also return the settings that were inferred, as `build_model` takes them."""
    if name not in PUBLISHED:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(PUBLISHED)}"
        raise CheckpointError(f"--model: got '{name}', of which no published checkpoint is known; {hint}")
    kind = PUBLISHED[name]
    weights = read_weights(Path(path), kind.key)
    try:
        chosen = {**kind.infer(weights, channels, patch), **(settings or {})}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    for setting, expected in kind.stated.items():
        if setting not in chosen:
            remedy = f"add --set {setting}=... if it is one of {name}"
            raise CheckpointError(complain(f"{path}: {setting}", "nothing", expected, remedy))
    model = build_model(name, chosen, channels, size)
    ours = {kind.rename(n): kind.reshape(n, w) for n, w in weights.items()}
    fit(model, {n: model.state_dict()[n] for n in kind.fresh} | ours, Path(path))
    return model.eval(), chosen


def read_weights(path: Path, key: str) -> dict[str, Tensor]:
    """Read named tensors from a file without running anything that is in it.

    Raises:
        CheckpointError: absent, damaged, with objects other than tensors and plain containers, or
            without tensors under ``key`` or at the top.
    """
    found = safe_load.load(path)
    inner = found.get(key, found) if isinstance(found, Mapping) else found
    if (
        not isinstance(inner, Mapping)
        or not inner
        or not all(isinstance(n, str) and isinstance(w, Tensor) for n, w in inner.items())
    ):
        raise CheckpointError(
            f"{path}: got no named tensors, expected them under '{key}'; is it another network's checkpoint?"
        )
    return {n.removeprefix("module."): w for n, w in inner.items()}


def fit(model: SequenceModel, weights: Weights, path: Path) -> None:
    """Put all weights into the network, or none: every tensor must find its place, and every place its tensor.

    Raises:
        CheckpointError: lists what is missing, what is left over and which shapes differ.
    """
    places = model.state_dict()
    wrong = [
        f"{n}: has {tuple(weights[n].shape)}, needs {tuple(places[n].shape)}"
        for n in places
        if n in weights and weights[n].shape != places[n].shape
    ]
    missing = [f"{n}: missing" for n in places if n not in weights]
    spare = [f"{n}: no place for it" for n in weights if n not in places]
    if wrong or missing or spare:
        listed = "; ".join([*wrong, *missing, *spare])
        raise CheckpointError(
            f"{path}: {len(wrong)} tensors of another shape, {len(missing)} missing, {len(spare)} left over; "
            f"check channels, patch and size: {listed}"
        )
    model.load_state_dict(dict(weights))
