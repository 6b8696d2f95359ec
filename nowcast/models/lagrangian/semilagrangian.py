"""Semi-Lagrangian advection: where the air of a pixel was and will be, and reading maps there.

Dimensions: B batch, N frames, C channels, H rows, W columns. Places and motion are (B, 2, H, W), rows first,
in cells and cells a frame, float32 or float64, which the places of a motion and what is read there then are:
half precision cannot count to 600.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

_HALF = 0.5
_ROUNDING = 1e-6
_PIXELS = 1 << 18
"""Of a stripe of rows on a CPU, about: smaller frames are one stripe."""


def home(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The place of every pixel itself: (1, 2, H, W)."""
    rows = torch.arange(height, dtype=torch.float32, device=device)
    columns = torch.arange(width, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


def trajectories(
    motion: Tensor, frames: int | Sequence[float], start: Tensor | None = None
) -> Iterator[Tensor]:
    """Follow the air of each pixel backwards: yield its place 1, 2, ... ``frames`` frames ago.

    The midpoint rule, at most one frame a stride; beyond the edge the motion of the edge holds. The negative
    of a motion follows the air forwards.

    Args:
        motion: (B, 2, H, W) cells a frame.
        frames: how many, or rising times in frames, not necessarily whole.
        start: places (B, 2, h, w) to follow instead of all pixels.

    Source: Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873.
    """
    if start is None:
        start = home(motion.shape[-2], motion.shape[-1], motion.device).to(motion).expand_as(motion)
    places = start
    reached = 0.0
    for time in range(1, frames + 1) if isinstance(frames, int) else frames:
        strides = max(math.ceil(time - reached - _ROUNDING), 1)
        stride = (time - reached) / strides
        for _ in range(strides):
            places = _earlier(motion, places, stride)
        reached = time
        yield places


def _earlier(motion: Tensor, places: Tensor, stride: float) -> Tensor:
    """Where the air at ``places`` was ``stride`` frames before, a few rows at a time."""

    def moved(here: Tensor) -> Tensor:
        middle = here - _HALF * stride * sample(motion, here, padding="border")
        return here - stride * sample(motion, middle, padding="border")

    return _in_stripes(moved, places)


def sample_in_stripes(maps: Tensor, places: Tensor) -> Tensor:
    """As `sample`, a few rows at a time: a continent's places need not be there as a grid of shares, too."""
    return _in_stripes(lambda here: sample(maps, here), places)


def _in_stripes(make: Callable[[Tensor], Tensor], places: Tensor) -> Tensor:
    """Maps (B, C, H, W) that ``make`` gives at places (B, 2, H, W); whole on a GPU and where they are few."""
    height, width = places.shape[-2:]
    rows = max(_PIXELS // max(width, 1), 1)
    if places.is_cuda or rows >= height:
        return make(places)
    found: Tensor | None = None
    for first in range(0, height, rows):
        part = make(places[:, :, first : first + rows])
        if found is None:
            found = part.new_empty(*part.shape[:2], height, width)
        found[:, :, first : first + rows] = part
    assert found is not None
    return found


def sample(
    maps: Tensor,
    places: Tensor,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    padding: Literal["zeros", "border"] = "zeros",
) -> Tensor:
    """Read maps (B, C, H, W) at places (B, 2, h, w): (B, C, h, w) in the precision of the places.

    Beyond the edge lies 0 (``zeros``) or the edge's value (``border``).
    """
    height, width = maps.shape[-2:]
    rows, columns = places.unbind(1)
    along, down = columns * (2.0 / max(width - 1, 1)), rows * (2.0 / max(height - 1, 1))
    grid = torch.stack([along, down], dim=-1).sub_(1.0)
    return F.grid_sample(maps.to(places.dtype), grid, mode=mode, padding_mode=padding, align_corners=True)


def inside(places: Tensor) -> Tensor:
    """Which places (B, 2, H, W) lie on the map they were made for: (B, 1, H, W) bool."""
    height, width = places.shape[-2:]
    rows, columns = places[:, :1], places[:, 1:]
    on_rows = (rows > -_HALF) & (rows < height - _HALF)
    return on_rows & (columns > -_HALF) & (columns < width - _HALF)
