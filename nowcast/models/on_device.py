"""A forecast on a GPU from frames on the CPU, back on the CPU.

Dimensions: T past frames, S forecast steps, C channels of a frame, K of the forecast, H rows, W columns.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from nowcast.models.base import SequenceModel
from nowcast.models.cpu.fast import fast
from nowcast.models.device import whole_mantissa


def fast_on(device: str, model: SequenceModel, dtype: torch.dtype) -> SequenceModel:
    """A copy of a network on a device that forecasts fast there (`fast`); the network stays where it is."""
    return fast(copy.deepcopy(model).to(device), dtype)


def forecast_on(
    device: str, network: SequenceModel, past: Tensor, steps: int, observed: Tensor, chosen: Tensor
) -> Tensor:
    """Forecast with a network that lies on a device, and bring the chosen steps back at once.

    Frames go there from pinned memory and forecasts come back to it, so that neither is copied twice; what the
    forecast is made of stays on the device.

    Args:
        device: ``cuda``; ``cpu`` takes the same way without pinned memory.
        network: as `fast_on` gives, with what stands around it.
        past: (1, T, C, H, W) on the CPU.
        steps: how many to forecast.
        observed: (1, T, C, H, W) bool, on the CPU.
        chosen: indices of the steps that are wanted, from 0.

    Returns:
        (S, K, H, W) float32 on the CPU.
    """
    pinned = device == "cuda"
    with torch.no_grad(), whole_mantissa():
        given, mask = (
            (frames.pin_memory() if pinned else frames).to(device, non_blocking=True)
            for frames in (past, observed)
        )
        made = network(given, steps, None, mask)[0]
        if len(chosen) < len(made):
            made = made[chosen.to(device)]
        found = torch.empty(made.shape, dtype=torch.float32, pin_memory=pinned)
        found.copy_(made, non_blocking=True)
        if pinned:
            torch.cuda.current_stream().synchronize()
    return found
