"""Where training starts: the weights of an earlier training in a network that is to be trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nowcast.core.errors import CheckpointError
from nowcast.core.settings import build, plain
from nowcast.models import checkpoint
from nowcast.models.base import SequenceModel
from nowcast.models.catalog import FORMER_NAMES, find_model
from nowcast.models.checkpoint import CheckpointMeta


def start_from(network: SequenceModel, path: Path, meta: CheckpointMeta) -> None:
    """Put the weights of an earlier training into a network.

    A context U-Net that the earlier network did not have starts fresh, with an output of zero. Weights of
    thresholds in the loss may change.

    Args:
        network: as ``meta`` describes it, with fresh weights.
        path: a checkpoint, or a file of weights.
        meta: of the run that is to start.

    Raises:
        CheckpointError: the weights cannot be read, are of another network, scaling or ladder of thresholds,
            or lack what only training needs.
    """
    content = checkpoint.read(path)
    old = checkpoint.meta_of(path, content)
    before, now = _what_it_is(old), _what_it_is(meta)
    fresh = before["context_unet"] is None
    for name, wanted in now.items():
        if before[name] != wanted and not (fresh and name == "context_unet"):
            raise CheckpointError(
                f"{path}: got weights with {name} {before[name]}, expected {wanted} as in the configuration; "
                "change training.start_from or the configuration"
            )
    weights = checkpoint.weights_in(content)
    if isinstance(weights, dict):
        _check_whole(weights, old, path)
        if fresh:
            own = {checkpoint.PREFIX + k: v for k, v in network.state_dict().items() if ".context_unet." in k}
            weights = {**own, **weights}
    checkpoint.fill(network, weights, path)


def _what_it_is(meta: CheckpointMeta) -> dict[str, Any]:
    """What two networks must share for one to take the other's weights, as plain values."""
    head = meta.exceedance_probability and replace(meta.exceedance_probability, weights=None)
    context = None
    if head is not None and head.cascade is not None:
        context = plain(head.cascade.context_unet)
        head = replace(head, cascade=replace(head.cascade, context_unet=None))
    return {
        "model": FORMER_NAMES.get(meta.model, meta.model),
        "settings": plain(build(find_model(meta.model).settings, meta.settings)),
        "channels": meta.channels,
        "scaling": plain(meta.scaling),
        "exceedance_probability": plain(head),
        "lagrangian": plain(meta.lagrangian),
        "context_unet": context,
    }


def _check_whole(weights: dict[str, Any], meta: CheckpointMeta, path: Path) -> None:
    left_out = checkpoint.build_network(meta, path).forecast_only().left_out
    parts = tuple(checkpoint.PREFIX + name for name in left_out)
    if left_out and not any(str(name).startswith(parts) for name in weights):
        raise CheckpointError(
            f"{path}: got weights to forecast with, expected also '{left_out[0]}', which only training needs; "
            "start from the best.ckpt of its training"
        )
