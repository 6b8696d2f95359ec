"""Smoothing maps with a Gaussian, by products of matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUT = 3.0
"""Standard deviations after which the Gaussian is cut off."""


def gaussian(maps: Tensor, sigma: float, edge: str) -> Tensor:
    """Smooth (B, C, h, w) with a truncated Gaussian; beyond the edge lies 0 or the edge's value."""
    if sigma <= 0:
        return maps
    batch, channels, rows, columns = maps.shape
    radius = math.floor(CUT * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=maps.device)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).to(maps.dtype)
    flat = maps.reshape(batch * channels, 1, rows, columns)
    for axis, length in ((2, rows), (3, columns)):
        flat = torch.movedim(torch.movedim(flat, axis, -1) @ _band(kernel, length, edge), -1, axis)
    return flat.view(batch, channels, rows, columns)


def _band(kernel: Tensor, length: int, edge: str) -> Tensor:
    """The smoothing as a matrix (length, length): products of matrices beat long convolutions."""
    radius = len(kernel) // 2
    offsets = torch.arange(-radius, radius + 1, device=kernel.device)
    into = torch.arange(length, device=kernel.device)[:, None] + offsets
    weights = kernel.expand(length, -1)
    if edge == "zeros":
        weights = weights * ((into >= 0) & (into < length))
    matrix = kernel.new_zeros(length, length)
    matrix.scatter_add_(1, into.clamp(0, length - 1), weights.contiguous())
    return matrix.T
