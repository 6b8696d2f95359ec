"""The cell of ASTM for forecasts on CPUs where multiplications take the time (`forecast_tiles`).

A clip of two frames is one map with twice the channels, and a convolution over three taps in time one over
that map. What is summed (gates of input, hidden map and memory) is one convolution over all it reads.

Dimensions: B batch, C channels, H hidden channels, L = 2 frames in a clip, h rows, w columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nowcast.models.cells.astm import ASTMCell, GateConv
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.clip_conv import DIRECT, flat_weight
from nowcast.models.cells.convlstm import FORGET_BIAS
from nowcast.models.cells.history import History, attend, extended
from nowcast.models.cpu.capability import multiplications_take_the_time
from nowcast.models.cpu.forecast_tiles import TileKernel, convolve_tiles, fits, pays, tile_kernel

_FRAMES, _TAPS = 2, 3


class TiledState(NamedTuple):
    """What the cell hands itself at the next step."""

    hidden: Tensor
    """(B, H, L, h, w)"""
    history: History
    """The last temporal memories, oldest first, each (B, L H, h, w)."""
    kernels: tuple[TileKernel, TileKernel, TileKernel]
    """Gates of hidden map and input, gates of input and memory, output gate of both memories."""


class TiledASTMCell(ASTMCell):
    """`ASTMCell` in float32 without layer norm; on maps where tiles do not pay it computes as that does."""

    def __init__(self, cell: ASTMCell) -> None:
        RecurrentCell.__init__(self)
        self.in_channels, self.hidden_channels = cell.in_channels, cell.hidden_channels
        self.clip_frames, self.tau = cell.clip_frames, cell.tau
        for name, part in cell.named_children():
            self.add_module(name, part)

    def initial_state(self, x: Tensor) -> Any:
        """Zeros and kernels, or the plain cell's state."""
        time, bias_time, space, bias_space = _gates(self)
        rows, columns = x.shape[-2:]
        if not all(pays(weight, rows, columns, DIRECT) for weight in (time, space)):
            return super().initial_state(x)
        wide, out = self.hidden_channels, self.conv_o.conv
        flat = x.new_zeros(x.shape[0], rows, columns, _FRAMES * wide).permute(0, 3, 1, 2)
        of_output = torch.cat([flat_weight(part) for part in out.weight.split(wide, dim=1)], dim=1)  # type: ignore[no-untyped-call]
        kernels = (tile_kernel(time, bias_time), tile_kernel(space, bias_space), tile_kernel(of_output))
        return TiledState(_clip(flat), (flat,), kernels)

    def forward(self, x: Tensor, state: Any, relay: Relay) -> CellOutput:
        """Take one time step as `ASTMCell.forward`; keeps no graph."""
        if not isinstance(state, TiledState):
            return super().forward(x, state, relay)
        memory = torch.zeros_like(state.hidden) if relay.memory is None else relay.memory
        of_time, of_space, of_output = state.kernels
        wide = _FRAMES * self.hidden_channels
        read = [frame for clip in (state.hidden, x, memory) for frame in clip.unbind(2)]
        time, space = convolve_tiles(read, [(0, of_time), (wide, of_space)])
        enter, forget, candidate = time[:, : 3 * wide].sigmoid_().chunk(3, dim=1)
        kept = forget * attend(forget, state.history)
        temporal = kept.addcmul_(enter, candidate, value=2).sub_(enter)
        enter, forget, candidate = space.sigmoid_().chunk(3, dim=1)
        spatial = (forget * _flat(memory)).addcmul_(enter, candidate, value=2).sub_(enter)
        gate = convolve_tiles([temporal, spatial], [(0, of_output)])[0].add_(time[:, 3 * wide :]).sigmoid_()
        hidden = _clip((gate * self._last(temporal, spatial).sigmoid_()).mul_(2).sub_(gate))
        new = TiledState(hidden, extended(state.history, temporal, self.tau), state.kernels)
        return CellOutput(hidden, new, relay._replace(memory=_clip(spatial)), _clip(gate))

    def _last(self, temporal: Tensor, spatial: Tensor) -> Tensor:
        """Twice what the last convolution makes of both memories, (B, L H, h, w)."""
        conv, wide = self.conv_last, self.hidden_channels
        assert conv.bias is not None
        weight = 2 * conv.weight.flatten(1).T
        pixels = [clip.permute(0, 2, 3, 1).reshape(-1, wide) for clip in (temporal, spatial)]
        found = torch.addmm(2 * conv.bias, pixels[0], weight[:wide]).addmm_(pixels[1], weight[wide:])
        batch, _, rows, columns = temporal.shape
        return found.view(batch, rows, columns, -1).permute(0, 3, 1, 2)


def tiled(cell: ASTMCell) -> RecurrentCell:
    """The tiled twin of a cell, or itself where there is none."""
    convs = [part.conv for part in (cell.conv_x, cell.conv_h, cell.conv_m, cell.conv_o)]
    weight = convs[0].weight
    clips = cell.clip_frames == _FRAMES and weight.shape[2] == _TAPS
    here = multiplications_take_the_time() and weight.device.type == "cpu"
    if here and clips and cell.conv_x.norm is None and fits(weight[:, :, 0]):
        return TiledASTMCell(cell)
    return cell


def _gates(cell: ASTMCell) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights and biases of the gates (i, f, g, o) of h and x, and (i, f, g) of x and m, flat.

    What goes into a tanh is doubled: it is a sigmoid of the doubled argument, doubled, less one.
    """
    wide = cell.hidden_channels

    def blocks(part: GateConv) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        assert part.conv.bias is not None
        weights = [flat_weight(weight) for weight in part.conv.weight.detach().unflatten(0, (-1, wide))]  # type: ignore[no-untyped-call]
        return tuple(weights), tuple(bias.repeat(_FRAMES) for bias in part.conv.bias.detach().view(-1, wide))

    (x, of_x), (h, of_h), (m, of_m) = (blocks(part) for part in (cell.conv_x, cell.conv_h, cell.conv_m))
    time = [torch.cat(both, dim=1) for both in zip(h, (*x[:3], x[6]), strict=True)]
    space = [torch.cat(both, dim=1) for both in zip(x[3:6], m, strict=True)]
    bias_time = [a + b for a, b in zip(of_h, (*of_x[:3], of_x[6]), strict=True)]
    bias_time[3] += cell.conv_o.conv.bias.repeat(_FRAMES)  # type: ignore[union-attr]
    bias_space = [a + b for a, b in zip(of_x[3:6], of_m, strict=True)]
    for weights, biases in ((time, bias_time), (space, bias_space)):
        biases[1] += FORGET_BIAS
        weights[2] *= 2
        biases[2] *= 2
    return torch.cat(time), torch.cat(bias_time), torch.cat(space), torch.cat(bias_space)


def _clip(flat: Tensor) -> Tensor:
    """(B, L H, h, w) as a clip (B, H, L, h, w)."""
    return flat.unflatten(1, (_FRAMES, -1)).transpose(1, 2)  # type: ignore[no-untyped-call, no-any-return]


def _flat(clip: Tensor) -> Tensor:
    """A clip (B, H, L, h, w) as (B, L H, h, w)."""
    return clip.transpose(1, 2).flatten(1, 2)
