"""The spatiotemporal LSTM of PredRNN (Wang et al., NeurIPS 2017).

Dimensions: B batch, C channels, h rows, w columns (of the patched map).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size
from nowcast.models.cells.convlstm import FORGET_BIAS
from nowcast.models.cpu.training_tiles import TiledConvolution, trains_tiled


class JoinedGates(NamedTuple):
    """For training on a CPU: the gates' convolutions over what they read together, prepared for a sequence."""

    time: TiledConvolution
    """Of x and h: (i, f, g, o)."""
    space: TiledConvolution
    """Of x and M: (i', f', g')."""


class STLSTMState(NamedTuple):
    """All (B, hidden_channels, h, w)."""

    hidden: Tensor
    cell: Tensor
    taken_in: tuple[Tensor, Tensor] | None = None
    """What the input gates let into C and into M at this step, where the cell keeps it."""
    joined: JoinedGates | None = None
    """Constant; None where convolutions are done one by one."""


class STLSTM(RecurrentCell):
    """One ST-LSTM layer: a temporal cell C of its own and the spatial memory M that climbs the stack.

    Channel blocks are (i, f, g, i', f', g', o) of x, (i, f, g, o) of h, (i', f', g') of M, and C before
    M where both are joined. ``map_size`` switches on the layer norm over (channels, h, w) of the published
    code after each of the four gate convolutions; it ties the weights to that map.

    Source: Wang et al., PredRNN, NeurIPS 2017, equation 3.
    """

    carries_memory = True
    keeps_taken_in = False
    """Keep `STLSTMState.taken_in` while gradients are computed, for a loss on it."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        filter_size: int = 5,
        map_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        size, pad, wide = filter_size, filter_size // 2, hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 7 * wide, size, padding=pad, bias=False)
        self.conv_h = nn.Conv2d(wide, 4 * wide, size, padding=pad, bias=False)
        self.conv_m = nn.Conv2d(wide, 3 * wide, size, padding=pad, bias=False)
        self.conv_o = nn.Conv2d(2 * wide, wide, size, padding=pad, bias=False)
        self.conv_last = nn.Conv2d(2 * wide, wide, 1, bias=False)
        self.norm_x = _norm(7 * wide, map_size)
        self.norm_h = _norm(4 * wide, map_size)
        self.norm_m = _norm(3 * wide, map_size)
        self.norm_o = _norm(wide, map_size)

    def initial_state(self, x: Tensor) -> STLSTMState:
        """Zeros (B, hidden_channels, h, w)."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return STLSTMState(zeros, zeros, joined=self.join(zeros))

    def join(self, like: Tensor) -> JoinedGates | None:
        """Prepare the gates' convolutions for maps like this one; None where that serves nothing."""
        whole = all(isinstance(conv, nn.Conv2d) for conv in (self.conv_x, self.conv_h, self.conv_m))
        plain = whole and isinstance(self.norm_x, nn.Identity)
        if not plain or not torch.is_grad_enabled() or like.device.type != "cpu":
            return None
        wide = self.hidden_channels
        x, h, m = self.conv_x.weight, self.conv_h.weight, self.conv_m.weight
        time = torch.cat([torch.cat([x[: 3 * wide], x[6 * wide :]]), h], dim=1)
        space = torch.cat([x[3 * wide : 6 * wide], m], dim=1)
        if not trains_tiled(like, time) or not trains_tiled(like, space):
            return None
        return JoinedGates(TiledConvolution(time, like), TiledConvolution(space, like))

    def gates(
        self, x: Tensor, hidden: Tensor, memory: Tensor, joined: JoinedGates | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gates (i, f, g), (i', f', g') and what of o does not depend on C and M, before the sigmoid."""
        if joined is not None:
            split = [3 * self.hidden_channels, self.hidden_channels]
            time, output = joined.time(x, hidden).split_with_sizes(split, dim=1)
            return time, joined.space(x, memory), output
        from_x: Tensor = self.norm_x(self.conv_x(x))
        from_h: Tensor = self.norm_h(self.conv_h(hidden))
        from_m: Tensor = self.norm_m(self.conv_m(memory))
        wide = self.hidden_channels
        time = from_x[:, : 3 * wide] + from_h[:, : 3 * wide]
        space = from_x[:, 3 * wide : 6 * wide] + from_m
        return time, space, from_x[:, 6 * wide :] + from_h[:, 3 * wide :]

    def forward(self, x: Tensor, state: STLSTMState, relay: Relay) -> CellOutput:
        """Take one time step; ``relay.memory`` None stands for zeros."""
        memory = torch.zeros_like(state.cell) if relay.memory is None else relay.memory
        time, space, output = self.gates(x, state.hidden, memory, state.joined)
        cell, into_cell = _update(time, state.cell)
        memory, into_memory = _update(space, memory)
        both = torch.cat([cell, memory], dim=1)
        gate = torch.sigmoid(output + self.norm_o(self.conv_o(both)))
        hidden = gate * torch.tanh(self.conv_last(both))
        taken_in = (into_cell, into_memory) if self.keeps_taken_in and torch.is_grad_enabled() else None
        new = STLSTMState(hidden, cell, taken_in, state.joined)
        return CellOutput(hidden, new, relay._replace(memory=memory), gate)


def _norm(channels: int, map_size: tuple[int, int] | None) -> nn.Module:
    return nn.LayerNorm([channels, *map_size]) if map_size else nn.Identity()


def _update(gates: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Forget and take in; also return what was taken in.

    ``gates`` (B, 3C, h, w) are in the order input, forget, candidate.
    """
    i, f, g = gates.chunk(3, dim=1)
    taken_in = torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(f + FORGET_BIAS) * old + taken_in, taken_in
