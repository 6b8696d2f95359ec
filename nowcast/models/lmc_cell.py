"""The ConvLSTM layer of LMC-Memory: no peepholes, no forget bias, both convolutions as one.

Letters: B batch, D channels of the input, K hidden channels, h rows, w columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.packed import convolve, pack, packs
from nowcast.models.winograd import WinogradConvolution


class LmcState(NamedTuple):
    """Memory of one layer, and its two convolutions laid side by side for the whole sequence."""

    hidden: Tensor
    """(B, K, h, w)"""
    cell: Tensor
    """(B, K, h, w)"""
    weight: Tensor | None
    """(4 K, D + K, 3, 3): joined (and without gradients packed) once a sequence, not once a step."""
    bias: Tensor | None
    """(4 K,)"""


class LmcConvLSTM(RecurrentCell):
    """A ConvLSTM layer whose gates stand in the order input, candidate, forget, output.

    The input's and the hidden map's convolutions hold their own parameters, biases too: joining
    them for good would halve the number of biases and so change what Adam does to their sum.

    Source: Shi et al., NeurIPS 2015, Eq. 3 without the peepholes; gate order of the published code
    of LMC-Memory (Lee et al., CVPR 2021).
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 4 * hidden_channels, 3, padding=1)
        self.conv_h = nn.Conv2d(hidden_channels, 4 * hidden_channels, 3, padding=1)

    def initial_state(self, x: Tensor) -> LmcState:
        """Give zeros, and the joined convolutions, before the first step."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[-2:])
        weight, bias = self.joined()
        if torch.is_autocast_enabled(x.device.type):
            weight = weight.to(torch.get_autocast_dtype(x.device.type))
            bias = bias.to(weight.dtype)
        if packs(weight):
            weight = pack(weight, (1, 1), (x.shape[0], *x.shape[-2:]))
        return LmcState(zeros, zeros, weight, bias)

    def joined(self) -> tuple[Tensor, Tensor]:
        """Give weight (4 K, D + K, 3, 3) and bias (4 K,) of the one convolution that both make."""
        assert self.conv_x.bias is not None
        assert self.conv_h.bias is not None
        weight = torch.cat([self.conv_x.weight, self.conv_h.weight], dim=1)
        return weight, self.conv_x.bias + self.conv_h.bias

    def packable(self) -> LmcConvLSTM:
        """Give a twin for `nowcast.models.fast`: the two convolutions as one, for good."""
        return FusedLmcConvLSTM(self)

    def gates(self, joined: Tensor, state: LmcState) -> Tensor:
        """Give input, candidate, forget and output (B, 4 K, h, w) of input and hidden map (B, D + K, h, w)."""
        assert state.weight is not None
        if state.weight.is_mkldnn:
            return convolve(joined, state.weight, state.bias, (1, 1))
        return F.conv2d(joined, state.weight, state.bias, padding=1)

    def forward(self, x: Tensor, state: LmcState, relay: Relay) -> CellOutput:
        """Take one step: see `RecurrentCell.forward`."""
        gates = self.gates(torch.cat([x, state.hidden.to(x.dtype)], dim=1), state)
        enter, candidate, forget, leave = gates.chunk(4, dim=1)
        kept = torch.sigmoid(forget) * state.cell
        cell = kept + torch.sigmoid(enter) * torch.tanh(candidate)
        gate = torch.sigmoid(leave)
        hidden = gate * torch.tanh(cell)
        return CellOutput(hidden, state._replace(hidden=hidden, cell=cell), relay, gate)


class FusedLmcConvLSTM(LmcConvLSTM):
    """`LmcConvLSTM` with one convolution over input and hidden map; forecasts only, on even maps."""

    def __init__(self, cell: LmcConvLSTM) -> None:
        RecurrentCell.__init__(self)
        self.in_channels, self.hidden_channels = cell.in_channels, cell.hidden_channels
        weight, bias = (part.detach() for part in cell.joined())
        self.conv: nn.Module = WinogradConvolution(weight, bias)
        if weight.dtype == torch.bfloat16:  # too coarse for Winograd's differences
            self.conv = nn.Conv2d(weight.shape[1], len(weight), 3, padding=1, dtype=weight.dtype)
            self.conv.weight, self.conv.bias = nn.Parameter(weight), nn.Parameter(bias)
            self.conv.requires_grad_(False)

    def initial_state(self, x: Tensor) -> LmcState:
        """Give zeros."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[-2:])
        return LmcState(zeros, zeros, None, None)

    def gates(self, joined: Tensor, state: LmcState) -> Tensor:
        """Give the four gates."""
        found: Tensor = self.conv(joined)
        return found
