"""Attention over several past memories of one layer: ASTM's Efficient Inter-Frame Attention Gate.

Dimensions: B batch, C channels, L frames in a clip, h rows, w columns; n memories, n <= tau.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

History: TypeAlias = tuple[Tensor, ...]
"""The last memories of a layer, oldest first: a ring whose slots are references.

A step drops one reference and takes one in; no map is moved or written to, so a state may be kept and
continued from twice, and autograd sees nothing change in place.
"""


def extended(history: History, memory: Tensor, tau: int) -> History:
    """Take ``memory`` in as the newest; the oldest goes once there are more than ``tau``."""
    return (*history, memory)[-tau:]


def attend(gate: Tensor, history: History) -> Tensor:
    """Recall from n memories K what the forget gate F asks for: sum_j softmax_j(F K_j) K_j.

    The softmax runs over the memories alone, apart for every element and without a scale, so the
    result is an element-wise convex combination of old memories. One pass over references: whatever n
    is, four maps are held beside the memories, and training keeps two (the result and one
    normaliser) where separate operations would keep some four a memory.

    Args:
        gate: F, like one memory in shape. Must not be negative (a sigmoid gives it): then the largest
            score is F times the largest memory, which keeps the exponentials from overflowing.
        history: K_1 ... K_n, each (B, C, L, h, w) or any one shape; n >= 1.

    Returns:
        The attended memory, shaped like ``gate``.

    Source: Chang et al. (2021), equations 7 and 8.
    """
    if len(history) == 1:
        return history[0]
    if torch.is_grad_enabled() and any(map_.requires_grad for map_ in (gate, *history)):
        attended: Tensor = _Attend.apply(gate, *history)  # type: ignore[no-untyped-call]
        return attended
    return _softmax_sum(gate, history)[0]


def attend_plainly(gate: Tensor, history: History) -> Tensor:
    """The result of `attend`, written as the equations stand: the yardstick for tests and benchmarks."""
    memories = torch.stack(history, dim=1)
    weights = torch.softmax(memories * gate.unsqueeze(1), dim=1)
    return (weights * memories).sum(dim=1)


def _softmax_sum(gate: Tensor, history: History) -> tuple[Tensor, Tensor, Tensor]:
    """The attended memory, the sum of exp(F (K_j - top)) and -F top, top being the largest K_j."""
    top = torch.maximum(history[0], history[1])
    for memory in history[2:]:
        torch.maximum(top, memory, out=top)
    shift = top.mul_(gate).neg_()
    total = torch.addcmul(shift, gate, history[0]).exp_()
    attended = total * history[0]
    scratch = torch.empty_like(total)
    for memory in history[1:]:
        torch.addcmul(shift, gate, memory, out=scratch)
        total.add_(scratch.exp_())
        attended.addcmul_(scratch, memory)
    return attended.div_(total), total, shift


class _Attend(torch.autograd.Function):
    """`attend` with a backward pass that makes the weights again instead of keeping them."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, *history: Tensor) -> Tensor:
        attended, total, shift = _softmax_sum(gate, history)
        ctx.save_for_backward(gate, attended, shift.sub_(total.log_()), *history)
        return attended

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        # with A_j the weights and T their sum: dT/dK_j = A_j (1 + F (K_j - T)), dT/dF = var_A(K)
        gate, attended, shift, *history = ctx.saved_tensors
        spread = torch.zeros_like(attended)
        grads = []
        for memory in history:
            weight = torch.addcmul(shift, gate, memory).exp_()
            apart = memory - attended
            moved = weight * apart
            spread.addcmul_(moved, apart)
            grads.append(weight.addcmul_(gate, moved).mul_(grad))
        return spread.mul_(grad).to(gate.dtype), *grads
