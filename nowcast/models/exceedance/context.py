"""The context of a whole frame, kept at the size of its cells and enlarged a band of rows at a time.

Dimensions: B batch, T past frames, D hidden channels, H rows, W columns, h and w of the coarse map, P pixels of
a stripe of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nowcast.models.exceedance.cascade import INPUT_SCALE, LogitCascade
from nowcast.models.exceedance.unet import ContextUNet

_COLUMNS = 1024
"""That one matrix enlarges to: in that of a wide frame nearly all would be zeros."""


class Context:
    """A coarse map (B, D, h, w) whose cells are squares of pixels, read bilinearly.

    Args:
        unet: what it is from.
        frames: what that reads (B, T, H, W).
    """

    def __init__(self, unet: ContextUNet, frames: Tensor) -> None:
        self.maps, self.side = unet.coarse(frames)
        self.head, size = unet.head, frames.shape[-2:]
        self.across = [self._across(first, size[1]) for first in range(0, size[1], _COLUMNS)]

    def band(self, rows: slice) -> Band:
        """What a band of rows reads."""
        cells = self._cells(rows.start, rows.stop, self.maps.shape[-2])
        coarse = self.head(self.maps[:, :, cells])
        wide = torch.cat([coarse[..., reads] @ matrix for reads, matrix in self.across], dim=-1)
        lines = torch.arange(rows.start, rows.stop, device=self.maps.device)
        lower, upper, share = self._places(lines, self.maps.shape[-2])
        return Band(wide, lower - cells.start, upper - cells.start, share)

    def _across(self, first: int, width: int) -> tuple[slice, Tensor]:
        """Columns of cells and the matrix that enlarges them to columns of pixels from ``first`` on."""
        stop = min(first + _COLUMNS, width)
        reads = self._cells(first, stop, self.maps.shape[-1])
        pixels = torch.arange(first, stop, device=self.maps.device)
        lower, upper, share = self._places(pixels, self.maps.shape[-1])
        matrix = self.maps.new_zeros(reads.stop - reads.start, len(pixels))
        own = pixels - first
        matrix[lower - reads.start, own] += 1.0 - share
        matrix[upper - reads.start, own] += share
        return reads, matrix

    def _cells(self, first: int, stop: int, cells: int) -> slice:
        """Cells that pixels read, and one more on either side: their place is rounded."""
        return slice(max(first // self.side - 2, 0), min((stop - 1) // self.side + 3, cells))

    def _places(self, fine: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
        """Between which two cells each pixel lies, and how far on the way to the second."""
        place = ((fine + 0.5) / self.side - 0.5).clamp(min=0.0)
        lower = place.long().clamp(max=cells - 1)
        return lower, (lower + 1).clamp(max=cells - 1), place - lower


class Band(NamedTuple):
    """The context of a band of rows."""

    wide: Tensor
    """(B, D, h, W): rows of cells, as wide as the frame."""
    lower: Tensor
    upper: Tensor
    """For each row of pixels, the rows of cells it lies between."""
    share: Tensor
    """Of the upper one."""

    def rows(self, sample: int, stripe: slice) -> Tensor:
        """(D, P) of a stripe of rows, counted from the first of the band."""
        wide, share = self.wide[sample], self.share[stripe, None]
        return torch.lerp(wide[:, self.lower[stripe]], wide[:, self.upper[stripe]], share).flatten(1)


def context_of(
    cascade: LogitCascade, means_of: Callable[[slice], Tensor], bands: list[slice]
) -> Context | None:
    """What the context U-Net of a cascade, if it has one, says of past frames.

    Args:
        cascade: as trained.
        means_of: from rows to their logits in all past frames as means over the thresholds (B, T, rows, W).
        bands: of rows, that are read one after the other.
    """
    if cascade.context_unet is None:
        return None
    means = [means_of(rows).mul_(INPUT_SCALE) for rows in bands]
    return Context(cascade.context_unet, torch.cat(means, dim=-2) if len(means) > 1 else means[0])
