"""Dense Lucas-Kanade motion of a batch of sequences, coarse to fine, with Gaussian windows.

Dimensions: B batch, T past frames, H rows, W columns; h, w the same at a coarser level of the pyramid; motion
(B, 2, H, W) in cells a frame, rows first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.models.lagrangian.flow_settings import FlowSettings
from nowcast.models.lagrangian.gaps import fill_gaps
from nowcast.models.lagrangian.semilagrangian import home, sample
from nowcast.models.smoothing import gaussian

_TINY = 1e-6
_FEWEST_CELLS = 8
"""A level of the pyramid has at least this many cells along its shorter side."""
_SURE = 1e-3


@torch.no_grad()
def lucas_kanade(frames: Tensor, observed: Tensor, settings: FlowSettings) -> Tensor:
    """Estimate one steady motion a sequence, as `FlowSettings` describes; no gradient goes through it.

    Args:
        frames: (B, T, H, W), finite; what is dry, weak or not observed holds the floor value. In any
            unit in which echoes differ from the floor by about 1 or more (dBZ), because of the ridge.
        observed: (B, T, H, W) bool.
        settings: windows, pyramid and weights.

    Returns:
        (B, 2, H, W) float32, finite everywhere.
    """
    with torch.autocast(frames.device.type, enabled=False):
        return _coarse_to_fine(*fill_gaps(frames.float(), observed), settings)


def _coarse_to_fine(frames: Tensor, observed: Tensor, settings: FlowSettings) -> Tensor:
    height, width = frames.shape[-2:]
    motion: Tensor | None = None
    before = 1
    for side in [s for s in settings.levels if min(height, width) // s >= _FEWEST_CELLS] or [1]:
        level = gaussian(_coarser(frames, side), settings.blur, "replicate")
        trusted = _all_around(_coarser(observed.float(), side) > 1 - _TINY)
        if motion is None:
            motion = frames.new_zeros(len(frames), 2, level.shape[-2], level.shape[-1])
        else:
            motion = _resample(motion, before, side, level.shape[-2], level.shape[-1])
        for _ in range(settings.iterations):
            motion = _improved(level, trusted, motion, side, settings)
        before = side
    assert motion is not None
    return _resample(motion, before, 1, height, width)


def _improved(frames: Tensor, trusted: Tensor, motion: Tensor, side: int, settings: FlowSettings) -> Tensor:
    """Improve the motion (B, 2, h, w) on one level, once."""
    weights = torch.linspace(1.0 / settings.newest_weight, 1.0, frames.shape[1] - 1).tolist()
    products = frames.new_zeros(len(frames), 5, frames.shape[-2], frames.shape[-1])
    for t, weight in enumerate(weights):
        products += weight * _products(frames[:, t : t + 2], trusted[:, t : t + 2], motion)
    sigma = settings.window / side
    near = gaussian(products, sigma, "zeros")
    wide = gaussian(products, sigma * settings.wide_factor, "zeros")
    frame = products.mean(dim=(-2, -1), keepdim=True)
    return _solve(near + settings.wide_weight * wide + settings.frame_weight * frame)


def _products(pair: Tensor, trusted: Tensor, motion: Tensor) -> Tensor:
    """The five products of derivatives of which the normal equations are sums: (B, 5, h, w).

    Both frames are warped half-way towards each other, so that no one of them is preferred.
    """
    places = home(pair.shape[-2], pair.shape[-1], pair.device)
    ends = (places - 0.5 * motion, places + 0.5 * motion)
    early, late = (sample(pair[:, i : i + 1], at, padding="border") for i, at in enumerate(ends))
    both = torch.ones_like(early)
    for i, at in enumerate(ends):
        both = both * (sample(trusted[:, i : i + 1], at) > 1 - _SURE)
    along_y, along_x = torch.gradient(0.5 * (early + late), dim=(-2, -1))
    target = along_y * motion[:, :1] + along_x * motion[:, 1:] - (late - early)
    found = torch.cat(
        [along_y * along_y, along_y * along_x, along_x * along_x, along_y * target, along_x * target], dim=1
    )
    return found * both


def _solve(sums: Tensor) -> Tensor:
    """Solve the 2 x 2 normal equations at each cell; a tiny ridge makes a dry frame stand still."""
    a, b, c, p, q = sums.double().unbind(dim=1)
    a, c = a + _TINY, c + _TINY
    determinant = a * c - b * b
    return torch.stack([(c * p - b * q) / determinant, (a * q - b * p) / determinant], dim=1).float()


def _coarser(frames: Tensor, side: int) -> Tensor:
    """Average blocks of ``side`` cells; edges are repeated to fill the last block."""
    rows, columns = frames.shape[-2:]
    over = (0, -columns % side, 0, -rows % side)
    padded = F.pad(frames, over, mode="replicate") if any(over) else frames
    return F.avg_pool2d(padded, side)


def _all_around(observed: Tensor) -> Tensor:
    """1 where a pixel and its eight neighbours are observed (beyond the edge counts as observed), else 0."""
    return 1.0 - F.max_pool2d(1.0 - observed.float(), 3, stride=1, padding=1)


def _resample(motion: Tensor, before: int, side: int, height: int, width: int) -> Tensor:
    """Bring motion from cells of side ``before`` to cells of side ``side``, values included."""
    ratio = before / side
    places = (home(height, width, motion.device) + 0.5) / ratio - 0.5
    return sample(motion, places.expand(len(motion), -1, -1, -1), padding="border") * ratio
