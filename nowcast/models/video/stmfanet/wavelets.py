"""Haar wavelets over the rows and columns of a frame, and over the time of some frames.

Dimensions: B batch, K frames of a window, C channels, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def haar(image: Tensor) -> Tensor:
    """One level in space, orthonormal: (B, C, H, W) to (B, 4 C, H / 2, W / 2), bands LL, LH, HL, HH.

    LL is twice the mean of each 2 x 2 cell; LH is what changes from row to row, HL from column to column.
    """
    a, b = image[..., ::2, ::2], image[..., ::2, 1::2]
    c, d = image[..., 1::2, ::2], image[..., 1::2, 1::2]
    return torch.cat([a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d], dim=1) / 2


def time_bands(window: Tensor) -> Tensor:
    """Two levels in time, orthonormal: (B, K, C, H, W) to (B, C x `count_time_bands`, H, W).

    First the fast changes, then the slow ones, then what is left: H of level 1, H and L of level 2. An odd
    number of maps is extended by repeating the last.
    """
    low, fast = _pairs(window)
    low, slow = _pairs(low)
    return torch.cat([fast, slow, low], dim=1).flatten(1, 2)


def count_time_bands(frames: int) -> int:
    """The maps that `time_bands` makes of so many frames."""
    fast = math.ceil(frames / 2)
    return fast + 2 * math.ceil(fast / 2)


def _pairs(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high band of each pair of maps (B, N, ...) after one another."""
    if maps.shape[1] % 2:
        maps = torch.cat([maps, maps[:, -1:]], dim=1)
    first, second = maps[:, ::2], maps[:, 1::2]
    return (first + second) / math.sqrt(2), (first - second) / math.sqrt(2)
