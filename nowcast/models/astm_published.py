"""The names that the published checkpoints of ASTM give to the weights, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

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


def our_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a published checkpoint, with or without its ``module.`` prefix."""
    return {our_name(name): value for name, value in published.items()}


def has_layer_norm(published: Mapping[str, Tensor]) -> bool:
    """Say whether the checkpoint holds the gains of a layer normalisation."""
    return any(name.endswith("conv_x.1.weight") for name in published)
