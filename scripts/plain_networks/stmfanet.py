"""STMFANet: a dense encoder joined by Haar wavelets of the frame, and of the newest frames along time.

Dimensions: B batch, C channels, H rows, W columns, K frames of the window.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .parts import BasicConvLSTM, State, rectified, unpool


class Bottleneck(nn.Module):
    """A layer of a dense block: it appends ``growth`` maps."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, 4 * growth, 1),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The maps and the new ones behind them."""
        return torch.cat([x, self.change(x)], dim=1)


def dense(inputs: int, growth: int, layers: int) -> nn.Sequential:
    """A dense block."""
    return nn.Sequential(*(Bottleneck(inputs + i * growth, growth) for i in range(layers)))


def transition(inputs: int, outputs: int) -> nn.Sequential:
    """Fewer channels at half the rows and columns."""
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1), nn.AvgPool2d(2))


def wavelet_layers(outputs: int) -> nn.Sequential:
    """From the four sub-bands of a level to the maps that are added at its scale."""
    return nn.Sequential(
        nn.Conv2d(4, outputs // 2, 3, padding=1),
        nn.BatchNorm2d(outputs // 2),
        nn.ReLU(),
        nn.Conv2d(outputs // 2, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def haar(image: Tensor) -> Tensor:
    """The four sub-bands (B, 4, H / 2, W / 2) of an image of one channel."""
    a, b = image[:, :, ::2, ::2], image[:, :, ::2, 1::2]
    c, d = image[:, :, 1::2, ::2], image[:, :, 1::2, 1::2]
    return torch.cat([a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d], dim=1) / 2


class PlainSTMFANet(nn.Module):
    """The network of one channel; frames are read in [-1, 1]."""

    def __init__(
        self, temporal: bool = False, growth: int = 16, layers: int = 3, width: int = 16, window: int = 10
    ) -> None:
        super().__init__()
        self.window = window if temporal else 0
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.dense, self.transitions, self.wavelets = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        n = width
        for _ in range(3):
            grown = n + layers * growth
            self.dense.append(dense(n, growth, layers))
            n = grown // 2
            self.transitions.append(transition(grown, n))
            self.wavelets.append(wavelet_layers(n))
        deep = 8 * width
        self.last = nn.Sequential(
            nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, deep, 1), nn.BatchNorm2d(deep), nn.ReLU()
        )
        self.lstm = BasicConvLSTM(deep, deep, 3)
        w = width
        self.decoder = nn.ModuleList(
            rectified(nn.ConvTranspose2d(i, o, 3, padding=1) for i, o in pairs)
            for pairs in (
                ((8 * w, 8 * w), (8 * w, 4 * w), (4 * w, 2 * w)),
                ((2 * w, 2 * w), (2 * w, w)),
                ((w, w),),
            )
        )
        self.frame = nn.ConvTranspose2d(w, 1, 3, padding=1)
        if temporal:
            bands = self.bands(torch.zeros(1, window, 1, 1)).shape[1]
            wide = (bands, 2 * w, 4 * w, 8 * w)
            self.temporal = nn.Sequential(*(pooled(i, o) for i, o in pairwise(wide)))
            self.fusion = nn.Conv2d(16 * w, 8 * w, 1)

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        frames = list((2 * past - 1).unbind(1))
        known = len(frames)
        state: State | None = None
        for t in range(known + steps - 1):
            state = self.lstm(self.encode(frames, t), state)
            if t >= known - 1:
                frames.append(self.decode(state[0]))
        return (torch.stack(frames[known:], dim=1) + 1) / 2

    def encode(self, frames: list[Tensor], t: int) -> Tensor:
        """The maps of frame t, and of the window that ends there (its oldest frame repeated where short)."""
        low = frames[t]
        x = self.first(low)
        for block, shrink, wavelet in zip(self.dense, self.transitions, self.wavelets, strict=True):
            sub_bands = haar(low)
            low = sub_bands[:, :1]
            x = shrink(block(x)) + wavelet(sub_bands)
        x = self.last(x)
        if self.window:
            newest = [frames[max(0, t - age)] for age in reversed(range(self.window))]
            moving = self.temporal(self.bands(torch.cat(newest, dim=1)))
            x = self.fusion(torch.cat([x, moving], dim=1))
        encoded: Tensor = x
        return encoded

    @staticmethod
    def bands(window: Tensor) -> Tensor:
        """H1, H2 and L2 of two Haar levels along time."""
        low, high = halves(window)
        lower, higher = halves(low)
        return torch.cat([high, higher, lower], dim=1)

    def decode(self, x: Tensor) -> Tensor:
        """A frame in [-1, 1]."""
        for layers in self.decoder:
            x = layers(unpool(x))
        return torch.tanh(self.frame(x))


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sums and differences of pairs along time; the last of an odd number is repeated."""
    if x.shape[1] % 2:
        x = torch.cat([x, x[:, -1:]], dim=1)
    return (x[:, ::2] + x[:, 1::2]) / 2**0.5, (x[:, ::2] - x[:, 1::2]) / 2**0.5


def pooled(inputs: int, outputs: int) -> nn.Sequential:
    """A layer of the temporal module."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.AvgPool2d(2)
    )
