"""THE loop over time: reading the past, free running, scheduled sampling. It exists once.

Letters: B batch, T past frames, S forecast steps, C channels, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from nowcast.models.base import Teacher

Watch = Callable[[int, Any], None]
"""Shown each time step and the state after it, for what one wants to see inside (motion, drift)."""


Join = Callable[[Tensor, Tensor], Tensor]


class Stepper(Protocol):
    """A network seen one time step at a time; state goes in and comes out."""

    def encode(self, frames: Tensor) -> Tensor:
        """Turn frames (N, C, h, w) into the input of `step` (N, ...), all at once."""
        ...

    def start(self, first: Tensor, past: Tensor) -> Any:
        """Give the state before the first step.

        Args:
            first: the encoded first frame.
            past: the whole past (B, T, C, h, w), for what is computed once a sequence.
        """
        ...

    def step(self, x: Tensor, state: Any, emit: bool) -> tuple[Tensor | None, Any]:
        """Take one encoded frame; give the next frame (B, C, h, w) (None unless ``emit``) and the state."""
        ...


def unroll(
    net: Stepper,
    past: Tensor,
    steps: int,
    teacher: Teacher | None = None,
    warm: bool = False,
    watch: Watch | None = None,
    join: Join | None = None,
) -> Tensor:
    """Feed the past, then the network's own predictions (or the truth where the teacher says so).

    Args:
        net: what takes one step.
        past: (B, T, C, h, w).
        steps: S, how many frames to forecast.
        teacher: true frames (B, S, C, h, w) and where to use them (B, S - 1); None runs free.
        warm: also give the one-step predictions made while reading the past.
        watch: called after each step with t = 0 ... T + S - 2 and the state.
        join: makes the frame from the frame that was read and what the network says; see `SequenceModel.join`.

    Returns:
        (B, S, C, h, w), or (B, T - 1 + S, C, h, w) when ``warm``. Predictions are not clipped
        between steps.
    """
    batch, length = past.shape[:2]
    encoded = net.encode(past.flatten(0, 1))
    encoded = encoded.view(batch, length, *encoded.shape[1:])
    state = net.start(encoded[:, 0], past)
    outputs: list[Tensor] = []
    frame: Tensor | None = None
    for t in range(length - 1 + steps):
        if t < length:
            read, x = past[:, t], encoded[:, t]
        else:
            assert frame is not None
            read = _mix(frame, teacher, t - length)
            x = net.encode(read.to(past.dtype))  # a join may give finer values than the network reads
        emit = warm or t >= length - 1
        frame, state = net.step(x, state, emit)
        if frame is not None and join is not None:
            frame = join(read, frame)
        if watch is not None:
            watch(t, state)
        if emit:
            assert frame is not None
            outputs.append(frame)
    return torch.stack(outputs, dim=1)


def _mix(frame: Tensor, teacher: Teacher | None, index: int) -> Tensor:
    if teacher is None:
        return frame
    use = teacher.use[:, index].view(-1, 1, 1, 1)
    return torch.where(use, teacher.frames[:, index].to(frame.dtype), frame)
