"""How far the steps between neighbouring pixels are off: a term of STMFANet's loss.

Dimensions: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
