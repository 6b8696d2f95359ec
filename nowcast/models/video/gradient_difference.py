"""How far the edges of frames differ: terms of the losses of MCNet and of STMFANet.

Dimensions: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gradient_difference(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean difference of the sizes of gradients, along columns plus along rows, in float32.

    A gradient is the step to the next pixel; beyond the last one a frame is 0. Its sign does not count. Only
    steps between two observed pixels count.

    Args:
        prediction: (B, N, C, H, W).
        target: (B, N, C, H, W).
        observed: (B, N, C, H, W) bool.

    Returns:
        A scalar.

    Source: Mathieu et al., Deep multi-scale video prediction beyond mean square error, ICLR 2016, alpha 1, in
    the form of Villegas et al. 2017 (MCNet).
    """
    made, true = (F.pad(frames.float(), (0, 1, 0, 1)) for frames in (prediction, target))
    seen = F.pad(observed, (0, 1, 0, 1), value=True)
    total = made.new_zeros(())
    for axis in (-1, -2):
        here, beyond = slice(0, -1), slice(1, None)
        difference = made.diff(dim=axis).abs() - true.diff(dim=axis).abs()
        both = _cut(seen, axis, here) & _cut(seen, axis, beyond)
        term = torch.where(both, difference.abs(), torch.zeros_like(difference))
        other = -3 - axis  # the padded pixel of the other axis is none
        total = total + _cut(term, other, here).sum() / _cut(both, other, here).sum().clamp(min=1)
    return total


def signed_gradient_difference(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean absolute difference of the steps from pixel to pixel, along columns plus along rows, in float32.

    The sign of a step counts, unlike in MCNet's loss. Outside a frame both are 0, so its edge pixels count as a
    step too. Only steps between two observed pixels count.

    Args:
        prediction: (B, N, C, H, W).
        target: (B, N, C, H, W).
        observed: (B, N, C, H, W) bool.

    Returns:
        A scalar.

    Source: the published code of Jin et al., CVPR 2020.
    """
    error = prediction.float() - target.float()
    total = error.new_zeros(())
    for axis, edge in ((-1, (1, 1)), (-2, (0, 0, 1, 1))):
        seen = F.pad(observed, edge, value=True)
        step = F.pad(error, edge).diff(dim=axis)
        size = seen.shape[axis] - 1
        both = seen.narrow(axis, 0, size) & seen.narrow(axis, 1, size)
        term = torch.where(both, step.abs(), torch.zeros_like(step))
        total = total + term.sum() / both.sum(dtype=torch.float32).clamp(min=1.0)
    return total


def _cut(maps: Tensor, axis: int, part: slice) -> Tensor:
    return maps[..., part] if axis == -1 else maps[..., part, :]
