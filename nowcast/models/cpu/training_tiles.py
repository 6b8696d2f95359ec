"""Convolutions of a recurrent network for training on a CPU in float32: weights prepared once a sequence.

An unrolled network convolves with the same weights at each step. Here they are brought into the form of
`six_by_six` and into the blocks of oneDNN once, maps that would be joined along channels are read from where
they lie, and the gradient of the weights is summed in one place over all steps and turned into that of the
filters once.

Dimensions: B batch, C channels in of all maps together, K channels out, h rows, w columns, n tiles, r side of
the filter.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nowcast.models.cpu.capability import vector_instructions
from nowcast.models.cpu.onednn import backward_pass, convolve, pack, packs
from nowcast.models.cpu.six_by_six import SIDES, Tiling, matrices

_TILES = 128
"""Tiles at a time, about: what is made of them stays in the cache."""
_BLOCK = 16
"""Channels that oneDNN's kernels take at once; others fall to a slow one."""
_ZERO = [0, 0]


def trains_tiled(x: Tensor, weight: Tensor) -> bool:
    """Whether `TiledConvolution` serves this training: float32 on a CPU with AVX2, channels in blocks.

    Why not with AVX-512: there a plain convolution is twice as fast, and on AMD MKL's products of matrices are
    not, so nothing is gained.

    Args:
        x: a map of the sequence (B, any, h, w).
        weight: (K, C, r, r).
    """
    return (
        torch.is_grad_enabled()
        and vector_instructions() == "AVX2"
        and weight.requires_grad
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and weight.shape[-1] in SIDES
        and not weight.shape[0] % _BLOCK
        and not weight.shape[1] % _BLOCK
        and packs(weight.detach())
        and backward_pass() is not None
    )


class TiledConvolution:
    """A convolution of one or more maps joined along channels, with a border of zeros and no bias.

    Args:
        weight: (K, C, r, r), any differentiable tensor.
        like: a map of the sequence (B, any, h, w).
    """

    def __init__(self, weight: Tensor, like: Tensor) -> None:
        self.wide, self.wide_in, side, _ = weight.shape
        batch, _, rows, columns = like.shape
        self.tiling, self.matrices = Tiling(rows, columns, side), matrices(side)
        most = max(1, _TILES // (self.tiling.down * self.tiling.along))
        self.at_once = max(part for part in range(1, batch + 1) if batch % part == 0 and part <= most)
        spread = weight.flatten(2) @ self.matrices.filter.T
        self.spread = spread.permute(2, 1, 0).contiguous()
        """(36, C, K)"""
        self._gradient: Tensor | None = None
        self._pass: int | None = None
        self.count = self.at_once * self.tiling.down * self.tiling.along
        """n of the samples at once."""
        self.framed = like.new_zeros(self.tiling.frame(self.at_once, self.wide_in))
        self._lines = lines = (1, self.at_once * self.tiling.down, self.tiling.along)
        kernel = self.spread.detach()
        self._forth = pack(_grouped(kernel.transpose(1, 2)), _ZERO, lines, groups=len(kernel))
        self._back = pack(_grouped(kernel), _ZERO, lines, groups=len(kernel))

    def __call__(self, *maps: Tensor) -> Tensor:
        """Convolve maps (B, some of C, h, w) to (B, K, h, w), which lies channels-last."""
        found: Tensor = _Tiled.apply(self, self.spread, *maps)  # type: ignore[no-untyped-call]
        return found

    def forth(self, tiles: Tensor) -> Tensor:
        """Products (n, 36, K) of transformed tiles (n, 36, C)."""
        return self._products(tiles, self._forth, self.wide)

    def back(self, products: Tensor) -> Tensor:
        """Gradients of tiles (n, 36, C) from those of products (n, 36, K)."""
        return self._products(products, self._back, self.wide_in)

    def _products(self, tiles: Tensor, packed: Tensor, wide: int) -> Tensor:
        lines = tiles.view(*self._lines, -1).permute(0, 3, 1, 2)
        found = convolve(lines, packed, None, _ZERO, groups=len(self.spread))
        return found.permute(0, 2, 3, 1).reshape(self.count, -1, wide)

    def gradient_of_pass(self) -> tuple[Tensor, Tensor | None]:
        """Where the gradient of ``spread`` is summed in this backward pass, and the same once: at its start.

        What autograd is given at the start of a pass it reads when all steps have been added to it.
        """
        number = backward_pass()
        if self._gradient is None or number != self._pass:
            self._gradient, self._pass = torch.zeros_like(self.spread), number
            return self._gradient, self._gradient
        return self._gradient, None


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: TiledConvolution, spread: Tensor, *maps: Tensor) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(*maps)
        batch, _, rows, columns = maps[0].shape
        out = maps[0].new_empty(batch, rows, columns, plan.wide)
        for part in range(0, batch, plan.at_once):
            here = slice(part, part + plan.at_once)
            products = plan.forth(_transformed(plan, [each[here] for each in maps]))
            places = _scratch("places", len(products), plan.tiling.size**2, plan.wide)
            plan.tiling.put(_each(plan.matrices.output, products, places), out[here])
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, out: Tensor) -> tuple[Tensor | None, ...]:
        plan: TiledConvolution = ctx.plan
        maps: Sequence[Tensor] = ctx.saved_tensors
        out = out.permute(0, 2, 3, 1)
        batch, rows, columns, _ = out.shape
        total, once = plan.gradient_of_pass() if ctx.needs_input_grad[1] else (None, None)
        inner = out.new_empty(batch, rows, columns, plan.wide_in)
        for part in range(0, batch, plan.at_once):
            here = slice(part, part + plan.at_once)
            places = _scratch("places", plan.count, plan.tiling.size**2, plan.wide)
            plan.tiling.take(out[here], places)
            products = _scratch("products", plan.count, len(plan.spread), plan.wide)
            _each(plan.matrices.output.T, places, products)
            if total is not None:
                tiles = _transformed(plan, [each[here] for each in maps])
                total.baddbmm_(tiles.permute(1, 2, 0), products.permute(1, 0, 2))
            if any(ctx.needs_input_grad[2:]):
                tiles = _scratch("tiles", plan.count, len(plan.spread), plan.wide_in)
                _each(plan.matrices.input.T, plan.back(products), tiles)
                laid = _scratch("laid", *plan.tiling.frame(plan.at_once, plan.wide_in))
                plan.tiling.lay_back(tiles, laid)
                inner[here] = plan.tiling.inside(laid)
        parts = inner.permute(0, 3, 1, 2).split_with_sizes([each.shape[1] for each in maps], dim=1)
        return None, once, *parts


def _transformed(plan: TiledConvolution, maps: Sequence[Tensor]) -> Tensor:
    """Tiles (n, 36, C) of maps joined along channels, ready to be multiplied; in scratch memory."""
    plan.tiling.lay(maps, plan.framed)
    shape = (plan.count, len(plan.spread), plan.wide_in)
    tiles = _scratch("tiles", *shape)
    plan.tiling.cut(plan.framed, tiles)
    return _each(plan.matrices.input, tiles, _scratch("transformed", *shape))


def _each(matrix: Tensor, tiles: Tensor, out: Tensor) -> Tensor:
    """Multiply every tile by a matrix."""
    return torch.bmm(matrix.expand(len(tiles), -1, -1), tiles, out=out)


_kept = threading.local()


def _scratch(name: str, *shape: int) -> Tensor:
    """Memory of this thread that the next call by the same name writes over.

    Why: fresh pages of memory for what is made of tiles would cost as much as to compute it.
    """
    count = prod(shape)
    memory: Tensor | None = getattr(_kept, name, None)
    if memory is None or memory.numel() < count:
        memory = torch.empty(count, dtype=torch.float32, device="cpu")
        setattr(_kept, name, memory)
    return memory[:count].view(shape)


def _grouped(kernels: Tensor) -> Tensor:
    """One 1 x 1 kernel (K, C) for each of 36 groups, as a convolution of groups takes them."""
    return kernels.reshape(-1, kernels.shape[-1], 1, 1)
