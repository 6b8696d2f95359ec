"""Smoothing maps with a Gaussian, by products of matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUT = 3.0
"""Standard deviations after which the Gaussian is cut off."""
_SHORTEST = 64
"""Cells of a stretch of an axis, at least: shorter matrices cost more than they save."""


def reach(sigma: float) -> int:
    """Cells to either side that a smoothing reads."""
    return math.floor(CUT * sigma + 0.5)


def gaussian(maps: Tensor, sigma: float, edge: str, only: slice | None = None) -> Tensor:
    """Smooth (B, C, h, w) with a truncated Gaussian; beyond the edge lies 0 or the edge's value.

    ``only`` some rows are wanted: (B, C, those, w).
    """
    batch, channels, rows, columns = maps.shape
    wanted = range(rows)[only or slice(None)]
    if sigma <= 0:
        return maps if only is None else maps[:, :, only]
    radius = reach(sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=maps.device)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).to(maps.dtype)
    flat = maps.reshape(batch * channels, rows, columns)
    down = [_band(kernel, part, rows, edge) for part in _parts(wanted, radius)]
    flat = torch.cat([matrix @ flat[:, reads] for reads, matrix in down], dim=1)
    along = [_band(kernel, part, columns, edge) for part in _parts(range(columns), radius)]
    flat = torch.cat([flat[:, :, reads] @ matrix.T for reads, matrix in along], dim=2)
    return flat.view(batch, channels, len(wanted), columns)


def _parts(cells: range, radius: int) -> list[range]:
    """Stretches of an axis: its smoothing is a band, and outside it a matrix would hold only zeros."""
    most = max(_SHORTEST, radius)
    return [cells[first : first + most] for first in range(0, len(cells), most)]


def _band(kernel: Tensor, part: range, length: int, edge: str) -> tuple[slice, Tensor]:
    """The smoothing of one stretch as a matrix, and what it reads: products of matrices beat convolutions."""
    radius = len(kernel) // 2
    reads = slice(max(part.start - radius, 0), min(part.stop + radius, length))
    offsets = torch.arange(-radius, radius + 1, device=kernel.device)
    into = torch.arange(part.start, part.stop, device=kernel.device)[:, None] + offsets
    weights = kernel.expand(len(part), -1)
    if edge == "zeros":
        weights = weights * ((into >= 0) & (into < length))
    matrix = kernel.new_zeros(len(part), reads.stop - reads.start)
    matrix.scatter_add_(1, into.clamp(0, length - 1) - reads.start, weights.contiguous())
    return reads, matrix
