"""The layers of SAVP's generator: halving and doubling convolutions, each with a normed ConvLSTM above it.

Dimensions: B batch, C channels, Z numbers of the latent vector, h rows, w columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.cells.convlstm import FORGET_BIAS
from nowcast.models.video.basic_lstm import BasicLSTMState

_EPS = 1e-6


def instance_norm(channels: int) -> nn.GroupNorm:
    """Norm of each sample and channel over its map, with a scale and a shift a channel."""
    return nn.GroupNorm(channels, channels, eps=_EPS)


def tiled(x: Tensor, latent: Tensor) -> Tensor:
    """Put a latent vector (B, Z) behind every place of a map (B, C, h, w): (B, C + Z, h, w)."""
    places = latent.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[-2:])
    return torch.cat([x, places], dim=1)


def doubled(x: Tensor) -> Tensor:
    """Twice the rows and columns, bilinear between pixel centres, with zeros beyond the border."""
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[..., 2:-2, 2:-2]


class NormedConvLSTM(nn.Module):
    """A ConvLSTM without bias whose four gates and whose cell are normed; no peephole, forget bias 1.

    Why beside `nowcast.models.video.basic_lstm`: that one has biases and no norm.
    """

    def __init__(self, in_channels: int, channels: int, filter_size: int = 5) -> None:
        super().__init__()
        joined, pad = in_channels + channels, filter_size // 2
        self.gates = nn.Conv2d(joined, 4 * channels, filter_size, padding=pad, bias=False)
        self.norm_gates = instance_norm(4 * channels)
        self.norm_cell = instance_norm(channels)

    def forward(self, x: Tensor, state: BasicLSTMState) -> BasicLSTMState:
        """Take one time step; the normed cell is both kept and used."""
        gates = self.norm_gates(self.gates(torch.cat([x, state.hidden], dim=1)))
        i, g, f, o = gates.chunk(4, dim=1)
        cell = state.cell * torch.sigmoid(f + FORGET_BIAS) + torch.sigmoid(i) * torch.tanh(g)
        cell = self.norm_cell(cell)
        return BasicLSTMState(cell, torch.tanh(cell) * torch.sigmoid(o))


class ScaleLayer(nn.Module):
    """A convolution to half or twice the size, norm, ReLU, and a ConvLSTM where there is one.

    Args:
        in_channels: of the map that comes in, without the latent vector.
        channels: of the map that goes out.
        latent: Z; the vector is put behind the input of the convolution and of the ConvLSTM.
        filter_size: of the convolution.
        halves: average four pixels after the convolution; else double before it.
        recurrent: put a ConvLSTM above.
    """

    def __init__(
        self, in_channels: int, channels: int, latent: int, filter_size: int, *, halves: bool, recurrent: bool
    ) -> None:
        super().__init__()
        self.channels, self.halves = channels, halves
        self.convolution = nn.Conv2d(in_channels + latent, channels, filter_size, padding=filter_size // 2)
        self.norm = instance_norm(channels)
        self.cell = NormedConvLSTM(channels + latent, channels) if recurrent else None

    def forward(
        self, x: Tensor, latent: Tensor, state: BasicLSTMState | None
    ) -> tuple[Tensor, BasicLSTMState | None]:
        """Return the map (B, channels, h, w) and the state; None as a state is zeros."""
        x = tiled(x, latent)
        x = F.avg_pool2d(self.convolution(x), 2) if self.halves else self.convolution(doubled(x))
        x = torch.relu(self.norm(x))
        if self.cell is None:
            return x, None
        if state is None:
            zeros = torch.zeros_like(x)
            state = BasicLSTMState(zeros, zeros)
        found: BasicLSTMState = self.cell(tiled(x, latent), state)
        return found.hidden, found
