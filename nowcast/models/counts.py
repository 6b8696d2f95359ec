"""How large a network is and how much it computes, without computing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from nowcast.models.catalog import build_model


@dataclass(frozen=True)
class Complexity:
    """Size and work of one network."""

    parameters: int
    multiply_accumulates: int
    """Of all convolutions and matrix products of one sequence; what is pointwise or gathers is left out,
    as in the papers' tables (where it is called FLOPs)."""


def count_parameters(network: nn.Module) -> int:
    """The number of values that training moves."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def count(
    name: str, settings: Mapping[str, Any], past: int, steps: int, size: tuple[int, int], channels: int = 1
) -> Complexity:
    """Count one network of the catalog, forecasting one sequence.

    Why it is quick: the network runs on tensors with shapes and no values.

    Args:
        name: in `nowcast.models.catalog.MODELS`.
        settings: of that network.
        past: frames given.
        steps: frames forecast; past + steps - 1 time steps are counted.
        size: (H, W).
        channels: C.

    Raises:
        SettingsError: as `build_model`.
    """
    # Batch norm that is first built without memory counts its batches in a tensor that is not fake.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        network = build_model(name, settings, channels, size).eval()
        frames = torch.empty(1, past, channels, *size)
        with FlopCounterMode(display=False) as counter:
            network(frames, steps)
    return Complexity(count_parameters(network), counter.get_total_flops() // 2)
