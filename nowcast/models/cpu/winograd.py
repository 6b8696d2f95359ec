"""A 3 x 3 convolution with 4 multiplications where 9 stand in its definition, for forecasts in float32.

Maps are cut into tiles of 2 x 2 outputs; each is 16 products instead of 36. A wide convolution on small
maps, as a recurrent cell has, is bound by its multiplications, so it gets faster by what that saves less
the additions around it. Those go into arrays that are kept from call to call: fresh pages of memory
would cost as much as the additions themselves.

Dimensions: B batch, C channels in, K channels out, h rows, w columns, n = B h w / 4 tiles.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, F(2 x 2, 3 x 3).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_KERNEL = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


class Workspace(NamedTuple):
    """Arrays for one convolution of maps of one shape; each call writes over those of the last."""

    padded: Tensor
    """(B, h + 2, w + 2, C): the input goes inside the border of zeros."""
    rows: Tensor
    """(4, B, h / 2, w + 2, C): transformed along rows."""
    tiles: Tensor
    """(4, 4, B, h / 2, w / 2, C): transformed along both."""
    products: Tensor
    """(16, n, K)"""
    half: Tensor
    """(2, 4, B, h / 2, w / 2, K): brought back along rows."""
    output: Tensor
    """(B, h / 2, 2, w / 2, 2, K)"""

    @property
    def inside(self) -> Tensor:
        """Where the input (B, h, w, C) is to be written."""
        return self.padded[:, 1:-1, 1:-1]


class WinogradConvolution(nn.Module):
    """A convolution 3 x 3 with a border of one zero, for maps with an even number of rows and columns.

    Weights are transformed once and have no gradient. Rounding errors are no larger than those of the
    plain sum.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        kernel, weight = torch.tensor(_KERNEL).to(weight), weight.detach()
        spread = torch.einsum("ij,kcjm,lm->ilck", kernel, weight, kernel).flatten(0, 1)
        self.register_buffer("products", spread.contiguous())
        self.register_buffer("bias", bias.detach())
        self.products: Tensor
        self.bias: Tensor

    def workspace(self, batch: int, rows: int, columns: int) -> Workspace:
        """Make the arrays for maps of one shape; two calls at a time need two of them.

        Raises:
            ValueError: an odd number of rows or columns.
        """
        if rows % 2 or columns % 2:
            raise ValueError(f"maps of {rows} x {columns}, expected even numbers of rows and columns")
        _, wide_in, wide = self.products.shape
        down, along = rows // 2, columns // 2
        empty = self.products.new_empty
        return Workspace(
            self.products.new_zeros(batch, rows + 2, columns + 2, wide_in),
            empty(4, batch, down, columns + 2, wide_in),
            empty(4, 4, batch, down, along, wide_in),
            empty(16, batch * down * along, wide),
            empty(2, 4, batch, down, along, wide),
            empty(batch, down, 2, along, 2, wide),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, h, w) to (B, K, h, w); the output lies channels-last."""
        space = self.workspace(x.shape[0], *x.shape[-2:])
        space.inside.copy_(x.permute(0, 2, 3, 1))
        return self.convolve(space).permute(0, 3, 1, 2)

    def convolve(self, space: Workspace) -> Tensor:
        """Convolve what stands in ``space.inside``; gives (B, h, w, K), which the next call writes over."""
        padded, rows, tiles, products, half, output = space
        batch, down, _, along, _, wide = output.shape
        _spread([padded[:, i : i + 2 * down - 1 : 2] for i in range(4)], rows)
        _spread([rows[:, :, :, i : i + 2 * along - 1 : 2] for i in range(4)], tiles.transpose(0, 1))
        torch.bmm(tiles.flatten(2, 4).flatten(0, 1), self.products, out=products)
        _gather(products.view(4, *half.shape[1:]), half)
        _gather(half.transpose(0, 1), output.permute(2, 4, 0, 1, 3, 5).transpose(0, 1))
        return output.view(batch, 2 * down, 2 * along, wide).add_(self.bias)


def _spread(lines: list[Tensor], out: Tensor) -> None:
    """Make the 4 sums and differences of 4 neighbouring lines that 3 taps at 2 places need."""
    first, second, third, fourth = lines
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _gather(four: Tensor, out: Tensor) -> None:
    """Make the values at 2 places from 4 products."""
    torch.add(four[0], four[1], out=out[0]).add_(four[2])
    torch.sub(four[1], four[2], out=out[1]).sub_(four[3])
