"""Space to depth and back, in the channel order of PredRNN and everything built on it."""

from __future__ import annotations

from torch import Tensor


def to_patches(frames: Tensor, side: int) -> Tensor:
    """Fold (..., C, H, W) to (..., side * side * C, H / side, W / side).

    Pixel (y, x, c) goes to cell (y // side, x // side), channel ((y % side) * side + x % side) * C + c:
    the order in which published checkpoints hold their weights.
    """
    if side == 1:
        return frames
    *lead, channels, height, width = frames.shape
    grid = frames.reshape(*lead, channels, height // side, side, width // side, side)
    n = len(lead)
    order = (*range(n), n + 2, n + 4, n, n + 1, n + 3)
    return grid.permute(order).reshape(*lead, side * side * channels, height // side, width // side)


def from_patches(patches: Tensor, side: int) -> Tensor:
    """Undo `to_patches`."""
    if side == 1:
        return patches
    *lead, depth, rows, columns = patches.shape
    channels = depth // (side * side)
    grid = patches.reshape(*lead, side, side, channels, rows, columns)
    n = len(lead)
    order = (*range(n), n + 2, n + 3, n, n + 4, n + 1)
    return grid.permute(order).reshape(*lead, channels, rows * side, columns * side)
