"""Layers that see one pixel at a time, trained on a CPU in float32: stripes of pixels that stay in the cache.

Maps of a whole crop in many channels go through memory once for each operation, forwards and backwards. Here
all layers are done on some pixels before the next ones, and backwards what lies between the layers is computed
once more in place of being kept.

Dimensions: B batch, R channels read, D hidden channels, N numbers that are made, P pixels; Q <= R of the linear
part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_PIXELS = 1024
"""Of a stripe, for each thread."""


class PixelWeights(NamedTuple):
    """Weights (out, in) and biases (out,) of three layers with GELU between them, and of a linear part."""

    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor
    last: Tensor
    last_bias: Tensor
    linear: Tensor
    """(N, Q): of the first Q channels read; added to what the layers make."""


def trains_in_stripes(read: Tensor) -> bool:
    """Whether `pixel_layers` serves: training in float32 on a CPU, without a gradient of what is read."""
    return (
        torch.is_grad_enabled()
        and not read.requires_grad
        and read.device.type == "cpu"
        and read.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


def pixel_layers(read: Tensor, added: Tensor | None, weights: PixelWeights) -> Tensor:
    """Make (B, N, P) of what is read (B, R, P), which gets no gradient.

    Args:
        read: contiguous.
        added: (B, D, P), added before the first GELU; None for nothing.
        weights: see there.
    """
    found: Tensor = _Layers.apply(read, added, *weights)  # type: ignore[no-untyped-call]
    return found


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, read: Tensor, added: Tensor | None, *weights: Tensor) -> Tensor:
        own = PixelWeights(*weights)
        ctx.save_for_backward(read, added, *weights)
        out = read.new_empty(len(read), len(own.last), read.shape[-1])
        for part, extra, made in _stripes(read, added, out):
            *_, hidden = _hidden(part, extra, own)
            torch.addmm(own.last_bias[:, None], own.last, hidden, out=made)
            made.addmm_(own.linear, part[: own.linear.shape[1]])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, out: Tensor) -> tuple[Tensor | None, ...]:
        read, added, *weights = ctx.saved_tensors
        own = PixelWeights(*weights)
        sums = PixelWeights(*(torch.zeros_like(weight) for weight in own))
        context = None if added is None else torch.empty_like(added)
        for part, extra, made, of_extra in _stripes(read, added, out, context):
            before, entered, between, hidden = _hidden(part, extra, own)
            sums.linear.addmm_(made, part[: own.linear.shape[1]].T)
            sums.last.addmm_(made, hidden.T)
            sums.last_bias.add_(made.sum(dim=1))
            inner = torch.ops.aten.gelu_backward(own.last.T @ made, between)
            sums.second.addmm_(inner, entered.T)
            sums.second_bias.add_(inner.sum(dim=1))
            inner = torch.ops.aten.gelu_backward(own.second.T @ inner, before)
            sums.first.addmm_(inner, part.T)
            sums.first_bias.add_(inner.sum(dim=1))
            if of_extra is not None:
                of_extra.copy_(inner)
        return None, context, *sums


def _hidden(part: Tensor, extra: Tensor | None, own: PixelWeights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What goes into the first GELU and out of it, into the second and out of it."""
    before = torch.addmm(own.first_bias[:, None], own.first, part)
    if extra is not None:
        before += extra
    entered = F.gelu(before)
    between = torch.addmm(own.second_bias[:, None], own.second, entered)
    return before, entered, between, F.gelu(between)


def _stripes(*maps: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """The same pixels of each map (B, any, P), sample by sample; None of None."""
    first = maps[0]
    assert first is not None
    most = _PIXELS * torch.get_num_threads()
    for sample in range(len(first)):
        for start in range(0, first.shape[-1], most):
            yield tuple(None if each is None else each[sample, :, start : start + most] for each in maps)
