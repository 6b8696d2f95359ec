"""The private calls of torch: oneDNN's packed weights, what it says about the CPU, and the backward pass.

Where a call is gone, or the CPU refuses it, `packs` says no and callers convolve as usual.

Eager PyTorch brings the weights into blocks that fit the vector registers anew at each call, and a
recurrent network calls the same convolution at each step. Packed weights have no gradient.

Dimensions: B batch, h rows, w columns.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16)
_X86 = ("x86_64", "amd64")


def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; no where torch does not say.

    oneDNN also says yes where it emulates on AVX-512, at less than half the speed of float32: on x86 the
    instructions themselves are asked for.
    """
    answer = _private("ops.mkldnn._is_mkldnn_bf16_supported")
    if answer is None or not answer():
        return False
    instructions = _private("cpu._is_avx512_bf16_supported")
    return platform.machine().lower() not in _X86 or instructions is None or bool(instructions())


def backward_pass() -> int | None:
    """The number of the backward pass in this thread, -1 outside of one; None where torch does not tell."""
    number = _private("_C._current_graph_task_id")
    return None if number is None else int(number())


def packs(weight: Tensor) -> bool:
    """Whether these weights can be packed here and now: on a CPU with oneDNN, and not for training."""
    return (
        weight.device.type == "cpu"
        and type(weight) in (Tensor, torch.nn.Parameter)
        and weight.dtype in DTYPES
        and not (torch.is_grad_enabled() and weight.requires_grad)
        and _works(weight.dtype, weight.dim())
    )


def pack(
    kernel: Tensor,
    padding: Sequence[int],
    maps: Sequence[int],
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Pack the weights (out, in / groups, taps ...) of a convolution for maps of (B, h, w) or (B, L, h, w).

    The result is opaque and fits `convolve` alone; it is a copy, so weights that change are packed anew.
    Ask `packs` first.
    """
    flat = [1] * len(padding)
    shape = [maps[0], groups * kernel.shape[1], *maps[1:]]
    reorder = _private(f"_C._nn.mkldnn_reorder_conv{kernel.dim() - 2}d_weight")
    assert reorder is not None
    packed: Tensor = reorder(
        kernel.detach().to_mkldnn(), list(padding), list(stride or flat), list(dilation or flat), groups, shape
    )
    return packed


def convolve(
    x: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Convolve (B, C, h, w) or (B, C, L, h, w) with what `pack` gave; 2-D output lies channels-last."""
    flat = [1] * len(padding)
    if x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    run = _private("ops.mkldnn._convolution_pointwise")
    assert run is not None
    found: Tensor = run(
        x, packed, bias, list(padding), list(stride or flat), list(dilation or flat), groups, "none", [], ""
    )
    return found


@cache
def _works(dtype: torch.dtype, dims: int) -> bool:
    """Whether packing such weights gives the right sum here: torch may lack it, the CPU may refuse the type."""
    kernel = torch.full((1, 1, *[1] * (dims - 2)), 2.0, dtype=dtype)
    maps = torch.ones(1, 1, *[2] * (dims - 2), dtype=dtype)
    zero = [0] * (dims - 2)
    try:
        packed = pack(kernel, zero, (1, *maps.shape[2:]))
        return bool((convolve(maps, packed, None, zero) == 2).all())
    except (AssertionError, AttributeError, RuntimeError, TypeError):
        return False


def _private(name: str) -> Callable[..., Any] | None:
    """A call of torch by its dotted name, None where this torch does not have it."""
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    call: Callable[..., Any] = found
    return call
