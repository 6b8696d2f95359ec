"""A convolution with its weights made ready once: packed for oneDNN, or in the form of tiles where that pays.

Dimensions: B batch, C channels, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from nowcast.models.cpu.capability import multiplications_take_the_time
from nowcast.models.cpu.forecast_tiles import TileKernel, convolve_tiles, fits, pays, tile_kernel
from nowcast.models.cpu.onednn import convolve, pack, packs

_KEPT_SHAPES = 4
"""Packed copies that one convolution keeps, one for each shape of input it meets."""


class PackedConvolution(nn.Module):
    """A convolution whose weights are packed when a shape of input first comes."""

    def __init__(self, like: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.weight, self.bias = like.weight, like.bias
        self.padding = [int(side) for side in like.padding]
        self.stride, self.dilation, self.groups = list(like.stride), list(like.dilation), like.groups
        self._packed: dict[tuple[int, ...], Tensor] = {}
        self._kernel: TileKernel | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; a 2-D output lies channels-last but where it is computed by pixels."""
        if x.is_contiguous() and reads_as_it_lies(self):
            return self._of_pixels(x)
        if self.by_tiles(x):
            return convolve_tiles([x], [(0, self.kernel())])[0]
        maps = (x.shape[0], *x.shape[2:])
        packed = self._packed.get(maps)
        if packed is None:
            if len(self._packed) >= _KEPT_SHAPES:
                self._packed.pop(next(iter(self._packed)))
            packed = pack(self.weight, self.padding, maps, self.stride, self.dilation, self.groups)
            self._packed[maps] = packed
        return convolve(x, packed, self.bias, self.padding, self.stride, self.dilation, self.groups)

    def _of_pixels(self, x: Tensor) -> Tensor:
        found = self.weight.flatten(1) @ x.flatten(2)
        if self.bias is not None:
            found += self.bias[:, None]
        return found.view(*found.shape[:2], *x.shape[2:])

    def by_tiles(self, x: Tensor) -> bool:
        """Whether tiles pay on this CPU for maps like ``x``."""
        if not (multiplications_take_the_time() and self.weight.dim() == 4 and fits(self.weight)):
            return False
        plain = self.stride == self.dilation == [1, 1] and self.groups == 1
        same_size = self.padding == [self.weight.shape[2] // 2] * 2
        return plain and same_size and pays(self.weight, x.shape[2], x.shape[3])

    def kernel(self) -> TileKernel:
        """The weights in the form of tiles."""
        if self._kernel is None:
            self._kernel = tile_kernel(self.weight, self.bias)
        return self._kernel

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is packed behind: it can be neither copied nor saved, and is made again."""
        return {**self.__dict__, "_packed": {}, "_kernel": None}


def reads_as_it_lies(conv: nn.Conv2d | nn.Conv3d | PackedConvolution) -> bool:
    """Whether it is best a product of matrices of maps that lie one after another: one tap, few outputs.

    oneDNN would have them channels-last, and to lay so many of them anew takes longer than the product.
    """
    weight = conv.weight
    plain = set(conv.stride) == {1} and set(conv.padding) == {0} and conv.groups == 1
    narrow = set(weight.shape[2:]) == {1} and weight.shape[0] < weight.shape[1]
    here = weight.dtype == torch.float32 and weight.device.type == "cpu" and multiplications_take_the_time()
    return plain and narrow and here


def convolve_side_by_side(
    parts: Sequence[Tensor], first: nn.Module, second: nn.Module
) -> tuple[Tensor, Tensor]:
    """The first convolution over all maps but the last, and the second over all but the first.

    What both read is brought into the form of tiles once, where both are computed so.
    """
    if all(isinstance(conv, PackedConvolution) and conv.by_tiles(parts[0]) for conv in (first, second)):
        assert isinstance(first, PackedConvolution)
        assert isinstance(second, PackedConvolution)
        kernels = [(0, first.kernel()), (parts[0].shape[1], second.kernel())]
        one, other = convolve_tiles(parts, kernels)
        return one, other
    return first(torch.cat(list(parts[:-1]), dim=1)), second(torch.cat(list(parts[1:]), dim=1))


def can_pack(part: nn.Module) -> TypeGuard[nn.Conv2d | nn.Conv3d]:
    """Whether a layer is a convolution whose weights can be made ready."""
    return (
        isinstance(part, (nn.Conv2d, nn.Conv3d))
        and type(part) in (nn.Conv2d, nn.Conv3d)
        and isinstance(part.padding, tuple)
        and part.padding_mode == "zeros"
        and packs(part.weight)
    )
