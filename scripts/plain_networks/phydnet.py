"""PhyDNet: a cell of learnt partial differences beside ConvLSTMs, between one encoder and one decoder.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .parts import State


class PhyCell(nn.Module):
    """A prediction by a filtered state and a correction by what is observed."""

    def __init__(self, hidden: int, kernel: int) -> None:
        super().__init__()
        self.differences = nn.Sequential(
            nn.Conv2d(hidden, kernel * kernel, kernel, padding=kernel // 2),
            nn.GroupNorm(kernel, kernel * kernel),
            nn.Conv2d(kernel * kernel, hidden, 1),
        )
        self.gate = nn.Conv2d(2 * hidden, hidden, 3, padding=1)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """The new state."""
        predicted = h + self.differences(h)
        gain = torch.sigmoid(self.gate(torch.cat([u, h], dim=1)))
        corrected: Tensor = predicted + gain * (u - predicted)
        return corrected


class Cell(nn.Module):
    """A ConvLSTM with gates i, f, o, g and no forget bias."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1)

    def forward(self, x: Tensor, state: State) -> State:
        """The new state."""
        h, c = state
        i, f, o, g = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def normed(layer: nn.Module, channels: int, groups: int) -> nn.Sequential:
    """A layer, a group norm and a leaky ReLU."""
    return nn.Sequential(layer, nn.GroupNorm(groups, channels), nn.LeakyReLU(0.2))


class PlainPhyDNet(nn.Module):
    """The network of one channel."""

    def __init__(
        self,
        hidden: int = 64,
        lstm_hidden: tuple[int, ...] = (128, 128, 64),
        filter_size: int = 7,
        groups: int = 16,
    ) -> None:
        super().__init__()
        n, half = hidden, hidden // 2
        self.hidden, self.lstm_hidden = hidden, lstm_hidden

        def keeping(kind: type[nn.Conv2d] | type[nn.ConvTranspose2d]) -> nn.Sequential:
            return nn.Sequential(*(normed(kind(n, n, 3, padding=1), n, groups) for _ in range(2)))

        self.encoder = nn.Sequential(
            normed(nn.Conv2d(1, half, 3, stride=2, padding=1), half, groups),
            normed(nn.Conv2d(half, half, 3, padding=1), half, groups),
            normed(nn.Conv2d(half, n, 3, stride=2, padding=1), n, groups),
        )
        self.physical_in, self.residual_in = keeping(nn.Conv2d), keeping(nn.Conv2d)
        self.phycell = PhyCell(n, filter_size)
        wide = (n, *lstm_hidden)
        self.lstm = nn.ModuleList(Cell(*pair) for pair in pairwise(wide))
        self.physical_out, self.residual_out = keeping(nn.ConvTranspose2d), keeping(nn.ConvTranspose2d)
        self.decoder = nn.Sequential(
            normed(nn.ConvTranspose2d(n, half, 3, stride=2, padding=1, output_padding=1), half, groups),
            normed(nn.ConvTranspose2d(half, half, 3, padding=1), half, groups),
            nn.ConvTranspose2d(half, 1, 3, stride=2, padding=1, output_padding=1),
        )

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        size = past.shape[3] // 4, past.shape[4] // 4
        h = past.new_zeros(len(past), self.hidden, *size)
        zeros = [past.new_zeros(len(past), wide, *size) for wide in self.lstm_hidden]
        states = [(zero, zero) for zero in zeros]
        forecast: list[Tensor] = []
        for t in range(past.shape[1] + steps - 1):
            frame = past[:, t] if t < past.shape[1] else forecast[-1]
            encoded = self.encoder(frame)
            h = self.phycell(self.physical_in(encoded), h)
            x = self.residual_in(encoded)
            for i, cell in enumerate(self.lstm):
                states[i] = cell(x, states[i])
                x = states[i][0]
            if t >= past.shape[1] - 1:
                forecast.append(torch.sigmoid(self.decoder(self.physical_out(h) + self.residual_out(x))))
        return torch.stack(forecast, dim=1)
