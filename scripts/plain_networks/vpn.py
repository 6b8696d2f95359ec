"""VPN with its baseline decoder: residual multiplicative blocks around a ConvLSTM, at full resolution.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from itertools import cycle

import torch
from torch import Tensor, nn

from .parts import BasicConvLSTM, State


class MultiplicativeUnit(nn.Module):
    """Three gates and an update of one convolution."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, 3, padding=dilation, dilation=dilation)

    def forward(self, h: Tensor) -> Tensor:
        """The unit's output, of the shape of its input."""
        g1, g2, g3, u = self.conv(h).chunk(4, dim=1)
        g1, g2, g3, u = torch.sigmoid(g1), torch.sigmoid(g2), torch.sigmoid(g3), torch.tanh(u)
        return g1 * torch.tanh(g2 * h + g3 * u)


class Block(nn.Module):
    """A residual multiplicative block; the last of the decoder has another width and no residual."""

    def __init__(self, channels: int, dilation: int = 1, out: int | None = None) -> None:
        super().__init__()
        self.residual = out is None
        self.narrow = nn.Conv2d(2 * channels, channels, 1)
        self.first = MultiplicativeUnit(channels, dilation)
        self.second = MultiplicativeUnit(channels, dilation)
        self.widen = nn.Conv2d(channels, 2 * channels if out is None else out, 1)

    def forward(self, h: Tensor) -> Tensor:
        """The block's output."""
        change: Tensor = self.widen(self.second(self.first(self.narrow(h))))
        return h + change if self.residual else change


class PlainVPN(nn.Module):
    """Encoder, ConvLSTM, baseline decoder; one probability a pixel, fed back as a frame."""

    def __init__(
        self,
        channels: int = 128,
        encoder_blocks: int = 8,
        decoder_blocks: int = 12,
        dilations: tuple[int, ...] = (1, 2, 4, 8),
    ) -> None:
        super().__init__()
        spread = [d for d, _ in zip(cycle(dilations), range(encoder_blocks), strict=False)]
        self.first = nn.Conv2d(1, 2 * channels, 1)
        self.encoder = nn.Sequential(*(Block(channels, d) for d in spread))
        self.lstm = BasicConvLSTM(2 * channels, 2 * channels, 3)
        self.decoder = nn.Sequential(*(Block(channels) for _ in range(decoder_blocks - 1)))
        self.last = Block(channels, out=1)

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        state: State | None = None
        forecast: list[Tensor] = []
        for t in range(past.shape[1] + steps - 1):
            frame = past[:, t] if t < past.shape[1] else forecast[-1]
            state = self.lstm(self.encoder(self.first(frame)), state)
            if t >= past.shape[1] - 1:
                forecast.append(torch.sigmoid(self.last(self.decoder(state[0]))))
        return torch.stack(forecast, dim=1)
