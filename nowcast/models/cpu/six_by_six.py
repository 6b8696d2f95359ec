"""Convolutions with fewer multiplications: maps cut into tiles of 6 x 6, and what is done to tiles.

A tile of 6 x 6 gives 4 x 4 places of a 3 x 3 convolution, or 2 x 2 of a 5 x 5 one, by 36 products for each
pair of channels where the definition has 144 or 100. All of it is linear, so gradients take the same way
backwards.

Dimensions: B batch, C channels, h rows, w columns, n tiles of all samples, m side of a tile's output, r side of
the filter; 36 = (m + r - 1)^2.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016. The points 0, +-3/4, +-3/2
and infinity are ours: with them float32 rounds half as coarsely as with 0, +-1, +-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod

import torch
from torch import Tensor

SIDE = 6
"""Of a tile."""
SIDES = (3, 5)
"""Of the filters for which tiles of 6 x 6 keep float32 exact to some 1e-6."""
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


@dataclass(frozen=True)
class Matrices:
    """What turns tiles, filters and products into one another; both axes at once."""

    input: Tensor
    """(36, 36): a tile of the map to what is multiplied."""
    filter: Tensor
    """(36, r * r)"""
    output: Tensor
    """(m * m, 36): products to places."""


@cache
def matrices(side: int) -> Matrices:
    """The matrices for filters of ``side`` x ``side``, in float32 on the CPU.

    They are kept, so whoever asks first must not decide where they lie and whether they can be trained through.

    Why they are right: the output is a product of polynomials read at `_POINTS`, transposed.
    """
    with torch.inference_mode(False), torch.device("cpu"):
        return _made(side)


def _made(side: int) -> Matrices:
    size = SIDE + 1 - side
    powers = torch.tensor([[at**k for k in range(SIDE)] for at in _POINTS], dtype=torch.float64)
    last = torch.zeros(1, SIDE, dtype=torch.float64)
    gaps = [prod(at - other for other in _POINTS if other != at) for at in _POINTS]
    scale = torch.tensor(gaps, dtype=torch.float64)[:, None]

    def at_points(width: int) -> Tensor:
        infinity = last[:, :width].clone()
        infinity[0, -1] = 1.0
        return torch.cat([powers[:, :width], infinity])

    filters = at_points(side)
    filters[:-1] /= scale
    lines = [_polynomial([other for other in _POINTS if other != at]) for at in _POINTS]
    inputs = torch.tensor([*([*line, 0.0] for line in lines), _polynomial(_POINTS)], dtype=torch.float64)
    return Matrices(*(torch.kron(m, m).float() for m in (inputs, filters, at_points(size).T.contiguous())))


def _polynomial(roots: list[float] | tuple[float, ...]) -> list[float]:
    """Coefficients, lowest power first, of the polynomial with these roots."""
    found = [1.0]
    for root in roots:
        found = [low - root * high for low, high in zip([0.0, *found], [*found, 0.0], strict=True)]
    return found


@dataclass(frozen=True)
class Tiling:
    """How maps of one shape are cut for a filter: as many tiles as cover them."""

    rows: int
    columns: int
    side: int
    """r of the filter."""

    @property
    def size(self) -> int:
        """Side m of a tile's output."""
        return SIDE + 1 - self.side

    @property
    def down(self) -> int:
        """Tiles in a column."""
        return -(-self.rows // self.size)

    @property
    def along(self) -> int:
        """Tiles in a row."""
        return -(-self.columns // self.size)

    def frame(self, batch: int, channels: int) -> tuple[int, int, int, int]:
        """The shape (B, h + border, w + border, C) of zeros whose `inside` a map goes into."""
        more = SIDE - self.size
        return batch, self.down * self.size + more, self.along * self.size + more, channels

    def inside(self, framed: Tensor) -> Tensor:
        """The map's own place (B, h, w, C) in its frame."""
        pad = self.side // 2
        return framed[:, pad : pad + self.rows, pad : pad + self.columns]

    def lay(self, maps: Sequence[Tensor], framed: Tensor) -> None:
        """Write maps (B, C_i, h, w) side by side into their place in a frame: their channels are joined so."""
        inside, first = self.inside(framed), 0
        for each in maps:
            inside[..., first : first + each.shape[1]].copy_(each.permute(0, 2, 3, 1))
            first += each.shape[1]

    def cut(self, framed: Tensor, tiles: Tensor) -> None:
        """Write the tiles (n, 36, C), which overlap, of a framed map."""
        windows = self._windows(framed)
        tiles.view(windows.shape).copy_(windows)

    def lay_back(self, tiles: Tensor, framed: Tensor) -> None:
        """Add tiles (n, 36, C) up to a framed map: `cut` backwards."""
        into = self._windows(framed.zero_())
        tiles = tiles.view(into.shape)
        parts = [slice(first, min(first + self.size, SIDE)) for first in range(0, SIDE, self.size)]
        for down, along in product(parts, parts):  # within a part windows do not overlap
            into[:, :, :, down, along] += tiles[:, :, :, down, along]

    def put(self, places: Tensor, into: Tensor) -> None:
        """Write the places of tiles (n, m * m, C) into a map (B, h, w, C)."""
        batch, rows, columns, channels = into.shape
        tiles = places.view(batch, self.down, self.along, self.size, self.size, channels).transpose(2, 3)
        if self._whole:
            into.view(tiles.shape).copy_(tiles)
        else:
            into.copy_(tiles.reshape(batch, -1, self.along * self.size, channels)[:, :rows, :columns])

    def take(self, out: Tensor, places: Tensor) -> None:
        """Write the places of tiles (n, m * m, C) of a map (B, h, w, C), zeros beyond it: `put` backwards."""
        batch, rows, columns, channels = out.shape
        if not self._whole:
            wider = out.new_zeros(batch, self.down * self.size, self.along * self.size, channels)
            wider[:, :rows, :columns] = out
            out = wider
        tiles = out.reshape(batch, self.down, self.size, self.along, self.size, channels).transpose(2, 3)
        places.view(tiles.shape).copy_(tiles)

    @property
    def _whole(self) -> bool:
        return not self.rows % self.size and not self.columns % self.size

    def _windows(self, framed: Tensor) -> Tensor:
        """(B, down, along, 6, 6, C), a view."""
        windows = framed.unfold(1, SIDE, self.size).unfold(2, SIDE, self.size)
        return windows.permute(0, 1, 2, 4, 5, 3)
