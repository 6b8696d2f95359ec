"""Fast forecasts: the same network with its weights packed once instead of at every call.

See `nowcast.models.cpu.onednn` for what packing is, which is done on a CPU alone. Besides, maps lie
channels-last and gates that read different inputs become one convolution over both. With AVX2 alone, wide
convolutions are computed by tiles (`nowcast.models.cpu.forecast_tiles`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError
from nowcast.models.base import ScheduledTargets, SequenceModel
from nowcast.models.cells.motion import MotionGRU
from nowcast.models.cpu.fused import fused
from nowcast.models.cpu.onednn import DTYPES
from nowcast.models.cpu.packed import PackedConvolution, can_pack
from nowcast.models.wrapper import ModelWrapper


def fast(model: SequenceModel, dtype: torch.dtype | None = None) -> SequenceModel:
    """A copy of the network that forecasts faster where it lies and cannot be trained.

    On a CPU weights are packed once; there and on a GPU maps lie channels-last, and gates that read different
    inputs are one convolution over both. In float32 outputs agree to 1e-5; bfloat16 (about 3 decimal digits) is
    for hardware that multiplies it natively. Where oneDNN is missing nothing is packed.

    Args:
        model: any network; it stays as it is.
        dtype: torch.float32, torch.bfloat16, or None for the network's own.

    Raises:
        SettingsError: a network on a device that is neither CPU nor CUDA, or another dtype.
    """
    if any(p.device.type not in ("cpu", "cuda") for p in model.parameters()):
        raise SettingsError("fast: got a network on another device, expected CPU or CUDA; move it there")
    chosen = dtype or next(model.parameters()).dtype
    if chosen not in DTYPES:
        raise SettingsError(f"fast: got {chosen}, expected torch.float32 or torch.bfloat16; give one of them")
    if isinstance(model, ModelWrapper):
        inner = fast(model.network, chosen)
        twin = copy.deepcopy(model, {id(model.network): inner})  # stands in for the copy of the network inside
        return twin.eval().requires_grad_(False)
    return FastCopy(model, chosen)


class FastCopy(SequenceModel):
    """What `fast` gives: forecasts only."""

    def __init__(self, model: SequenceModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.past_min, self.multiple_of = model.past_min, model.multiple_of
        self.feeds_back, self.stochastic = model.feeds_back, model.stochastic
        network = copy.deepcopy(model).to(dtype).eval().requires_grad_(False)
        self.network: SequenceModel = _replace(network)
        if any(parameter.is_cuda for parameter in model.parameters()):
            _lay_channels_last(self.network)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`, in float32 at both ends; keeps no graph."""
        return self._run(self.network, past, steps, targets, observed)

    def rollout(self, past: Tensor, steps: int, targets: ScheduledTargets | None = None) -> Tensor:
        """Forecast as `SequenceModel.rollout`."""
        return self._run(self.network.rollout, past, steps, targets)

    def draw(self, past: Tensor, steps: int, seed: int, observed: Tensor | None = None) -> Tensor:
        """Forecast as `SequenceModel.draw`."""
        return self._run(self.network.draw, past, steps, seed, observed)

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The motion of the network inside (`RecurrentStack.motion`).

        Raises:
            SettingsError: it has no MotionGRU.
        """
        inner = getattr(self.network, "motion", None)
        if inner is None:
            raise SettingsError("motion: got a network without MotionGRU, expected a MotionRNN; take one")
        with torch.no_grad():
            found: Tensor = inner(past.to(self.dtype), steps, observed)
        return found.to(past.dtype)

    def _run(self, what: Any, past: Tensor, *others: object) -> Tensor:
        with torch.no_grad():
            found: Tensor = what(past.to(self.dtype), *others)
        return found.to(past.dtype)


def _lay_channels_last(network: nn.Module) -> None:
    """Lay the weights of convolutions so that their outputs, and with them all maps, lie channels-last."""
    for part in network.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)


def _replace(part: Any) -> Any:
    """Fuse and pack everything inside ``part``; what reads a convolution's weights itself is left alone."""
    part = fused(part)
    for name, child in list(part.named_children()):
        if isinstance(part, MotionGRU) and name == "mix":
            continue
        setattr(part, name, _replace(child))
    return PackedConvolution(part) if can_pack(part) else part
