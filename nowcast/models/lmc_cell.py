"""The ConvLSTM layer of LMC-Memory: no peepholes, no forget bias, both convolutions as one.

Letters: B batch, D channels of the input, K hidden channels, h rows, w columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay


class LmcState(NamedTuple):
    """Memory of one layer, and its two convolutions laid side by side for the whole sequence."""

    hidden: Tensor
    """(B, K, h, w)"""
    cell: Tensor
    """(B, K, h, w)"""
    weight: Tensor
    """(4 K, D + K, 3, 3): joined once a sequence, not once a step; gradients flow through it."""
    bias: Tensor
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
        assert self.conv_x.bias is not None
        assert self.conv_h.bias is not None
        weight = torch.cat([self.conv_x.weight, self.conv_h.weight], dim=1)
        bias = self.conv_x.bias + self.conv_h.bias
        if torch.is_autocast_enabled(x.device.type):
            weight = weight.to(torch.get_autocast_dtype(x.device.type))
        return LmcState(zeros, zeros, weight, bias)

    def forward(self, x: Tensor, state: LmcState, relay: Relay) -> CellOutput:
        """Take one step: see `RecurrentCell.forward`."""
        joined = torch.cat([x, state.hidden.to(x.dtype)], dim=1)
        gates = F.conv2d(joined, state.weight, state.bias, padding=1)
        enter, candidate, forget, leave = gates.chunk(4, dim=1)
        kept = torch.sigmoid(forget) * state.cell
        cell = kept + torch.sigmoid(enter) * torch.tanh(candidate)
        gate = torch.sigmoid(leave)
        hidden = gate * torch.tanh(cell)
        return CellOutput(hidden, state._replace(hidden=hidden, cell=cell), relay, gate)
