"""The names that the published checkpoints of LMC-Memory give to the weights, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nowcast.core.errors import CheckpointError

_GROUPS = {
    "memory.memory_w": "memory.slots",
    "memory.motion_matching_encoder": "match_encoder",
    "memory.motion_context_encoder": "store_encoder",
    "memory.embedder": "memory.embed",
    "attention_func": "attention.weigh",
    "convlstm_list": "cells",
}
_CONVOLUTIONS = {"0": "0.0", "3": "1.0", "6": "2.0", "8": "2.2", "11": "3.0", "13": "3.2"}
_LINEARS = {"2": "0", "4": "2"}


def our_name(published: str) -> str:
    """Our name of a published parameter; names without a counterpart are returned as they are."""
    name = published.removeprefix("module.")
    for theirs, ours in _GROUPS.items():
        if name == theirs or name.startswith(theirs + "."):
            rest = name.removeprefix(theirs).removeprefix(".")
            return f"{ours}.{_inner(ours, rest)}" if rest else ours
    return name


def _inner(group: str, rest: str) -> str:
    number, _, kind = rest.partition(".")
    if group.endswith("_encoder"):
        return f"stages.{_CONVOLUTIONS.get(number, number)}.{kind}"
    if group == "attention.weigh":
        return f"{_LINEARS.get(number, number)}.{kind}"
    return rest.replace("conv2d_", "conv_")


def our_settings(published: Mapping[str, Tensor], channels: int, patch: int) -> dict[str, Any]:
    """Read the settings off the shapes; whether a sigmoid ends the network (KTH) they do not tell.

    Raises:
        CheckpointError: no memory in it.
    """
    del channels, patch
    layers = [w for n, w in published.items() if re.fullmatch(r"convlstm_list\.\d+\.conv2d_h\.weight", n)]
    slots = published.get("memory.memory_w")
    if slots is None or slots.dim() != 2 or not layers:
        raise CheckpointError("no 'memory.memory_w' and 'convlstm_list' in it: not an LMC-Memory checkpoint")
    return {
        "variant": "local",
        "slots": int(slots.shape[0]),
        "slot_width": int(slots.shape[1]),
        "hidden": int(layers[0].shape[1]),
        "layers": len(layers),
    }
