"""The first translator of SimVP: a U-net without shrinking, of convolutions of several sizes side by side.

Dimensions: B batch, h rows, w columns of the shrunken map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = (3, 5, 7, 11)
GROUPS = 8
"""Of the convolutions and of their norm."""
_SLOPE = 0.2


class InceptionBlock(nn.Module):
    """A 1x1 convolution, then the sum of grouped convolutions of four sizes, each normalised and bent."""

    def __init__(self, wide_in: int, between: int, wide: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(wide_in, between, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(between, wide, size, padding=size // 2, groups=GROUPS),
                nn.GroupNorm(GROUPS, wide),
                nn.LeakyReLU(_SLOPE),
            )
            for size in FILTERS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, wide_in, h, w) to (B, wide, h, w)."""
        x = self.enter(x)
        found: Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            found = found + branch(x)
        return found


class IncepU(nn.Module):
    """As many blocks on the way in as on the way out; each on the way out also reads its twin's output.

    Args:
        wide: channels of what comes in and of what goes out: those of a map times the frames.
        hidden: channels between.
        blocks: on each way, 2 or more.

    Source: Gao et al., SimVP, CVPR 2022.
    """

    def __init__(self, wide: int, hidden: int, blocks: int) -> None:
        super().__init__()
        between = hidden // 2
        self.down = nn.ModuleList(InceptionBlock(hidden if n else wide, between, hidden) for n in range(blocks))
        self.up = nn.ModuleList(
            InceptionBlock(2 * hidden if n else hidden, between, hidden if n < blocks - 1 else wide)
            for n in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps of all past frames (B, wide, h, w) to those of all future ones."""
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
        kept.pop()  # the innermost is read by the first block on the way out as it is
        for n, block in enumerate(self.up):
            x = block(torch.cat([x, kept.pop()], dim=1) if n else x)
        return x
