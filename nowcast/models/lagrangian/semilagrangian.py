"""Where the air of a pixel was and will be along a steady motion, and reading frames there.

Letters: B batch, N frames, C channels, H rows, W columns. Places and motion are (B, 2, H, W), rows first,
in cells and cells a frame, always float32: half precision cannot count to 600.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

_HALF = 0.5


def home(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Give the place of every pixel itself: (1, 2, H, W)."""
    rows = torch.arange(height, dtype=torch.float32, device=device)
    columns = torch.arange(width, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


def trajectories(motion: Tensor, frames: int) -> Iterator[Tensor]:
    """Follow the air of each pixel backwards: yield its place 1, 2, ... ``frames`` frames ago.

    The midpoint rule, one frame a stride; beyond the edge the motion of the edge holds. The negative of
    a motion follows the air forwards.

    Source: Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873.
    """
    places = home(motion.shape[-2], motion.shape[-1], motion.device).expand_as(motion)
    for _ in range(frames):
        middle = places - _HALF * sample(motion, places, padding="border")
        places = places - sample(motion, middle, padding="border")
        yield places


def sample(
    maps: Tensor,
    places: Tensor,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    padding: Literal["zeros", "border"] = "zeros",
) -> Tensor:
    """Read maps (B, C, H, W) at places (B, 2, h, w): (B, C, h, w) in float32.

    Beyond the edge lies 0 (``zeros``) or the edge's value (``border``).
    """
    height, width = maps.shape[-2:]
    scale = places.new_tensor([2.0 / max(width - 1, 1), 2.0 / max(height - 1, 1)])
    grid = places.flip(1).permute(0, 2, 3, 1) * scale - 1.0
    return F.grid_sample(maps.float(), grid, mode=mode, padding_mode=padding, align_corners=True)


def inside(places: Tensor) -> Tensor:
    """Say which places (B, 2, H, W) lie on the map they were made for: (B, 1, H, W) bool."""
    height, width = places.shape[-2:]
    rows, columns = places[:, :1], places[:, 1:]
    on_rows = (rows > -_HALF) & (rows < height - _HALF)
    return on_rows & (columns > -_HALF) & (columns < width - _HALF)
