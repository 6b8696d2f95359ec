"""The cells of PredRNN++ (Wang et al., ICML 2018): Causal LSTM and the Gradient Highway Unit.

Dimensions: B batch, C channels, h rows, w columns (of the patched map).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size
from nowcast.models.cells.convlstm import FORGET_BIAS

MapSize = tuple[int, int] | None
"""(h, w) that layer norm ties the weights to; None without layer norm."""


class CausalLSTMState(NamedTuple):
    """Both (B, hidden_channels, h, w)."""

    hidden: Tensor
    cell: Tensor


class GHUState(NamedTuple):
    """The highway Z, (B, hidden_channels, h, w)."""

    hidden: Tensor


class NormedConv(nn.Module):
    """A convolution without bias that keeps the map's size, and a layer norm over what it gives if asked."""

    def __init__(self, in_channels: int, out_channels: int, filter_size: int, map_size: MapSize) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, filter_size, padding=filter_size // 2, bias=False)
        self.norm = nn.LayerNorm([out_channels, *map_size]) if map_size else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, h, w) and normalise over (channels, h, w)."""
        found: Tensor = self.norm(self.conv(x))
        return found


class CausalLSTM(RecurrentCell):
    """One Causal LSTM layer: the spatial memory is written after, and sees, the temporal one.

    Channel blocks are (i, f, g, i', f', g', o) of x, (i, f, g) of h and of C[t-1], (i', f', g', m) of the
    memory that comes in, (i', f', g', o) of C[t], and C before M where both are joined. The output gate is
    a tanh, so it is no share in [0, 1] and no highway of MotionRNN can use it.

    Because M passes through a convolution before it is kept, its width may change from layer to layer:
    ``memory_channels`` is that of the cell below (at the bottom: of the top).

    Source: Wang et al., PredRNN++, ICML 2018, the equations of Causal LSTM;
    see docs/explanation/differences.md.
    """

    carries_memory = False
    """It does carry one, but of each layer's own width: the layers need not have one hidden size."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        filter_size: int = 5,
        memory_channels: int | None = None,
        map_size: MapSize = None,
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.memory_channels = memory_channels or hidden_channels
        wide = hidden_channels
        self.conv_x = NormedConv(in_channels, 7 * wide, filter_size, map_size)
        self.conv_h = NormedConv(wide, 3 * wide, filter_size, map_size)
        self.conv_c = NormedConv(wide, 3 * wide, filter_size, map_size)
        self.conv_m = NormedConv(self.memory_channels, 4 * wide, filter_size, map_size)
        self.conv_new_c = NormedConv(wide, 4 * wide, filter_size, map_size)
        self.conv_new_m = NormedConv(wide, wide, filter_size, map_size)
        self.conv_last = nn.Conv2d(2 * wide, wide, 1, bias=False)

    def initial_state(self, x: Tensor) -> CausalLSTMState:
        """Zeros (B, hidden_channels, h, w)."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return CausalLSTMState(zeros, zeros)

    def forward(self, x: Tensor, state: CausalLSTMState, relay: Relay) -> CellOutput:
        """Take one time step; ``relay.memory`` None stands for zeros."""
        memory = relay.memory
        if memory is None:
            memory = x.new_zeros(x.shape[0], self.memory_channels, *x.shape[2:])
        wide = self.hidden_channels
        of_x, of_m = self.conv_x(x), self.conv_m(memory)
        i, f, g = (of_x[:, : 3 * wide] + self.conv_h(state.hidden) + self.conv_c(state.cell)).chunk(3, dim=1)
        cell = torch.sigmoid(f + FORGET_BIAS) * state.cell + torch.sigmoid(i) * torch.tanh(g)
        of_c = self.conv_new_c(cell)
        i, f, g = (of_x[:, 3 * wide : 6 * wide] + of_m[:, : 3 * wide] + of_c[:, : 3 * wide]).chunk(3, dim=1)
        memory = torch.sigmoid(f + FORGET_BIAS) * torch.tanh(of_m[:, 3 * wide :])
        memory = memory + torch.sigmoid(i) * torch.tanh(g)
        gate = torch.tanh(of_x[:, 6 * wide :] + of_c[:, 3 * wide :] + self.conv_new_m(memory))
        hidden = gate * torch.tanh(self.conv_last(torch.cat([cell, memory], dim=1)))
        return CellOutput(hidden, CausalLSTMState(hidden, cell), relay._replace(memory=memory))


class GradientHighwayUnit(RecurrentCell):
    """The Gradient Highway Unit between the bottom Causal LSTM and the next: a short way through time.

    Z = S * P + (1 - S) * Z[t-1], with P = tanh and S = sigmoid of what comes in and of Z[t-1]; channel
    blocks are (p, s). The memory of the stack passes by untouched.

    Source: Wang et al., PredRNN++, ICML 2018, the equations of GHU.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, filter_size: int = 5, map_size: MapSize = None
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.conv_x = NormedConv(in_channels, 2 * hidden_channels, filter_size, map_size)
        self.conv_z = NormedConv(hidden_channels, 2 * hidden_channels, filter_size, map_size)

    def initial_state(self, x: Tensor) -> GHUState:
        """Zeros (B, hidden_channels, h, w)."""
        return GHUState(x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:]))

    def forward(self, x: Tensor, state: GHUState, relay: Relay) -> CellOutput:
        """Take one time step."""
        p, s = (self.conv_x(x) + self.conv_z(state.hidden)).chunk(2, dim=1)
        highway = state.hidden + torch.sigmoid(s) * (torch.tanh(p) - state.hidden)
        return CellOutput(highway, GHUState(highway), relay)
