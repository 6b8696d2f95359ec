"""ConvLSTM (Shi et al., NeurIPS 2015), with or without a convolutional peephole.

Dimensions: B batch, C channels, h rows, w columns (of the patched map).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size

FORGET_BIAS = 1.0
"""Added to the forget gate before the sigmoid, as in every cell of the PredRNN family."""


class ConvLSTMState(NamedTuple):
    """Both (B, hidden_channels, h, w)."""

    hidden: Tensor
    cell: Tensor


class ConvLSTM(RecurrentCell):
    """One ConvLSTM layer, equation 3 of the paper.

    With ``peephole`` the Hadamard products W_c * C, which would tie the weights to one map size, are
    convolutions: input and forget gate see C[t-1], the output gate sees C[t]. That is the ConvLSTM whose
    parameters and multiply-accumulates Table 2 of the MotionRNN paper counts. No convolution has a bias.

    Source: Shi et al., Convolutional LSTM Network, NeurIPS 2015; Wu et al., MotionRNN, CVPR 2021, Table 2.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, filter_size: int = 5, peephole: bool = True
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        size, pad, wide = filter_size, filter_size // 2, hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 4 * wide, size, padding=pad, bias=False)
        self.conv_h = nn.Conv2d(wide, 4 * wide, size, padding=pad, bias=False)
        self.peephole = peephole
        if peephole:
            self.conv_c = nn.Conv2d(wide, 2 * wide, size, padding=pad, bias=False)
            self.conv_o = nn.Conv2d(wide, wide, size, padding=pad, bias=False)

    def initial_state(self, x: Tensor) -> ConvLSTMState:
        """Zeros (B, hidden_channels, h, w)."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return ConvLSTMState(zeros, zeros)

    def gates(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Input, forget, candidate and output before their peephole, (B, 4 * hidden_channels, h, w)."""
        joined: Tensor = self.conv_x(x) + self.conv_h(hidden)
        return joined

    def forward(self, x: Tensor, state: ConvLSTMState, relay: Relay) -> CellOutput:
        """Take one time step; the relay passes by untouched, but for what starts anew at each layer."""
        i, f, g, o = self.gates(x, state.hidden).chunk(4, dim=1)
        if self.peephole:
            ci, cf = self.conv_c(state.cell).chunk(2, dim=1)
            i, f = i + ci, f + cf
        cell = torch.sigmoid(f + FORGET_BIAS) * state.cell + torch.sigmoid(i) * torch.tanh(g)
        gate = torch.sigmoid(o + self.conv_o(cell) if self.peephole else o)
        hidden = gate * torch.tanh(cell)
        return CellOutput(hidden, ConvLSTMState(hidden, cell), relay, gate)
