"""A forecast on a GPU, or on the CPU, from frames on the CPU, back on the CPU.

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
    """A copy of a network on the CPU that forecasts fast on a device (`fast`); the network stays there."""
    return fast(copy.deepcopy(model).to(device) if device == "cuda" else model, dtype)


def forecast_on(
    device: str,
    network: SequenceModel,
    past: Tensor,
    steps: int,
    observed: Tensor | None = None,
    chosen: Tensor | None = None,
    *,
    seed: int | None = None,
) -> Tensor:
    """Forecast with a network that lies on a device, and bring the chosen steps back at once.

    Frames go there from pinned memory and forecasts come back to it, so that neither is copied twice; what the
    forecast is made of stays on the device.

    Args:
        device: ``cuda``; ``cpu`` takes the same way without pinned memory.
        network: as `fast_on` gives, with what stands around it.
        past: (1, T, C, H, W) on the CPU.
        steps: how many to forecast.
        observed: (1, T, C, H, W) bool, on the CPU; None: every pixel was.
        chosen: indices of the steps that are wanted, from 0; None: all.
        seed: of the future that a stochastic network draws; None is that of its settings.

    Returns:
        (S, K, H, W) float32 on the CPU.

    Raises:
        torch.OutOfMemoryError: the memory of the GPU ended.
    """
    pinned = device == "cuda"

    def sent(frames: Tensor) -> Tensor:
        return (frames.pin_memory() if pinned else frames).to(device, non_blocking=True)

    with torch.no_grad(), whole_mantissa():
        given, mask = sent(past), None if observed is None else sent(observed)
        forecast = network(given, steps, None, mask) if seed is None else network.draw(given, steps, seed, mask)
        made = forecast[0]
        if chosen is not None and len(chosen) < len(made):
            made = made[chosen.to(device)]
        found = torch.empty(made.shape, dtype=torch.float32, pin_memory=pinned)
        found.copy_(made, non_blocking=True)
        if pinned:
            torch.cuda.current_stream().synchronize()
    return found
