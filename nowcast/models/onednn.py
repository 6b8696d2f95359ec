"""A convolution on the CPU whose weights are laid out once a sequence, not at every time step.

Eager PyTorch keeps weights in its own order, and oneDNN puts them into blocks at every call. Here they are
put into blocks at the start of a sequence, by cells that carry what they make ready in their state.

Letters: B batch, C channels, h rows, w columns.

The operators are PyTorch's own, made for its compiler, and not promised to stay: where they are missing, or
anything else does not fit, `packs` says no and the ordinary convolution does the work.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode


def packs(weight: Tensor) -> bool:
    """Say whether ``weight`` can be laid out: on the CPU, with oneDNN, no gradient to come, nobody counting."""
    return (
        not torch.is_grad_enabled()
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and not torch.compiler.is_compiling()
        and not is_in_torch_dispatch_mode()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


def pack(weight: Tensor, padding: tuple[int, int], maps: tuple[int, int, int]) -> Tensor:
    """Lay out ``weight`` (C', C, k, k) for maps (B, h, w); of use to `convolve` alone."""
    batch, rows, columns = maps
    shape = [batch, weight.shape[1], rows, columns]
    reorder = torch.ops.mkldnn._reorder_convolution_weight
    return cast(Tensor, reorder(weight.contiguous(), list(padding), [1, 1], [1, 1], 1, shape))


def convolve(x: Tensor, packed: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """Give what ``conv2d`` gives, from weights out of `pack`; maps of another size only cost time."""
    operator = torch.ops.mkldnn._convolution_pointwise
    x = x.to(packed.dtype).contiguous(memory_format=torch.channels_last)
    return cast(Tensor, operator(x, packed, bias, list(padding), [1, 1], [1, 1], 1, "none", [], ""))
