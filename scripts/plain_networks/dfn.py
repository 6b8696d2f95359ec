"""The dynamic filter network: a softmax filter for every pixel, applied to the newest frame.

Dimensions: B batch, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parts import shifts


class PlainDFN(nn.Module):
    """The network for moving digits, without dynamic bias and refinement."""

    def __init__(self, hidden: tuple[int, int, int] = (32, 64, 128), kernel: int = 9) -> None:
        super().__init__()
        a, b, c = hidden
        self.kernel, self.wide = kernel, c
        self.encoder = nn.ModuleList(
            [
                nn.Conv2d(1, a, 3, padding=1),
                nn.Conv2d(a, a, 3, stride=2, padding=1),
                nn.Conv2d(a, b, 3, padding=1),
                nn.Conv2d(b, b, 3, padding=1),
                nn.Conv2d(b, c, 3, padding=1),
            ]
        )
        self.memory = nn.ModuleList([nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)])
        self.small = nn.ModuleList([nn.Conv2d(c, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)])
        self.large = nn.ModuleList(
            [nn.Conv2d(b, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1), nn.Conv2d(b, c, 1)]
        )
        self.filters = nn.Conv2d(c, kernel * kernel, 1)

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, 1, H, W) -> (B, S, 1, H, W)."""
        rows, columns = past.shape[3:]
        state = past.new_zeros(len(past), self.wide, rows // 2, columns // 2)
        forecast: list[Tensor] = []
        for t in range(past.shape[1] + steps - 1):
            frame = past[:, t] if t < past.shape[1] else forecast[-1]
            output, state = self.step(frame, state)
            forecast.append(output)
        return torch.stack(forecast[-steps:], dim=1)

    def step(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The next frame and the new state."""
        state = leaky(self.encoder, frame) + leaky(self.memory, state)
        x = F.interpolate(leaky(self.small, state), scale_factor=2, mode="nearest")
        filters = torch.softmax(self.filters(leaky(self.large, x)), dim=1)
        return (filters.unsqueeze(2) * shifts(frame, self.kernel)).sum(dim=1), state


def leaky(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Each convolution followed by a leaky ReLU."""
    for layer in layers:
        x = F.leaky_relu(layer(x), 0.01)
    return x
