"""The names that the published checkpoints of LMC-Memory give to the weights, and ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

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
    """Give our name of a published parameter; names without a counterpart come back as they are."""
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


def our_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a published checkpoint, with or without its ``module.`` prefix."""
    return {our_name(name): value for name, value in published.items()}
