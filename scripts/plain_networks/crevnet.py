"""CrevNet: a two-way autoencoder of packets of three frames around a reversible predictive module.

Dimensions: B batch, C channels, P = 3 frames of a packet, H rows, W columns.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


def squeeze(x: Tensor) -> Tensor:
    """(B, C, P, H, W) -> (B, 4 C, P, H / 2, W / 2); channel q = (2 dh + dw) C + c."""
    return torch.cat([x[..., dh::2, dw::2] for dh in (0, 1) for dw in (0, 1)], dim=1)


def spread(x: Tensor) -> Tensor:
    """The inverse of `squeeze`."""
    batch, channels, packet, rows, columns = x.shape
    large = x.new_empty(batch, channels // 4, packet, 2 * rows, 2 * columns)
    parts = x.chunk(4, dim=1)
    for dh in (0, 1):
        for dw in (0, 1):
            large[..., dh::2, dw::2] = parts[2 * dh + dw]
    return large


def conv(inputs: int, outputs: int, bias: bool = True, stride: int = 1) -> nn.Conv3d:
    """A convolution of 3 x 3 x 3 that strides over rows and columns only."""
    return nn.Conv3d(inputs, outputs, 3, stride=(1, stride, stride), padding=1, bias=bias)


class CouplingBlock(nn.Module):
    """One block that can be run backwards."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.stride = stride
        inner = max(1, outputs // 2)
        start: list[nn.Module] = [] if first else [nn.BatchNorm3d(inputs), nn.ReLU()]
        self.change = nn.Sequential(
            *start,
            conv(inputs, inner, False, stride),
            nn.BatchNorm3d(inner),
            nn.ReLU(),
            conv(inner, inner, False),
            nn.BatchNorm3d(inner),
            nn.ReLU(),
            conv(inner, outputs, False),
        )

    def forward(self, pair: Pair) -> Pair:
        """Towards the features."""
        x1, x2 = pair
        change = self.change(x2)
        if self.stride == 2:
            x1, x2 = squeeze(x1), squeeze(x2)
        return x2, x1 + change

    def inverse(self, pair: Pair) -> Pair:
        """Towards the packet."""
        x2, v = pair
        if self.stride == 2:
            x2 = spread(x2)
        x1 = v - self.change(x2)
        return (spread(x1) if self.stride == 2 else x1), x2


class STCell(nn.Module):
    """An ST-LSTM whose gates read its own cell, without a forget bias."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.temporal, self.spatial = conv(3 * n, 3 * n), conv(3 * n, 3 * n)
        self.output = conv(4 * n, n)
        self.mix = nn.Conv3d(2 * n, n, 1)

    def forward(self, x: Tensor, m: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The new h, c and M."""
        i, f, g = self.temporal(torch.cat([x, h, c], dim=1)).chunk(3, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        i, f, g = self.spatial(torch.cat([x, m, c], dim=1)).chunk(3, dim=1)
        m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
        o = torch.sigmoid(self.output(torch.cat([x, h, c, m], dim=1)))
        return o * torch.tanh(self.mix(torch.cat([c, m], dim=1))), c, m


class ConvCell(nn.Module):
    """A ConvLSTM in its place, gates i, f, g, o without a forget bias; the memory M passes by."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.gates = conv(2 * n, 4 * n)

    def forward(self, x: Tensor, m: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The new h and c, and M as it was."""
        i, f, g, o = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.tanh(c) * torch.sigmoid(o), c, m


class PlainCrevNet(nn.Module):
    """The network of one channel, with batch norms."""

    def __init__(self, cell: str = "stlstm", layers: int = 8, blocks: tuple[int, ...] = (4, 5, 3)) -> None:
        super().__init__()
        self.coupling = nn.ModuleList()
        half = 2
        for stage, many in enumerate(blocks):
            for at in range(many):
                stride = 2 if stage and not at else 1
                out = 4 * half if stride == 2 else half
                self.coupling.append(CouplingBlock(half, out, stride, first=not stage and not at))
                half = out
        self.cells = nn.ModuleList(STCell(half) if cell == "stlstm" else ConvCell(half) for _ in range(layers))
        self.attention = nn.ModuleList(nn.Conv3d(half, half, 1) for _ in range(layers))

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        frames = list(past.unbind(1))
        known = len(frames)
        state: list[Pair] | None = None
        memory: Tensor | None = None
        forecast: list[Tensor] = []
        predicted = past.transpose(1, 2)  # the first step replaces it
        for i in range(known - 3 + steps):
            if i <= known - 3:
                packet = torch.stack(frames[i : i + 3], dim=2)
            else:  # what is known of the packet that was predicted takes the place of the prediction
                packet = torch.stack([*frames[i:], *predicted.unbind(2)[len(frames[i:]) :]], dim=2)
            predicted, state, memory = self.step(packet, state, memory)
            if i >= known - 3:
                forecast.append(predicted[:, :, 2])
        return torch.stack(forecast, dim=1)

    def step(
        self, packet: Tensor, state: list[Pair] | None, memory: Tensor | None
    ) -> tuple[Tensor, list[Pair], Tensor]:
        """The next packet, the states of the cells and the memory that goes through them."""
        x1, x2 = squeeze(packet).chunk(2, dim=1)
        for block in self.coupling:
            x1, x2 = block((x1, x2))
        zeros = torch.zeros_like(x1)
        m = zeros if memory is None else memory
        states = [(zeros, zeros)] * len(self.cells) if state is None else list(state)
        for i, (cell, attention) in enumerate(zip(self.cells, self.attention, strict=True)):
            h, c, m = cell(x1, m, *states[i])
            states[i] = h, c
            g = torch.sigmoid(attention(h))
            x1, x2 = (1 - g) * x2 + g * h, x1
        for block in reversed(cast(list[CouplingBlock], list(self.coupling))):
            x1, x2 = block.inverse((x1, x2))
        return spread(torch.cat([x1, x2], dim=1)), states, m
