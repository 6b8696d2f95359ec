"""Small gaps in what was observed, filled before a motion is estimated.

Dimensions: B batch, T frames, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 7
"""Of the square: gaps up to 6 cells wide are filled."""


def fill_gaps(frames: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Fill pixels that a clutter filter, a blocked ray or single losses left out among observed ones.

    Why: a derivative counts only where all pixels around were observed, so that the edge of the coverage
    does not look like an echo that stands still; a few percent of scattered gaps would leave none. What a
    closing of the observed mask (by a square of 7 cells) adds is a gap; a straight or convex edge of the
    coverage stays where it is, but for slivers between it and the border of the grid. A gap takes the mean
    of what was observed in the square around it.

    Args:
        frames: (B, T, H, W), finite.
        observed: (B, T, H, W) bool.

    Returns:
        Frames and observed mask with the gaps filled; those given, where there is none.
    """
    if frames.is_cuda:
        return fill_everywhere(frames, observed)
    if observed.all():
        return frames, observed
    gaps = _closed(observed) & ~observed
    if not gaps.any():
        return frames, observed
    filled = frames.clone()
    filled[gaps] = _means(frames, observed, gaps)
    return filled, observed | gaps


def fill_everywhere(frames: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """As `fill_gaps`, by the same work whatever the mask holds: a GPU then never waits for the CPU to look."""
    gaps = _closed(observed) & ~observed
    known = observed.to(frames.dtype)
    total, count = (F.avg_pool2d(maps, _SIDE, stride=1, padding=_SIDE // 2) for maps in (frames * known, known))
    return torch.where(gaps, total / count, frames), observed | gaps


def _closed(mask: Tensor) -> Tensor:
    """The mask dilated, then eroded, by the square; beyond the edge nothing counts."""
    return ~_dilated(~_dilated(mask))


def _dilated(mask: Tensor) -> Tensor:
    """Where the square around a pixel holds a True: along columns, then along rows, by doubling."""
    half = _SIDE // 2
    for axis in (-1, -2):
        found = F.pad(mask, (half, half, 0, 0) if axis == -1 else (0, 0, half, half))
        width = 1
        while width < _SIDE:
            more = min(width, _SIDE - width)
            length = found.shape[axis] - more
            found = found.narrow(axis, 0, length) | found.narrow(axis, more, length)
            width += more
        mask = found
    return mask


def _means(frames: Tensor, observed: Tensor, gaps: Tensor) -> Tensor:
    """For each gap, the mean of what was observed in the square around it; gaps are few, so each by itself."""
    batch, time, row, column = gaps.nonzero().unbind(1)
    total, count = frames.new_zeros(len(row)), frames.new_zeros(len(row))
    for down in range(-(_SIDE // 2), _SIDE // 2 + 1):
        for along in range(-(_SIDE // 2), _SIDE // 2 + 1):
            r, c = row + down, column + along
            inside = (r >= 0) & (r < frames.shape[-2]) & (c >= 0) & (c < frames.shape[-1])
            place = batch, time, r.clamp_(0, frames.shape[-2] - 1), c.clamp_(0, frames.shape[-1] - 1)
            known = inside & observed[place]
            total += torch.where(known, frames[place], 0.0)
            count += known
    return total / count
