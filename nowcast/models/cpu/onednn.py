"""Weights of a convolution in the order that oneDNN multiplies them in, and the convolution that takes them.

Eager PyTorch brings the weights into blocks that fit the vector registers anew at each call, and a
recurrent network calls the same convolution at each step. Packed weights have no gradient.

Letters: B batch, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16)


def packs(weight: Tensor) -> bool:
    """Say whether these weights can be packed here and now: on a CPU with oneDNN, and not for training."""
    return (
        weight.device.type == "cpu"
        and type(weight) in (Tensor, torch.nn.Parameter)
        and weight.dtype in DTYPES
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and not (torch.is_grad_enabled() and weight.requires_grad)
    )


def pack(
    kernel: Tensor,
    padding: Sequence[int],
    maps: Sequence[int],
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> Tensor:
    """Pack the weights (out, in, taps ...) of a convolution for maps of (B, h, w) or (B, L, h, w).

    The result is opaque and fits `convolve` alone; it is a copy, so weights that change are packed anew.
    """
    flat = [1] * len(padding)
    shape = [maps[0], kernel.shape[1], *maps[1:]]
    name = "mkldnn_reorder_conv2d_weight" if kernel.dim() == 4 else "mkldnn_reorder_conv3d_weight"
    reorder = getattr(torch._C._nn, name)
    packed: Tensor = reorder(
        kernel.detach().to_mkldnn(), list(padding), list(stride or flat), list(dilation or flat), 1, shape
    )
    return packed


def convolve(
    x: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> Tensor:
    """Convolve (B, C, h, w) or (B, C, L, h, w) with what `pack` gave; 2-D output lies channels-last."""
    flat = [1] * len(padding)
    if x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, packed, bias, list(padding), list(stride or flat), list(dilation or flat), 1, "none", [], ""
    )
    return found
