"""THE loop over time: reading the past, free running, scheduled sampling. It exists once.

Dimensions: B batch, T past frames, S forecast steps, C channels, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from nowcast.models.base import Increments, ScheduledTargets

Watch = Callable[[int, Any], None]
"""Called with each time step and the state after it, to look inside (motion, drift)."""


class Stepper(Protocol):
    """A network, one time step at a time; state goes in and comes out."""

    def encode(self, frames: Tensor) -> Tensor:
        """Turn frames (N, C, h, w) into the input of `step` (N, ...), all at once."""
        ...

    def start(self, first: Tensor, past: Tensor) -> Any:
        """Return the state before the first step.

        Args:
            first: the encoded first frame.
            past: the whole past (B, T, C, h, w), for what is computed once a sequence.
        """
        ...

    def step(self, x: Tensor, state: Any, emit: bool) -> tuple[Tensor | None, Any]:
        """Take one encoded frame; return the output (B, C, h, w) (None unless ``emit``) and the state."""
        ...


def unroll(
    net: Stepper,
    past: Tensor,
    steps: int,
    targets: ScheduledTargets | None = None,
    warm: bool = False,
    watch: Watch | None = None,
    increments: Increments | None = None,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Feed the past, then the network's own predictions (or the scheduled-sampling targets).

    Where targets say so (reverse scheduled sampling), own predictions are fed in place of the past as well.

    Args:
        net: what takes one step.
        past: (B, T, C, h, w).
        steps: S, how many frames to forecast.
        targets: true frames (B, S, C, h, w) and where to use them (B, S - 1), or (B, S - 1, C) to take single
            channels of a frame; steps beyond their end run free, and None runs free throughout. Where to use
            the past (B, T - 1), if not everywhere.
        warm: also return the one-step predictions made while reading the past.
        watch: called after each step with t = 0 ... T + S - 2 and the state.
        increments: how outputs change the frame that was read; None takes them as frames.
        finish: what is made of outputs (..., C, h, w) in the end; None leaves them.

    Returns:
        (B, S, C, h, w), or (B, T - 1 + S, C, h, w) when ``warm``: frames, or their values where outputs are
        increments. Predictions are not clipped between steps.
    """
    batch, length = past.shape[:2]
    use_past = None if targets is None else targets.use_past
    encoded = net.encode(past.flatten(0, 1))
    encoded = encoded.view(batch, length, *encoded.shape[1:])
    early = warm or use_past is not None
    state = net.start(encoded[:, 0], past)
    outputs = _Outputs(steps, finish or _as_it_is, apart=early or torch.is_grad_enabled())
    for t in range(length - 1 + steps):
        emit = early or t >= length - 1
        if t < length and (use_past is None or outputs.newest is None):
            x = encoded[:, t]
            value = past[:, t]
            if increments is not None and emit:
                value = increments.value(value)
        else:
            assert outputs.newest is not None
            value, frame = _read(t, outputs.newest, past, targets, increments)
            x = net.encode(frame.to(past.dtype))  # values may be finer than what the network reads
        output, state = net.step(x, state, emit)
        if watch is not None:
            watch(t, state)
        if emit:
            if output is None and not warm and t < length - 1:
                continue  # a network of differences has read one frame alone
            assert output is not None
            outputs.add(output if increments is None else increments.add(value, output))
    return outputs.stacked(None if warm else steps)


class _Outputs:
    """What the loop has made, each in its place unless gradients or a warm start keep them apart."""

    def __init__(self, steps: int, finish: Callable[[Tensor], Tensor], apart: bool) -> None:
        self.steps, self.finish, self.apart = steps, finish, apart
        self.newest: Tensor | None = None
        self._parts: list[Tensor] = []
        self._whole: Tensor | None = None
        self._made = 0

    def add(self, output: Tensor) -> None:
        self.newest = output
        if self.apart:
            self._parts.append(output)
            return
        finished = self.finish(output)
        if self._whole is None:
            self._whole = finished.new_empty(len(finished), self.steps, *finished.shape[1:])
        self._whole[:, self._made] = finished
        self._made += 1

    def stacked(self, last: int | None) -> Tensor:
        """All of them, or the last ones: (B, N, C, h, w)."""
        if self._whole is not None:
            return self._whole
        return self.finish(torch.stack(self._parts if last is None else self._parts[-last:], dim=1))


def _as_it_is(output: Tensor) -> Tensor:
    return output


def _read(
    t: int, value: Tensor, past: Tensor, targets: ScheduledTargets | None, increments: Increments | None
) -> tuple[Tensor, Tensor]:
    """The value and the frame that step t starts from: its own, or the true one's where that is used."""
    frame = value if increments is None else increments.frame(value)
    ahead = t - past.shape[1]
    if targets is None or ahead >= targets.use.shape[1]:
        return value, frame
    if ahead >= 0:
        true, use = targets.frames[:, ahead], targets.use[:, ahead]
    else:
        assert targets.use_past is not None
        true, use = past[:, t], targets.use_past[:, t - 1]
    true, use = true.to(frame.dtype), use.view(len(frame), -1, 1, 1)
    mixed = torch.where(use, true, frame)
    if increments is None:
        return mixed, mixed
    return torch.where(use, increments.value(true), value), mixed
