"""Recurrent cells for forecasts: gates that read different inputs are one convolution over both.

Dimensions: B batch, C channels, h rows, w columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nowcast.models.cells.astm import ASTMCell
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.convlstm import FORGET_BIAS, ConvLSTM
from nowcast.models.cells.stlstm import STLSTM, JoinedGates, STLSTMState
from nowcast.models.cpu.astm_tiles import tiled
from nowcast.models.cpu.packed import convolve_side_by_side


def fused(part: nn.Module) -> nn.Module:
    """The faster twin of a cell or layer, or itself."""
    if type(part) is ConvLSTM:
        return FusedConvLSTM(part)
    if type(part) is STLSTM and isinstance(part.norm_x, nn.Identity):
        weight = part.conv_x.weight
        exact = weight.dtype != torch.bfloat16 and not weight.is_cuda
        return SigmoidSTLSTM(part) if exact else FusedSTLSTM(part)
    if type(part) is ASTMCell:
        return tiled(part)
    twin = getattr(part, "packable", None)  # a part that knows a faster way of its own
    if callable(twin):
        made: nn.Module = twin()
        return made
    return part


class FusedConvLSTM(ConvLSTM):
    """`ConvLSTM` with the gates of x and h from one convolution over both."""

    def __init__(self, cell: ConvLSTM) -> None:
        RecurrentCell.__init__(self)
        _inherit(self, cell, drop=("conv_x", "conv_h"))
        self.peephole = cell.peephole
        self.conv = _joined(cell.conv_x, torch.cat([cell.conv_x.weight, cell.conv_h.weight], 1))

    def gates(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Input, forget, candidate and output before their peephole."""
        found: Tensor = self.conv(torch.cat([x, hidden], dim=1))
        return found


class FusedSTLSTM(STLSTM):
    """`STLSTM` without layer norm, with one convolution over h and x and one over x and M."""

    def __init__(self, cell: STLSTM) -> None:
        RecurrentCell.__init__(self)
        _inherit(self, cell, drop=("conv_x", "conv_h", "conv_m"))
        wide = cell.hidden_channels
        x, h, m = cell.conv_x.weight, cell.conv_h.weight, cell.conv_m.weight
        time = torch.cat([h, torch.cat([x[: 3 * wide], x[6 * wide :]])], dim=1)
        space = torch.cat([x[3 * wide : 6 * wide], m], dim=1)
        self.conv_time = _joined(cell.conv_x, time)
        self.conv_space = _joined(cell.conv_x, space)

    def join(self, like: Tensor) -> None:
        """Nothing: they are joined."""

    def gates(
        self, x: Tensor, hidden: Tensor, memory: Tensor, joined: JoinedGates | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(i, f, g), (i', f', g') and what of o does not depend on C and M."""
        both, space = convolve_side_by_side((hidden, x, memory), self.conv_time, self.conv_space)
        wide = self.hidden_channels
        return both[:, : 3 * wide], space, both[:, 3 * wide :]


class SigmoidSTLSTM(FusedSTLSTM):
    """`FusedSTLSTM` in float32 on a CPU, where a sigmoid costs a quarter of a tanh.

    Every tanh is a sigmoid of the doubled argument, doubled, less one. The weights of what goes into a tanh
    are doubled for that beforehand, and the forget gate's 1 is a bias of the convolution.
    """

    def __init__(self, cell: STLSTM) -> None:
        super().__init__(cell)
        wide = self.hidden_channels
        self.conv_last = _joined(cell.conv_last, 2 * cell.conv_last.weight)
        for name in ("conv_time", "conv_space"):
            conv = getattr(self, name)
            weight, bias = conv.weight.clone(), conv.weight.new_zeros(len(conv.weight))
            weight[2 * wide : 3 * wide] *= 2
            bias[wide : 2 * wide] = FORGET_BIAS
            setattr(self, name, _joined(conv, weight, bias))

    def forward(self, x: Tensor, state: STLSTMState, relay: Relay) -> CellOutput:
        """Take one time step as `STLSTM.forward`; keeps no graph."""
        memory = torch.zeros_like(state.cell) if relay.memory is None else relay.memory
        time, space, output = self.gates(x, state.hidden, memory)
        cell, memory = _updated(time, state.cell), _updated(space, memory)
        both = torch.cat([cell, memory], dim=1)
        gate = self.conv_o(both).add_(output).sigmoid_()
        hidden = (gate * self.conv_last(both).sigmoid_()).mul_(2).sub_(gate)
        return CellOutput(hidden, STLSTMState(hidden, cell), relay._replace(memory=memory), gate)


def _updated(gates: Tensor, old: Tensor) -> Tensor:
    """Forget and take in; ``gates`` (B, 3 C, h, w) are input, forget and the doubled candidate."""
    enter, forget, candidate = gates.sigmoid_().chunk(3, dim=1)
    return (forget * old).addcmul_(enter, candidate, value=2).sub_(enter)


def _inherit(fused: RecurrentCell, cell: RecurrentCell, drop: tuple[str, ...]) -> None:
    fused.in_channels, fused.hidden_channels = cell.in_channels, cell.hidden_channels
    for name, part in cell.named_children():
        if name not in drop:
            fused.add_module(name, part)


def _joined(like: nn.Conv2d, weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Make one convolution with these weights, padded as another."""
    pad = (int(like.padding[0]), int(like.padding[1]))
    size = (like.kernel_size[0], like.kernel_size[1])
    conv = nn.Conv2d(weight.shape[1], len(weight), size, padding=pad, bias=bias is not None)
    conv.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return conv
