"""Frames made by moving the pixels of a frame: by kernels for all places, for each place, or affinely.

Dimensions: B batch, C channels, H rows, W columns, M kernels or transforms, K side of a kernel (odd).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["zeros", "replicate"]
"""What lies beyond the edge of a frame: nothing, or the value of the edge."""
LEAST = 1e-12
"""Least weight of a tap before the taps are made to sum to 1."""


def shares(weights: Tensor, dim: int) -> Tensor:
    """Cut weights off below `LEAST` and divide them by their sum along ``dim``; all below it are alike.

    Source: Finn et al. 2016, in the form of the released code.
    """
    kept = F.relu(weights - LEAST) + LEAST
    return kept / kept.sum(dim=dim, keepdim=True)


def moved_by_kernels(frame: Tensor, kernels: Tensor, border: Border = "zeros") -> Tensor:
    """Cross-correlate each frame with kernels of its own, the same for all its places and channels.

    In the precision of the frame, whatever autocast says: a pixel that only moves keeps its value.

    Args:
        frame: (B, C, H, W).
        kernels: (B, M, K, K).
        border: see `Border`.

    Returns:
        (B, M, C, H, W).
    """
    batch, count, side, _ = kernels.shape
    channels, height, width = frame.shape[1:]
    padded = _padded(frame, side // 2, border).transpose(0, 1)  # each sample is a group of one channel
    weights = kernels.reshape(batch * count, 1, side, side).to(frame.dtype)
    with torch.autocast(frame.device.type, enabled=False):
        moved = F.conv2d(padded, weights, groups=batch)
    return moved.view(channels, batch, count, height, width).permute(1, 2, 0, 3, 4)


def moved_place_by_place(frame: Tensor, kernels: Tensor, border: Border = "zeros") -> Tensor:
    """Sum the neighbours of each place with the weights that the place has for them.

    Without gradients tap by tap, so that a continent is never there K * K times; with them all at once, which
    is then faster.

    Args:
        frame: (B, C, H, W).
        kernels: (B, K * K, H, W), the neighbours row by row.
        border: see `Border`.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = frame.shape
    taps = kernels.shape[1]
    side = round(taps**0.5)
    padded = _padded(frame, side // 2, border)
    if torch.is_grad_enabled():
        around = F.unfold(padded, side).view(batch, channels, taps, height, width)
        return (around * kernels.unsqueeze(1)).sum(dim=2)
    moved = torch.zeros((), dtype=kernels.dtype, device=frame.device)
    for tap, weight in enumerate(kernels.unbind(1)):
        row, column = divmod(tap, side)
        here = padded[:, :, row : row + height, column : column + width]
        moved = torch.addcmul(moved, here.to(kernels.dtype), weight.unsqueeze(1))
    return moved


def moved_affinely(frame: Tensor, transforms: Tensor, border: Border = "zeros") -> Tensor:
    """Read each frame at affinely transformed places, bilinearly.

    Args:
        frame: (B, C, H, W).
        transforms: (B, M, 6): both rows of the matrix that takes (x, y, 1) to the place that is read, where
            x and y go from -1 to 1 between the middles of the outermost pixels.
        border: see `Border`.

    Returns:
        (B, M, C, H, W).
    """
    batch, count = transforms.shape[:2]
    precise = torch.promote_types(frame.dtype, torch.float32)
    maps = frame.to(precise).unsqueeze(1).expand(-1, count, -1, -1, -1).flatten(0, 1)
    matrices = transforms.to(precise).reshape(batch * count, 2, 3)
    places = F.affine_grid(matrices, list(maps.shape), align_corners=True)
    beyond = "zeros" if border == "zeros" else "border"
    read = F.grid_sample(maps, places, padding_mode=beyond, align_corners=True)
    return read.view(batch, count, *frame.shape[1:]).to(frame.dtype)


def composed(masks: Tensor, images: Tensor) -> Tensor:
    """Sum images (B, M, C, H, W) with masks (B, M, H, W): (B, C, H, W)."""
    return (masks.unsqueeze(2) * images).sum(dim=1)


def _padded(frame: Tensor, margin: int, border: Border) -> Tensor:
    if margin == 0:
        return frame
    return F.pad(frame, (margin,) * 4, mode="constant" if border == "zeros" else "replicate")
