"""The cell of MIM, Memory in Memory (Wang et al., CVPR 2019): two memories in the place of a forget gate.

Dimensions: B batch, C channels, h rows, w columns (of the patched map).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size
from nowcast.models.cells.convlstm import FORGET_BIAS


class MIMState(NamedTuple):
    """What a MIM cell hands itself at the next step; all (B, hidden_channels, h, w) but ``below``."""

    hidden: Tensor
    """H"""
    cell: Tensor
    """C"""
    stationary: Tensor
    """S, the memory inside MIM-S."""
    difference: Tensor
    """D, the output of MIM-N."""
    nonstationary: Tensor
    """N, the memory inside MIM-N."""
    below: Tensor | None
    """(B, in_channels, h, w): what came from below one step ago; None before the first step."""


class MemoryBlock(nn.Module):
    """An LSTM without a place in the stack: MIM-N and MIM-S are one such block each.

    Channel blocks are (i, f, g, o) of both convolutions. ``map_size`` adds the Hadamard peepholes of the
    published code: i and f see the old memory, o the new one, each with a weight of its own at every place.
    """

    def __init__(
        self, in_channels: int, channels: int, filter_size: int, map_size: tuple[int, int] | None
    ) -> None:
        super().__init__()
        pad = filter_size // 2
        self.conv_x = nn.Conv2d(in_channels, 4 * channels, filter_size, padding=pad, bias=False)
        self.conv_h = nn.Conv2d(channels, 4 * channels, filter_size, padding=pad, bias=False)
        self.peephole = map_size is not None
        if map_size is not None:
            self.weight_i = nn.Parameter(torch.zeros(channels, *map_size))
            self.weight_f = nn.Parameter(torch.zeros(channels, *map_size))
            self.weight_o = nn.Parameter(torch.zeros(channels, *map_size))

    def forward(self, x: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the block and its new memory, both (B, channels, h, w)."""
        i, f, g, o = (self.conv_x(x) + self.conv_h(hidden)).chunk(4, dim=1)
        if self.peephole:
            i, f = i + self.weight_i * memory, f + self.weight_f * memory
        memory = torch.sigmoid(f + FORGET_BIAS) * memory + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole:
            o = o + self.weight_o * memory
        return torch.sigmoid(o) * torch.tanh(memory), memory


class MIMCell(RecurrentCell):
    """One MIM block, for every layer but the bottom one, which is an ST-LSTM.

    MIM-N keeps how the input from below changes from step to step; MIM-S takes its output together
    with C[t-1], and what comes out stands where an ST-LSTM has f * C[t-1]. At the first step there is no
    change yet: the difference is zero. No convolution has a bias.

    Channel blocks are (i, f', g, o) of x, whose i and g serve both memories, (i, g, o) of h,
    (i', f', g', o) of M, and C before M where both are joined.

    Args:
        in_channels: of what comes from below.
        hidden_channels: of all maps of the state.
        filter_size: odd side of all convolutions but the last.
        map_size: (h, w) for Hadamard peepholes in MIM-N and MIM-S, which tie the weights to that map.
        relayed: take as difference the output of the MIM-N of the cell below, where there is one, as the
            published code does; False takes the difference of what comes from below, as the paper does.

    Source: Wang et al., Memory in Memory, CVPR 2019; see docs/explanation/differences.md.
    """

    carries_memory = True

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        filter_size: int = 5,
        map_size: tuple[int, int] | None = None,
        relayed: bool = False,
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.relayed = relayed
        size, pad, wide = filter_size, filter_size // 2, hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 4 * wide, size, padding=pad, bias=False)
        self.conv_h = nn.Conv2d(wide, 3 * wide, size, padding=pad, bias=False)
        self.conv_m = nn.Conv2d(wide, 4 * wide, size, padding=pad, bias=False)
        self.conv_last = nn.Conv2d(2 * wide, wide, 1, bias=False)
        self.mim_n = MemoryBlock(in_channels, wide, size, map_size)
        self.mim_s = MemoryBlock(wide, wide, size, map_size)

    def initial_state(self, x: Tensor) -> MIMState:
        """Zeros (B, hidden_channels, h, w), and nothing as what came from below."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return MIMState(zeros, zeros, zeros, zeros, zeros, None)

    def forward(self, x: Tensor, state: MIMState, relay: Relay) -> CellOutput:
        """Take one time step; ``relay.memory`` None stands for zeros."""
        memory = torch.zeros_like(state.cell) if relay.memory is None else relay.memory
        difference, nonstationary = self.mim_n(
            self._change(x, state, relay), state.difference, state.nonstationary
        )
        kept, stationary = self.mim_s(difference, state.cell, state.stationary)
        xi, xf, xg, xo = self.conv_x(x).chunk(4, dim=1)
        hi, hg, ho = self.conv_h(state.hidden).chunk(3, dim=1)
        mi, mf, mg, mo = self.conv_m(memory).chunk(4, dim=1)
        cell = kept + torch.sigmoid(xi + hi) * torch.tanh(xg + hg)
        memory = torch.sigmoid(xf + mf + FORGET_BIAS) * memory + torch.sigmoid(xi + mi) * torch.tanh(xg + mg)
        gate = torch.sigmoid(xo + ho + mo)
        hidden = gate * torch.tanh(self.conv_last(torch.cat([cell, memory], dim=1)))
        after = MIMState(hidden, cell, stationary, difference, nonstationary, x)
        return CellOutput(hidden, after, self._relay(relay, memory, difference), gate)

    def _change(self, x: Tensor, state: MIMState, relay: Relay) -> Tensor:
        if self.relayed and relay.difference is not None:
            return relay.difference
        return torch.zeros_like(x) if state.below is None else x - state.below

    def _relay(self, relay: Relay, memory: Tensor, difference: Tensor) -> Relay:
        return relay._replace(memory=memory, difference=difference if self.relayed else None)
