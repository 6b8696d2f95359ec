"""Conv-TT-LSTM (Su et al., NeurIPS 2020): an LSTM on several past hidden maps, by a tensor train.

Dimensions: B batch, C channels, h rows, w columns (of the patched map), H hidden channels;
N order of the train, M past steps that it sees.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size


class ConvTTState(NamedTuple):
    """What the cell hands itself at the next step; all maps (B, H, h, w)."""

    hidden: Tensor
    cell: Tensor
    older: tuple[Tensor, ...]
    """The M - 1 hidden maps before ``hidden``, oldest first."""


class ConvTTLSTM(RecurrentCell):
    """One Conv-TT-LSTM layer with the fixed window of the paper.

    The last M hidden maps are read in N overlapping windows of M - N + 1 maps, the oldest first, each
    reduced to the rank by a convolution. A chain of convolutions, the tensor train, carries them from the
    oldest to the newest, V[o] = window[o] + conv(V[o-1]); the last one and the input give the four gates
    (i, f, g, o).

    Args:
        in_channels: C.
        hidden_channels: H.
        filter_size: odd side of all convolutions.
        order: N, 1 or more. With 1 and ``past_steps`` 1 it is a ConvLSTM through a bottleneck.
        past_steps: M, not less than N.
        rank: channels that pass along the train.

    Source: Su et al., Convolutional Tensor-Train LSTM, NeurIPS 2020; see docs/explanation/differences.md.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        filter_size: int = 5,
        order: int = 3,
        past_steps: int = 3,
        rank: int = 8,
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.order, self.past_steps = order, past_steps
        self.window = past_steps - order + 1
        size, pad, wide = filter_size, filter_size // 2, hidden_channels
        self.windows = nn.ModuleList(
            nn.Conv2d(self.window * wide, rank, size, padding=pad) for _ in range(order)
        )
        self.train_links = nn.ModuleList(
            nn.Conv2d(rank, rank, size, padding=pad, bias=False) for _ in range(order - 1)
        )
        self.conv = nn.Conv2d(in_channels + rank, 4 * wide, size, padding=pad)

    def initial_state(self, x: Tensor) -> ConvTTState:
        """Zeros for the cell and for all M past hidden maps."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return ConvTTState(zeros, zeros, (zeros,) * (self.past_steps - 1))

    def forward(self, x: Tensor, state: ConvTTState, relay: Relay) -> CellOutput:
        """Take one time step; the relay passes by untouched."""
        past = (*state.older, state.hidden)
        gates = self.conv(torch.cat([x, self._train(past)], dim=1))
        i, f, g, o = gates.chunk(4, dim=1)
        cell = torch.sigmoid(f) * state.cell + torch.sigmoid(i) * torch.tanh(g)
        gate = torch.sigmoid(o)
        hidden = gate * torch.tanh(cell)
        return CellOutput(hidden, ConvTTState(hidden, cell, past[1:]), relay, gate)

    def _train(self, past: tuple[Tensor, ...]) -> Tensor:
        """The output of the tensor train for the M past hidden maps, (B, rank, h, w)."""
        train: Tensor | None = None
        for number, reduce in enumerate(self.windows):
            window = torch.cat(past[number : number + self.window], dim=1)
            reduced: Tensor = reduce(window)
            train = reduced if train is None else reduced + self.train_links[number - 1](train)
        assert train is not None
        return train
