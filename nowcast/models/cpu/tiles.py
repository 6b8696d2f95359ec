"""Convolutions by tiles of 6 x 6 inputs: fewer multiplications, for CPUs where they are what takes the time.

A tile of 6 x 6 inputs gives 4 x 4 outputs of a 3 x 3 filter (36 products for each pair of channels where its
definition has 144) or 2 x 2 outputs of a 5 x 5 filter (36 for 100). The tiles are brought to that form and
back by a product of matrices each. Maps are taken a band at a time, so that all of it stays in the caches.

oneDNN computes a convolution on AVX2 as fast as the registers multiply, so that only fewer multiplications
help; on AVX-512 its convolutions are as fast as this.

Dimensions: B batch, C channels in, K channels out, h rows, w columns, n tiles, m = 4 or 2 outputs to a side.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016; the places 1/2 and -2
beside 0, 1, -1 and infinity, whose rounding errors are small: Barabasz et al., Error Analysis and Improving
the Accuracy of Winograd Convolution, ACM Transactions on Mathematical Software 46, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

SIDE = 6
_PLACES = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Where the polynomials of filter and tile are evaluated; the sixth place is infinity."""
_TILES_AT_ONCE = 100
_INTO, _OUT_OF = {3: 115.0, 5: 60.0}, {3: 65.0, 5: 30.0}
"""Multiplications that could be done while one number of a tile is brought into, and out of, this form."""
_UNEVEN = 1.3
"""How much longer a multiplication of these products takes than one of a direct convolution."""


class Forms(NamedTuple):
    """The matrices of one size of filter, in double precision."""

    inputs: Tensor
    """(36, 36): a tile's inputs to its form."""
    weights: Tensor
    """(6, filter size): for rows and columns of a filter."""
    outputs: Tensor
    """(m * m, 36): the products to a tile's outputs."""


class TileKernel(NamedTuple):
    """The weights of a convolution in the form of its tiles; stride 1, padded to keep the size."""

    products: Tensor
    """(36, C, K)"""
    bias: Tensor | None
    """(K,)"""
    filter_size: int


def fits(weight: Tensor) -> bool:
    """Whether filters (K, C, taps, taps) can be computed so: 3 x 3 or 5 x 5, in float32."""
    return weight.dtype == torch.float32 and tuple(weight.shape[2:]) in ((3, 3), (5, 5))


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
    m = _outputs(size)
    direct *= channels * outputs * size**2 * rows * columns
    form = channels * _INTO[size] + outputs * _OUT_OF[size]
    tiles = -(-rows // m) * -(-columns // m)
    return tiles * SIDE**2 * (channels * outputs * _UNEVEN + form) < direct


def tile_kernel(weight: Tensor, bias: Tensor | None = None) -> TileKernel:
    """Bring weights (K, C, taps, taps) into the form of tiles."""
    form = _forms(weight.shape[2]).weights
    spread = torch.einsum("ij,kcjm,lm->ilck", form, weight.detach().double(), form)
    return TileKernel(spread.flatten(0, 1).to(weight.dtype).contiguous(), bias, weight.shape[2])


def convolve_tiles(parts: Sequence[Tensor], kernels: Sequence[tuple[int, TileKernel]]) -> list[Tensor]:
    """Convolve maps (B, C_i, h, w), channels side by side, by kernels that each read some of the channels.

    Args:
        parts: the maps.
        kernels: each with the first channel that it reads; all of one filter size.

    Returns:
        For each kernel (B, K, h, w), channels-last in memory.
    """
    size = kernels[0][1].filter_size
    m = _outputs(size)
    batch, _, height, width = parts[0].shape
    down, along = -(-height // m), -(-width // m)
    framed = _framed(parts, size, down * m, along * m)
    found = [framed.new_empty(batch, down, m, along, m, kernel.products.shape[2]) for _, kernel in kernels]
    into, out_of = (form.to(framed.dtype) for form in (_forms(size).inputs, _forms(size).outputs))
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


def _framed(parts: Sequence[Tensor], filter_size: int, rows: int, columns: int) -> Tensor:
    """The maps side by side inside a border of zeros, (B, rows + taps - 1, columns + taps - 1, C)."""
    batch, _, height, width = parts[0].shape
    border, channels = filter_size // 2, sum(part.shape[1] for part in parts)
    framed = parts[0].new_zeros(batch, rows + 2 * border, columns + 2 * border, channels)
    inside, first = framed[:, border : border + height, border : border + width], 0
    for part in parts:
        inside[..., first : first + part.shape[1]].copy_(part.permute(0, 2, 3, 1))
        first += part.shape[1]
    return framed


def _cut(framed: Tensor, down: int, along: int, m: int) -> Tensor:
    """The overlapping tiles of a band as a view, (6, 6, B, down, along, C)."""
    each, row, column, channel = framed.stride()
    shape = (SIDE, SIDE, len(framed), down, along, framed.shape[-1])
    strides = (row, column, each, m * row, m * column, channel)
    return framed.as_strided(shape, strides, framed.storage_offset())


def _outputs(filter_size: int) -> int:
    return SIDE + 1 - filter_size


@cache
def _forms(filter_size: int) -> Forms:
    places = torch.tensor(_PLACES, dtype=torch.float64)
    powers = torch.zeros(SIDE, SIDE, dtype=torch.float64)
    powers[:-1] = places[:, None] ** torch.arange(SIDE)
    powers[-1, -1] = 1.0  # infinity
    apart = torch.ones(SIDE, dtype=torch.float64)
    apart[:-1] = (places[:, None] - places + torch.eye(SIDE - 1)).prod(dim=1)
    # So scaled the entries of the first are multiples of powers of 1/2, which float32 holds without rounding.
    inputs = torch.linalg.inv(powers).T * apart[:, None]
    inputs = (inputs * 2.0**10).round() / 2.0**10
    outputs = torch.zeros(_outputs(filter_size), SIDE, dtype=torch.float64)
    outputs[:, :-1] = powers[:-1, : len(outputs)].T
    outputs[-1, -1] = 1.0
    weights = torch.zeros(SIDE, filter_size, dtype=torch.float64)
    weights[:-1] = powers[:-1, :filter_size]
    weights[-1, -1] = 1.0
    return Forms(torch.kron(inputs, inputs), weights / apart[:, None], torch.kron(outputs, outputs))
