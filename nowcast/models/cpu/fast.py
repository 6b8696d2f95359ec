"""Fast forecasts: the same network with its weights packed once instead of at every call.

See `nowcast.models.cpu.onednn` for what packing is, which is done on a CPU alone. Besides, maps lie
channels-last and gates that read different inputs become one convolution over both. With AVX2 alone, wide
convolutions are computed by tiles (`nowcast.models.cpu.tiles`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError
from nowcast.models.base import ScheduledTargets, SequenceModel
from nowcast.models.cells.motion import MotionGRU
<<<<<<< HEAD
from nowcast.models.cells.stlstm import STLSTM, JoinedGates
from nowcast.models.cpu.onednn import DTYPES, convolve, pack, packs
=======
from nowcast.models.cpu.fused import fused
from nowcast.models.cpu.onednn import DTYPES
from nowcast.models.cpu.packed import PackedConvolution, can_pack
>>>>>>> main
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


<<<<<<< HEAD
class PackedConvolution(nn.Module):
    """A convolution whose weights are packed when a shape of input first comes."""

    def __init__(self, like: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.weight, self.bias = like.weight, like.bias
        self.padding = [int(side) for side in like.padding]
        self.stride, self.dilation, self.groups = list(like.stride), list(like.dilation), like.groups
        self._packed: dict[tuple[int, ...], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; a 2-D output lies channels-last."""
        maps = (x.shape[0], *x.shape[2:])
        packed = self._packed.get(maps)
        if packed is None:
            if len(self._packed) >= _KEPT_SHAPES:
                self._packed.pop(next(iter(self._packed)))
            packed = pack(self.weight, self.padding, maps, self.stride, self.dilation, self.groups)
            self._packed[maps] = packed
        return convolve(x, packed, self.bias, self.padding, self.stride, self.dilation, self.groups)

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is packed behind: it can be neither copied nor saved, and is made again."""
        return {**self.__dict__, "_packed": {}}


class FusedConvLSTM(ConvLSTM):
    """`ConvLSTM` with the gates of x and h from one convolution over both."""

    def __init__(self, cell: ConvLSTM) -> None:
        RecurrentCell.__init__(self)
        _inherit(self, cell, drop=("conv_x", "conv_h"))
        self.peephole = cell.peephole
        self.conv = _joined(cell.conv_x, cell.conv_h, torch.cat([cell.conv_x.weight, cell.conv_h.weight], 1))

    def gates(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Input, forget, candidate and output before their peephole."""
        found: Tensor = self.conv(torch.cat([x, hidden], dim=1))
        return found


class FusedSTLSTM(STLSTM):
    """`STLSTM` without layer norm, with one convolution over x and h and one over x and M."""

    def __init__(self, cell: STLSTM) -> None:
        RecurrentCell.__init__(self)
        _inherit(self, cell, drop=("conv_x", "conv_h", "conv_m"))
        wide = cell.hidden_channels
        x, h, m = cell.conv_x.weight, cell.conv_h.weight, cell.conv_m.weight
        time = torch.cat([torch.cat([x[: 3 * wide], x[6 * wide :]]), h], dim=1)
        space = torch.cat([x[3 * wide : 6 * wide], m], dim=1)
        self.conv_time = _joined(cell.conv_x, cell.conv_h, time)
        self.conv_space = _joined(cell.conv_x, cell.conv_m, space)

    def join(self, like: Tensor) -> None:
        """Nothing: they are joined."""

    def gates(
        self, x: Tensor, hidden: Tensor, memory: Tensor, joined: JoinedGates | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(i, f, g), (i', f', g') and what of o does not depend on C and M."""
        both: Tensor = self.conv_time(torch.cat([x, hidden], dim=1))
        space: Tensor = self.conv_space(torch.cat([x, memory], dim=1))
        wide = self.hidden_channels
        return both[:, : 3 * wide], space, both[:, 3 * wide :]


def _inherit(fused: RecurrentCell, cell: RecurrentCell, drop: tuple[str, ...]) -> None:
    fused.in_channels, fused.hidden_channels = cell.in_channels, cell.hidden_channels
    for name, part in cell.named_children():
        if name not in drop:
            fused.add_module(name, part)


def _joined(first: nn.Conv2d, second: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    """Make one convolution over the channels of both, with these weights."""
    pad = (int(first.padding[0]), int(first.padding[1]))
    size = (first.kernel_size[0], first.kernel_size[1])
    conv = nn.Conv2d(first.in_channels + second.in_channels, len(weight), size, padding=pad, bias=False)
    conv.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    return conv


def _fused(part: nn.Module) -> nn.Module:
    if type(part) is ConvLSTM:
        return FusedConvLSTM(part)
    if type(part) is STLSTM and isinstance(part.norm_x, nn.Identity):
        return FusedSTLSTM(part)
    twin = getattr(part, "packable", None)  # a part that knows a faster way of its own
    if callable(twin):
        made: nn.Module = twin()
        return made
    return part


=======
>>>>>>> main
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
