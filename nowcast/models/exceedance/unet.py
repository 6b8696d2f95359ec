"""The context U-Net: what lies around a pixel, near and far, from all newest frames at once.

Dimensions: B batch, T past frames, D output channels, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain

_SMALL = 1e-4


@dataclass(frozen=True)
class ContextUNetSettings:
    """How wide the U-Net is, and how much of the past it reads."""

    widths: tuple[int, ...] = (48, 64, 96, 128)
    """Channels of its stages; each stage has half the rows and columns of the one before."""
    patch: int = 4
    """Side of the squares of pixels that are one cell of the first stage."""
    frames: int = 5
    """Newest frames that are read; where there are fewer, the oldest counts again."""

    def __post_init__(self) -> None:
        if not self.widths or min(*self.widths, self.patch, self.frames) < 1:
            raise SettingsError(
                complain(
                    "context_unet: widths, patch, frames",
                    f"{list(self.widths)}, {self.patch}, {self.frames}",
                    "whole numbers of 1 or more",
                    "for example [48, 64, 96, 128], 4 and 5",
                )
            )

    @property
    def multiple(self) -> int:
        """Rows and columns are padded to multiples of this."""
        return self.patch << (len(self.widths) - 1)

    @property
    def receptive_field(self) -> float:
        """Cells within which an input changes the output of a pixel: three layers on each stage."""
        return 3.0 * self.patch * ((1 << len(self.widths)) - 1)


class ContextUNet(nn.Module):
    """A U-Net that describes the context of every pixel by D numbers.

    Why: growth and decay depend on what lies around a shower, on scales that layers of a recurrent network
    on large patches reach slowly. It sees all frames at once and is cheap, as most of it works on
    few cells. Channels are normalised at each cell alone, so that a wet crop and a composite that is mostly
    dry are treated alike. Its output starts at zero.

    Source: U-Net, Ronneberger et al. (2015), MICCAI; for radar as in RainNet, Ayzel et al. (2020),
    Geosci. Model Dev. 13, 2631-2644.
    """

    def __init__(self, settings: ContextUNetSettings, channels: int) -> None:
        super().__init__()
        self.settings = settings
        first, widths = settings.widths[0], settings.widths
        self.enter = nn.Sequential(
            nn.Conv2d(settings.frames * settings.patch**2, first, 1), nn.GELU(), _layer(first, first)
        )
        self.down = nn.ModuleList(
            nn.Sequential(_layer(fine, coarse, 2), _layer(coarse, coarse)) for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(_layer(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.head = nn.Conv2d(first, channels, 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        """Describe the context of each pixel, (B, D, H, W), from frames (B, T, H, W)."""
        rows, columns = frames.shape[-2:]
        cells, side = self.coarse(frames)
        context = self.head(cells)
        return _enlarged(context, (context.shape[-2] * side, context.shape[-1] * side))[..., :rows, :columns]

    def coarse(self, frames: Tensor) -> tuple[Tensor, int]:
        """Maps of squares of pixels (B, C, h, w), of which ``head`` makes the D numbers; and their side."""
        maps = [self.enter(F.pixel_unshuffle(self._padded(frames), self.settings.patch))]
        for down in self.down:
            maps.append(down(maps[-1]))
        found = maps.pop()
        for up in reversed(self.up):
            fine = maps.pop()
            found = up(torch.cat([_enlarged(found, fine.shape[-2:]), fine], dim=1))
        return found, self.settings.patch

    def _padded(self, frames: Tensor) -> Tensor:
        lacking = self.settings.frames - frames.shape[1]
        if lacking > 0:
            frames = torch.cat([frames[:, :1].expand(-1, lacking, -1, -1), frames], dim=1)
        rows, columns = (-side % self.settings.multiple for side in frames.shape[-2:])
        return F.pad(frames[:, -self.settings.frames :], (0, columns, 0, rows), mode="replicate")


class _CellNorm(nn.Module):
    """Channels of each cell alone brought to a mean square of 1, then weighed and shifted."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        size = torch.rsqrt(x.float().square().mean(dim=1, keepdim=True) + _SMALL).to(x.dtype)
        return x * size * self.weight.to(x.dtype) + self.bias.to(x.dtype)


def _layer(wide_in: int, wide: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide_in, wide, 3, stride, 1), _CellNorm(wide), nn.GELU())


def _enlarged(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
