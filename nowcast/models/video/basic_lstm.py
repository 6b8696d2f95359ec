"""The ConvLSTM layer of TensorFlow's days: CDNA, VPN, MCNet, STMFANet and PhyDNet are built with it.

Dimensions: B batch, C channels, h rows, w columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import check_filter_size
from nowcast.models.cells.convlstm import FORGET_BIAS


class BasicLSTMState(NamedTuple):
    """Both (B, hidden_channels, h, w)."""

    cell: Tensor
    hidden: Tensor


class BasicConvLSTM(nn.Module):
    """One convolution with bias over input and hidden map gives all gates: no peephole, a constant forget bias.

    Why beside `nowcast.models.cells.convlstm`: that one is counted without bias and with a peephole, these
    networks with a bias and without.

    Source: Shi et al., Convolutional LSTM Network, NeurIPS 2015, in the form of Finn et al. 2016 (CDNA).
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, filter_size: int, forget_bias: float = FORGET_BIAS
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.hidden_channels, self.forget_bias = hidden_channels, forget_bias
        joined = in_channels + hidden_channels
        self.gates = nn.Conv2d(joined, 4 * hidden_channels, filter_size, padding=filter_size // 2)

    def initial_state(self, batch: int, rows: int, columns: int, like: Tensor) -> BasicLSTMState:
        """Zeros on the device and in the dtype of ``like``."""
        zeros = like.new_zeros(batch, self.hidden_channels, rows, columns)
        return BasicLSTMState(zeros, zeros)

    def forward(self, x: Tensor, state: BasicLSTMState) -> BasicLSTMState:
        """Take one time step; the new hidden map is ``state.hidden`` of what comes out."""
        i, g, f, o = self.gates(torch.cat([x, state.hidden], dim=1)).chunk(4, dim=1)
        cell = state.cell * torch.sigmoid(f + self.forget_bias) + torch.sigmoid(i) * torch.tanh(g)
        return BasicLSTMState(cell, torch.tanh(cell) * torch.sigmoid(o))
