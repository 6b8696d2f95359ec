"""Frames moved by kernels that are convex weights of neighbours.

Dimensions: B batch, C channels, M kernels, k side of a kernel, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-12


def convex(raw: Tensor) -> Tensor:
    """Kernels (B, M, k, k) of weights of 0 or more that sum to 1, from changes of the identity kernel."""
    side = raw.shape[-1]
    identity = raw.new_zeros(side, side)
    identity[side // 2, side // 2] = 1.0
    kernels = torch.relu(raw + identity - _LEAST) + _LEAST
    return kernels / kernels.sum(dim=(-2, -1), keepdim=True)


def mirrored(frames: Tensor, margin: int) -> Tensor:
    """Frames (..., H, W) with their mirror image around them, the border pixel repeated."""
    rows = [frames[..., :margin, :].flip(-2), frames, frames[..., -margin:, :].flip(-2)]
    tall = torch.cat(rows, dim=-2)
    return torch.cat([tall[..., :margin].flip(-1), tall, tall[..., -margin:].flip(-1)], dim=-1)


def moved(frames: Tensor, kernels: Tensor) -> Tensor:
    """Correlate each frame (B, C, H, W) with each of its own kernels (B, M, k, k): (B, M, C, H, W)."""
    batch, many, side, _ = kernels.shape
    padded = mirrored(frames.to(kernels.dtype), side // 2).transpose(0, 1)
    found = F.conv2d(padded, kernels.flatten(0, 1).unsqueeze(1), groups=batch)
    return found.view(-1, batch, many, *frames.shape[-2:]).permute(1, 2, 0, 3, 4)
