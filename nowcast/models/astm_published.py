"""The names that the published checkpoints of ASTM give to the weights, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nowcast.core.errors import CheckpointError

_GATE = re.compile(r"^cell_list\.(\d+)\.conv_([xhmo])\.([01])\.(weight|bias)$")


def our_name(published: str) -> str:
    """Give our name of a published parameter; names without a counterpart come back as they are."""
    name = published.removeprefix("module.")
    if found := _GATE.match(name):
        layer, gate, part, kind = found.groups()
        return f"cells.{layer}.conv_{gate}.{('conv', 'norm')[int(part)]}.{kind}"
    if name.startswith("conv_last."):
        return name.replace("conv_last.", "last.0.")
    return name.replace("cell_list.", "cells.")


def our_settings(weights: Mapping[str, Tensor], channels: int, patch: int) -> dict[str, Any]:
    """Tell the settings from the shapes; which history was meant they do not tell.

    Raises:
        CheckpointError: the tensors are no ASTM's.
    """
    del channels
    convs = [w for n, w in weights.items() if re.search(r"cell_list\.\d+\.conv_h\.0\.weight$", n)]
    last = next((w for n, w in weights.items() if re.search(r"(^|\.)conv_last\.weight$", n) and
                 "cell_list" not in n), None)
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
