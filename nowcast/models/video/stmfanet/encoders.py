"""The encoders of STMFANet: dense blocks joined by wavelets of the frame, and wavelets of a window of frames.

Dimensions: B batch, K frames of a window, C channels of a frame, H rows, W columns.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.models.video.stmfanet.wavelets import count_time_bands, haar, time_bands

LEVELS = 3
"""How often rows and columns are halved."""
_NARROW = 4
"""Channels of a bottleneck, in growths."""
Normalise = Literal["group", "batch"]


class DenseBlock(nn.Module):
    """Layers that each append ``growth`` channels to all before: 1 x 1, then 3 x 3, after norm and ReLU.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017, with bottlenecks.
    """

    def __init__(self, channels: int, growth: int, layers: int, norm: Normalise) -> None:
        super().__init__()
        narrow = _NARROW * growth
        self.layers = nn.ModuleList(
            nn.Sequential(
                *normed(norm, channels + n * growth),
                nn.Conv2d(channels + n * growth, narrow, 1),
                *normed(norm, narrow),
                nn.Conv2d(narrow, growth, 3, padding=1),
            )
            for n in range(layers)
        )
        self.channels = channels + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """Append."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class SpatialEncoder(nn.Module):
    """A frame to its features at an eighth of the size, with its wavelet bands added at each scale.

    At each of three scales come a dense block, a transition that halves channels, rows and columns, and what
    two convolutions make of the four bands of the frame's wavelet at that scale (S-WAM).

    Source: Jin et al., CVPR 2020, and the published code.
    """

    def __init__(self, channels: int, growth: int, layers: int, out_channels: int, norm: Normalise) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, growth, 3, padding=1)
        self.dense, self.transitions, self.wavelets = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        wide = growth
        for _ in range(LEVELS):
            block = DenseBlock(wide, growth, layers, norm)
            wide, half = block.channels // 2, block.channels // 4
            self.dense.append(block)
            self.transitions.append(
                nn.Sequential(
                    *normed(norm, block.channels), nn.Conv2d(block.channels, wide, 1), nn.AvgPool2d(2)
                )
            )
            self.wavelets.append(
                nn.Sequential(
                    nn.Conv2d(4 * channels, half, 3, padding=1),
                    *normed(norm, half),
                    nn.Conv2d(half, wide, 3, padding=1),
                    *normed(norm, wide),
                )
            )
        self.last = nn.Sequential(
            *normed(norm, wide), nn.Conv2d(wide, out_channels, 1), *normed(norm, out_channels)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode (B, C, H, W) in [-1, 1] to (B, out_channels, H / 8, W / 8)."""
        maps, low = self.first(frames), frames
        for dense, transition, wavelet in zip(self.dense, self.transitions, self.wavelets, strict=True):
            bands = haar(low)
            low = bands[:, : frames.shape[1]]
            maps = transition(dense(maps)) + wavelet(bands)
        encoded: Tensor = self.last(maps)
        return encoded


class TemporalEncoder(nn.Module):
    """Wavelet bands over the time of a window of frames to features at an eighth of the size.

    Rebuilt: the paper describes such a module (T-WAM), the published code has none. Two levels of Haar in time
    and three convolutions, each with norm, ReLU and a mean over 2 x 2, are a choice of this package.
    """

    def __init__(self, channels: int, window: int, out_channels: int, norm: Normalise) -> None:
        super().__init__()
        widths = [channels * count_time_bands(window), out_channels // 4, out_channels // 2, out_channels]
        layers: list[nn.Module] = []
        for wide_in, wide in pairwise(widths):
            layers += [nn.Conv2d(wide_in, wide, 3, padding=1), *normed(norm, wide), nn.AvgPool2d(2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, window: Tensor) -> Tensor:
        """Encode (B, K, C, H, W) in [-1, 1] to (B, out_channels, H / 8, W / 8)."""
        encoded: Tensor = self.layers(time_bands(window))
        return encoded


def normed(norm: Normalise, channels: int) -> tuple[nn.Module, nn.Module]:
    """A norm and the ReLU after it."""
    return (nn.GroupNorm(1, channels) if norm == "group" else nn.BatchNorm2d(channels)), nn.ReLU()
