"""What several of the plain networks have: a ConvLSTM, kernels of positive taps, the joining of frames.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Output and cell (h, c)."""


class BasicConvLSTM(nn.Module):
    """ConvLSTM of one convolution, gates i, j, f, o, a forget bias of 1 and no peepholes."""

    def __init__(self, inputs: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(inputs + hidden, 4 * hidden, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, state: State | None) -> State:
        """One step; no state is zeros."""
        h, c = self.zeros(x) if state is None else state
        i, j, f, o = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, c

    def zeros(self, x: Tensor) -> State:
        """The state before the first frame."""
        zeros = x.new_zeros(len(x), self.hidden, *x.shape[2:])
        return zeros, zeros


def positive_kernels(raw: Tensor, dim: int) -> Tensor:
    """Taps that are at least zero and sum to 1 along ``dim``."""
    taps = F.relu(raw - 1e-12) + 1e-12
    return taps / taps.sum(dim, keepdim=True)


def move(padded: Tensor, kernels: Tensor) -> Tensor:
    """Frames (B, C, H + 4, W + 4) correlated with their own kernels (B, M, 5, 5): (B, M, C, H, W)."""
    batch, channels = padded.shape[:2]
    many = kernels.shape[1]
    weight = kernels.unsqueeze(1).expand(-1, channels, -1, -1, -1)
    weight = weight.reshape(batch * channels * many, 1, *kernels.shape[2:])
    moved = F.conv2d(padded.reshape(1, batch * channels, *padded.shape[2:]), weight, groups=batch * channels)
    return moved.view(batch, channels, many, *moved.shape[2:]).transpose(1, 2)


def shifts(frame: Tensor, size: int) -> Tensor:
    """The ``size * size`` neighbours of each pixel (B, size * size, C, H, W), zero outside."""
    batch, channels, rows, columns = frame.shape
    taps = F.unfold(frame, size, padding=size // 2)
    return taps.view(batch, channels, size * size, rows, columns).transpose(1, 2)


def rectified(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Each layer followed by a ReLU."""
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


def unpool(x: Tensor) -> Tensor:
    """Twice the rows and columns: each value at (2i, 2j), zeros elsewhere."""
    large = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    large[:, :, ::2, ::2] = x
    return large
