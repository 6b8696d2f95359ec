"""FRNN: a stack of bijective GRUs, read upwards to encode and downwards to predict.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BijectiveGRU(nn.Module):
    """Gates that update its output from its input, and gates that update its input from its output."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        both, pad = inputs + outputs, kernel // 2
        self.w = nn.ModuleList(nn.Conv2d(both, outputs, kernel, padding=pad) for _ in range(3))
        self.v = nn.ModuleList(nn.Conv2d(both, inputs, kernel, padding=pad) for _ in range(3))
        self.start = nn.Parameter(torch.zeros(outputs))

    def up(self, a: Tensor, s: Tensor) -> Tensor:
        """The new output state."""
        both = torch.cat([a, s], dim=1)
        r, z = torch.sigmoid(self.w[0](both)), torch.sigmoid(self.w[1](both))
        n = torch.tanh(self.w[2](torch.cat([a, s * r], dim=1)))
        return z * n + (1 - z) * s

    def down(self, a: Tensor, s: Tensor) -> Tensor:
        """The new input."""
        both = torch.cat([a, s], dim=1)
        r, z = torch.sigmoid(self.v[0](both)), torch.sigmoid(self.v[1](both))
        n = torch.tanh(self.v[2](torch.cat([a * r, s], dim=1)))
        return z * n + (1 - z) * a


class TiedConvolution(nn.Module):
    """tanh of a convolution upwards, of its transpose downwards, with a bias for each."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.down_bias = nn.Parameter(torch.zeros(inputs))

    def up(self, x: Tensor) -> Tensor:
        """Towards the top."""
        return torch.tanh(self.conv(x))

    def down(self, y: Tensor) -> Tensor:
        """Towards the frame."""
        padding = self.conv.kernel_size[0] // 2
        return torch.tanh(F.conv_transpose2d(y, self.conv.weight, self.down_bias, padding=padding))


class PlainFRNN(nn.Module):
    """The network; it pools after the convolutions and after every second GRU but the last."""

    def __init__(
        self,
        convolutions: tuple[int, ...] = (32, 64),
        convolution_filter_size: int = 5,
        hidden: tuple[int, ...] = (128, 128, 256, 256, 512, 512, 256, 256),
        filter_sizes: tuple[int, ...] = (5, 5, 5, 5, 3, 3, 3, 3),
    ) -> None:
        super().__init__()
        wide = (1, *convolutions)
        self.convolutions = nn.ModuleList(
            TiedConvolution(i, o, convolution_filter_size) for i, o in pairwise(wide)
        )
        inputs = (convolutions[-1], *hidden[:-1])
        self.grus = nn.ModuleList(BijectiveGRU(*g) for g in zip(inputs, hidden, filter_sizes, strict=True))

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        inputs, top = self.encode(2 * past - 1)
        convolutions, grus = self.layers()
        forecast: list[Tensor] = []
        for s in range(steps):
            if s:
                top = grus[-1].up(inputs[-1], top)
            y = top
            for layer in reversed(range(len(grus))):
                y = inputs[layer] = grus[layer].down(inputs[layer], y)
                if layer % 2 == 0:
                    y = F.interpolate(y, scale_factor=2, mode="nearest")
            for conv in reversed(convolutions):
                y = conv.down(y)
            forecast.append((y + 1) / 2)
        return torch.stack(forecast, dim=1)

    def encode(self, past: Tensor) -> tuple[list[Tensor], Tensor]:
        """The last input of each GRU and the output of the top one."""
        convolutions, grus = self.layers()
        states: list[Tensor | None] = [None] * len(grus)
        inputs: list[Tensor] = []
        for frame in past.unbind(1):
            x, inputs = frame, []
            for conv in convolutions:
                x = conv.up(x)
            for layer, gru in enumerate(grus):
                if layer % 2 == 0:
                    x = F.max_pool2d(x, 2)
                inputs.append(x)
                old = states[layer]
                if old is None:
                    old = gru.start.view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])
                x = states[layer] = gru.up(x, old)
        return inputs, x

    def layers(self) -> tuple[list[TiedConvolution], list[BijectiveGRU]]:
        """The layers from bottom to top."""
        return cast(list[TiedConvolution], list(self.convolutions)), cast(list[BijectiveGRU], list(self.grus))
