"""One large map out of overlapping tiles, each weighted less towards its edges.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of the whole map, h and w of
a tile.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.core.allocator import give_back_freed
from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ScheduledTargets, SequenceModel
from nowcast.models.wrapper import Inner, ModelWrapper

_NEXT_TO_NOTHING = 1e-6


class Tiled(ModelWrapper):
    """A network run on tiles of a frame that is larger than memory allows.

    In Lagrangian coordinates it stands around the network inside (`LagrangianModel.network`): the motion is
    estimated once, for the whole frame, and rain that moves from tile to tile needs no overlap.

    Args:
        network: any.
        side: from rows and columns of a frame to those of a tile; the frame's own where it fits.
        overlap: cells that neighbouring tiles share, at most half a tile.
        margin: cells along the inner edges of a tile that another tile knows better; see `blended`.
        one_size: whether the network takes no other size than that of a tile: smaller frames are filled up.
    """

    def __init__(
        self,
        network: SequenceModel,
        side: Callable[[int, int], tuple[int, int]],
        overlap: int,
        margin: int = 0,
        one_size: bool = False,
    ) -> None:
        super().__init__(network)
        self.side, self.overlap, self.margin, self.one_size = side, overlap, margin, one_size

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast with ``network``; without true frames, as nobody trains on tiles."""
        del targets
        height, width = past.shape[-2:]
        tile = self.side(height, width)

        def make(rows: slice, columns: slice) -> Tensor:
            mask = None if observed is None else observed[..., rows, columns]
            return self._tile(network, past[..., rows, columns], steps, mask, tile)

        overlap = min(self.overlap, min(tile) // 2)
        return blended(make, (height, width), tile, overlap, min(self.margin, max(overlap // 2 - 1, 0)))

    def _tile(
        self, network: Inner, past: Tensor, steps: int, observed: Tensor | None, tile: tuple[int, int]
    ) -> Tensor:
        rows, columns = past.shape[-2:]
        over = 0, max(tile[1] - columns, 0), 0, max(tile[0] - rows, 0)
        if any(over) and self.one_size:
            past = F.pad(past, over)
            observed = None if observed is None else F.pad(observed, over, value=True)
        found = network(past, steps, None, observed)
        return found[..., :rows, :columns]


def blended(
    make: Callable[[slice, slice], Tensor],
    shape: tuple[int, int],
    tile: tuple[int, int],
    overlap: int,
    margin: int = 0,
) -> Tensor:
    """Compute a map tile by tile and blend where tiles overlap.

    Why weights: a network knows little of what enters its tile from outside, so at each place the tile
    that has it farthest from its edge says most, and nothing jumps from one tile to the next. With a margin
    as wide as what a network reads around a pixel, and an overlap of more than two, tiles equal the whole. A
    map no larger than one tile is that tile, unchanged.

    Args:
        make: returns (..., h, w) for rows and columns; no NaN.
        shape: (H, W).
        tile: largest (h, w).
        overlap: cells that neighbours share at least, not more than half a tile.
        margin: cells along the edges of a tile that next to do not count where another tile is known.

    Returns:
        (..., H, W).

    Raises:
        SettingsError: tiles that do not advance.
    """
    if min(tile) < 2 or not 0 <= overlap <= min(tile) // 2:
        raise SettingsError(
            complain(
                "tiling: tile, overlap",
                f"{tile[0]} x {tile[1]}, {overlap}",
                "at least 2 x 2 cells and an overlap of at most half a tile",
                "take larger tiles",
            )
        )
    rows, columns = (spans(n, t, overlap) for n, t in zip(shape, tile, strict=True))
    if len(rows) == len(columns) == 1:
        return make(rows[0], columns[0])
    give_back_freed()
    total: Tensor | None = None
    down, along = _shares(rows, overlap, margin), _shares(columns, overlap, margin)
    for row, by_row in zip(rows, down, strict=True):
        for column, by_column in zip(columns, along, strict=True):
            part = make(row, column)
            if total is None:
                total = part.new_zeros((*part.shape[:-2], *shape))
            share = (by_row[:, None] * by_column[None, :]).to(part.device)
            for known, own in zip(_maps(total), _maps(part), strict=True):  # no second copy of a tile
                known[row, column] += own * share
            del part, own  # gone before the next one is made
    give_back_freed()
    assert total is not None
    return total


def spans(length: int, tile: int, overlap: int) -> list[slice]:
    """The fewest stretches of ``tile`` cells that cover ``length`` and share ``overlap``, evenly."""
    if length <= tile:
        return [slice(0, length)]
    count = int(np.ceil((length - overlap) / (tile - overlap)))
    starts = np.rint(np.linspace(0, length - tile, count)).astype(int)
    return [slice(int(s), int(s) + tile) for s in starts]


def _maps(batch: Tensor) -> list[Tensor]:
    """The maps (h, w) of (..., h, w), each a view."""
    return [batch[index] for index in np.ndindex(*batch.shape[:-2])]


def _shares(stretches: list[slice], overlap: int, margin: int) -> list[Tensor]:
    """How much each stretch of an axis counts at each of its cells; they add up to 1."""
    weights = [_weight(span, overlap, margin) for span in stretches]
    total = torch.zeros(stretches[-1].stop)
    for span, weight in zip(stretches, weights, strict=True):
        total[span] += weight
    return [weight / total[span] for span, weight in zip(stretches, weights, strict=True)]


def _weight(span: slice, overlap: int, margin: int) -> Tensor:
    inside = torch.arange(span.stop - span.start, dtype=torch.float32)
    to_edge = torch.minimum(inside, inside.flip(0)) + 1.0
    return (to_edge - margin).clamp(_NEXT_TO_NOTHING, max(overlap - 2 * margin, 1))
