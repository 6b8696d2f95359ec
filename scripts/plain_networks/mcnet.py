"""MCNet: a ConvLSTM over differences of frames beside an encoder of the newest frame.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parts import BasicConvLSTM, State, rectified, unpool


class PlainMCNet(nn.Module):
    """The network for frames of one channel, which it reads in [-1, 1]."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        n1, n2, n3 = width, 2 * width, 4 * width
        self.motion = nn.ModuleList([conv(1, n1, 5), conv(n1, n2, 5), conv(n2, n3, 7)])
        self.lstm = BasicConvLSTM(n3, n3, 3)
        self.content = nn.ModuleList(
            [
                rectified([conv(1, n1), conv(n1, n1)]),
                rectified([conv(n1, n2), conv(n2, n2)]),
                rectified([conv(n2, n3), conv(n3, n3), conv(n3, n3)]),
            ]
        )
        self.combination = rectified([conv(2 * n3, n3), conv(n3, n2), conv(n2, n3)])
        self.residual = nn.ModuleList(
            nn.Sequential(conv(2 * n, n), nn.ReLU(), conv(n, n)) for n in (n1, n2, n3)
        )
        self.decoder = nn.ModuleList(
            [
                rectified([deconv(n3, n3), deconv(n3, n3), deconv(n3, n2)]),
                rectified([deconv(n2, n2), deconv(n2, n1)]),
                rectified([deconv(n1, n1)]),
            ]
        )
        self.last = deconv(n1, 1)

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        state: State | None = None
        for t in range(1, past.shape[1]):
            maps, state = self.move(past[:, t] - past[:, t - 1], state)
        assert state is not None
        grey = past[:, -1]
        forecast: list[Tensor] = []
        for s in range(steps):
            if s:
                maps, state = self.move(forecast[-1] - grey, state)
                grey = forecast[-1]
            forecast.append((self.compose(2 * grey - 1, maps, state[0]) + 1) / 2)
        return torch.stack(forecast, dim=1)

    def move(self, difference: Tensor, state: State | None) -> tuple[list[Tensor], State]:
        """The motion's maps before pooling and the state of the ConvLSTM."""
        maps = []
        x = difference
        for layer in self.motion:
            maps.append(F.relu(layer(x)))
            x = F.max_pool2d(maps[-1], 2)
        return maps, self.lstm(x, state)

    def compose(self, frame: Tensor, motion: list[Tensor], dynamics: Tensor) -> Tensor:
        """The next frame in [-1, 1]."""
        content, x = [], frame
        for layers in self.content:
            content.append(layers(x))
            x = F.max_pool2d(content[-1], 2)
        x = self.combination(torch.cat([dynamics, x], dim=1))
        for scale in (2, 1, 0):
            joined = torch.cat([motion[scale], content[scale]], dim=1)
            x = F.relu(unpool(x) + self.residual[scale](joined))
            x = self.decoder[2 - scale](x)
        return torch.tanh(self.last(x))


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def deconv(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """A transposed one that keeps the size."""
    return nn.ConvTranspose2d(inputs, outputs, 3, padding=1)
