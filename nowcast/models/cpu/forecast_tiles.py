"""Convolutions by tiles of 6 x 6 inputs: fewer multiplications, for CPUs where they are what takes the time.

`six_by_six` says what the tiles are. Maps are taken a band at a time, so that all of it stays in the caches.

oneDNN computes a convolution on AVX2 as fast as the registers multiply, so that only fewer multiplications
help; on AVX-512 its convolutions are as fast as this.

Dimensions: B batch, C channels in, K channels out, h rows, w columns, n tiles, m = 4 or 2 outputs to a side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nowcast.models.cpu.six_by_six import SIDE, SIDES, Tiling, matrices

_TILES_AT_ONCE = 100
_INTO, _OUT_OF = {3: 115.0, 5: 60.0}, {3: 65.0, 5: 30.0}
"""Multiplications that could be done while one number of a tile is brought into, and out of, this form."""
_UNEVEN = 1.3
"""How much longer a multiplication of these products takes than one of a direct convolution."""


class TileKernel(NamedTuple):
    """The weights of a convolution in the form of its tiles; stride 1, padded to keep the size."""

    products: Tensor
    """(36, C, K)"""
    bias: Tensor | None
    """(K,)"""
    filter_size: int


def fits(weight: Tensor) -> bool:
    """Whether filters (K, C, taps, taps) can be computed so: 3 x 3 or 5 x 5, in float32."""
    return weight.dtype == torch.float32 and tuple(weight.shape[2:]) in [(side, side) for side in SIDES]


def pays(weight: Tensor, rows: int, columns: int, direct: float = 1.0) -> bool:
    """Whether tiles take less time on such maps than a convolution that is bound by its multiplications.

    Both are counted in multiplications; the numbers are fitted to times of convolutions with 32 to 256
    channels on one core with AVX2 alone.

    Args:
        weight: (K, C, taps, taps).
        rows: h.
        columns: w.
        direct: the share of these multiplications that the other way takes, where it saves some itself.
    """
    outputs, channels, size, _ = weight.shape
    tiling = Tiling(rows, columns, size)
    direct *= channels * outputs * size**2 * rows * columns
    form = channels * _INTO[size] + outputs * _OUT_OF[size]
    return tiling.down * tiling.along * SIDE**2 * (channels * outputs * _UNEVEN + form) < direct


def tile_kernel(weight: Tensor, bias: Tensor | None = None) -> TileKernel:
    """Bring weights (K, C, taps, taps) into the form of tiles."""
    spread = weight.detach().flatten(2) @ matrices(weight.shape[2]).filter.T.to(weight.dtype)
    return TileKernel(spread.permute(2, 1, 0).contiguous(), bias, weight.shape[2])


def convolve_tiles(parts: Sequence[Tensor], kernels: Sequence[tuple[int, TileKernel]]) -> list[Tensor]:
    """Convolve maps (B, C_i, h, w), channels side by side, by kernels that each read some of the channels.

    Args:
        parts: the maps.
        kernels: each with the first channel that it reads; all of one filter size.

    Returns:
        For each kernel (B, K, h, w), channels-last in memory.
    """
    size = kernels[0][1].filter_size
    batch, _, height, width = parts[0].shape
    tiling = Tiling(height, width, size)
    m, down, along = tiling.size, tiling.down, tiling.along
    framed = parts[0].new_zeros(tiling.frame(batch, sum(part.shape[1] for part in parts)))
    tiling.lay(parts, framed)
    found = [framed.new_empty(batch, down, m, along, m, kernel.products.shape[2]) for _, kernel in kernels]
    into, out_of = (form.to(framed.dtype) for form in (matrices(size).input, matrices(size).output))
    rows = min(down, max(1, round(_TILES_AT_ONCE / (batch * along))))
    room = _Room(framed, batch * rows * along, max(kernel.products.shape[2] for _, kernel in kernels))
    for top in range(0, down, rows):
        tall = min(rows, down - top)
        cut = room.cut(batch * tall * along)
        cut.view(SIDE, SIDE, batch, tall, along, -1).copy_(_cut(framed[:, top * m :], tall, along, m))
        tiles = room.tiles(batch * tall * along)
        torch.mm(into, cut.flatten(1), out=tiles.flatten(1))
        for (first, kernel), whole in zip(kernels, found, strict=True):
            _band(tiles, first, kernel, out_of, room, whole[:, top : top + tall])
    return [f.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2) for f in found]


class _Room:
    """Arrays for one band, written over by the next: fresh pages of memory would cost as much as the sums."""

    def __init__(self, like: Tensor, tiles: int, outputs: int) -> None:
        self.channels = like.shape[-1]
        self._inputs = like.new_empty(2, SIDE * SIDE * tiles * self.channels)
        self._products = like.new_empty(2, SIDE * SIDE * tiles * outputs)

    def cut(self, tiles: int) -> Tensor:
        """(36, n, C)"""
        return self._of(self._inputs[0], SIDE * SIDE, tiles, self.channels)

    def tiles(self, tiles: int) -> Tensor:
        """(36, n, C)"""
        return self._of(self._inputs[1], SIDE * SIDE, tiles, self.channels)

    def products(self, tiles: int, outputs: int) -> Tensor:
        """(36, n, K)"""
        return self._of(self._products[0], SIDE * SIDE, tiles, outputs)

    def outputs(self, places: int, tiles: int, outputs: int) -> Tensor:
        """(m * m, n, K)"""
        return self._of(self._products[1], places, tiles, outputs)

    @staticmethod
    def _of(flat: Tensor, *shape: int) -> Tensor:
        return flat[: math.prod(shape)].view(shape)


def _band(tiles: Tensor, first: int, kernel: TileKernel, out_of: Tensor, room: _Room, found: Tensor) -> None:
    """Write one band (B, down, m, along, m, K) of a convolution's output."""
    channels, wide = kernel.products.shape[1:]
    products = room.products(tiles.shape[1], wide)
    torch.bmm(tiles[..., first : first + channels], kernel.products, out=products)
    outputs = room.outputs(len(out_of), tiles.shape[1], wide)
    torch.mm(out_of, products.flatten(1), out=outputs.flatten(1))
    place = found.permute(2, 4, 0, 1, 3, 5)
    if kernel.bias is None:
        place.copy_(outputs.view(place.shape))
    else:
        torch.add(outputs.view(place.shape), kernel.bias, out=place)


def _cut(framed: Tensor, down: int, along: int, m: int) -> Tensor:
    """The overlapping tiles of a band as a view, (6, 6, B, down, along, C)."""
    each, row, column, channel = framed.stride()
    shape = (SIDE, SIDE, len(framed), down, along, framed.shape[-1])
    strides = (row, column, each, m * row, m * column, channel)
    return framed.as_strided(shape, strides, framed.storage_offset())
