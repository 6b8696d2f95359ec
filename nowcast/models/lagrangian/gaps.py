"""Small gaps in what was observed, filled before a motion is estimated.

Dimensions: B batch, T frames, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SQUARE = (7, 1, 3)
"""Side, stride and border: gaps up to 6 cells wide are filled."""


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
    if observed.all():
        return frames, observed
    known = observed.float()
    closed = 1.0 - F.max_pool2d(1.0 - F.max_pool2d(known, *_SQUARE), *_SQUARE)
    gaps = (closed > 0) & ~observed
    if not gaps.any():
        return frames, observed
    mean = F.avg_pool2d(frames * known, *_SQUARE) / F.avg_pool2d(known, *_SQUARE)
    return torch.where(gaps, mean, frames), observed | gaps
