"""What a model is to everything else: past frames in, future frames out, one optimiser step a phase.

Letters: B batch, T past frames, S forecast steps, N all frames of a clip, C channels, H rows, W columns.
Values are what `nowcast.core.scaling` makes of dBZ (or pixels / 255 of a video): about [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn


class Clip(NamedTuple):
    """One batch of clips. Unseen pixels hold 0 in the frames and False in ``seen``."""

    past: Tensor
    """(B, T, C, H, W)"""
    future: Tensor
    """(B, S, C, H, W)"""
    seen: Tensor
    """(B, T + S, C, H, W) bool: True where the pixel was observed."""
    context: Tensor
    """(B, N, C, H, W): a longer stretch around the clip that only training sees; N = 0 if not asked for."""


class Teacher(NamedTuple):
    """True frames for scheduled sampling: where ``use`` holds, step s + 1 is fed the truth of step s."""

    frames: Tensor
    """(B, S, C, H, W)"""
    use: Tensor
    """(B, S - 1) bool"""


class Phase(NamedTuple):
    """One optimiser step of training: what the network said, and what it should have said."""

    name: str
    prediction: Tensor
    target: Tensor
    seen: Tensor
    """All three (B, N, C, H, W)."""


class SequenceModel(nn.Module, ABC):
    """A network that continues a sequence of frames.

    Holds for every implementation, and is tested for every one in the catalog: the same input gives
    the same output; any batch size; a sample alone equals itself in a batch; every parameter gets a
    gradient in training; frames after t never change outputs before t.
    """

    past_min: int = 1
    """Fewest past frames the network can start from."""

    multiple_of: tuple[int, int] = (1, 1)
    """Rows and columns must be multiples of these; `nowcast.models.padding` takes care of others."""

    reads_unseen: bool = False
    """Whether NaN may stand for unseen pixels of the past; else they must hold 0."""

    join: Callable[[Tensor, Tensor], Tensor] | None = None
    """(frame read, what the network says) -> frame, at every step; None takes what it says as the frame."""

    left_out: tuple[str, ...] = ()
    """What the names of parameters start with that `forecast_only` dropped; a checkpoint may hold them."""

    @abstractmethod
    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast ``steps`` frames from ``past`` (B, T, C, H, W): gives (B, S, C, H, W)."""

    def rollout(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Like `forward`, but with the one-step predictions of the past in front where the network has them.

        Returns:
            (B, T - 1 + S, C, H, W): predictions of frames 1 ... T + S - 1; (B, S, C, H, W) from a
            network that says nothing while it reads the past.
        """
        forecast: Tensor = self(past, steps, teacher)
        return forecast

    def phases(
        self, clip: Clip, teacher: Teacher | None, generator: torch.Generator
    ) -> Iterator[Phase]:
        """Yield one `Phase` for each optimiser step on this batch.

        The trainer steps between two yields, so a later phase sees the moved weights. Parameters whose
        ``requires_grad`` a phase switches off are left alone by that step, momentum included.
        """
        del generator
        prediction = self.rollout(clip.past, clip.future.shape[1], teacher)
        frames = torch.cat([clip.past, clip.future], dim=1)
        first = frames.shape[1] - prediction.shape[1]
        yield Phase("forecast", prediction, frames[:, first:], clip.seen[:, first:])

    def compared(self, forecast: Tensor, observed: Tensor, seen: Tensor) -> Phase:
        """Set a forecast (B, S, ...) beside the frames that came (B, S, C, H, W), for the loss."""
        return Phase("forecast", forecast, observed, seen)

    def frames(self, forecast: Tensor) -> Tensor:
        """Give frames (B, S, C, H, W) from what `forward` gave, where that is something else."""
        return forecast

    def forecast_only(self) -> Self:
        """Drop the parts that only training needs (LMC-Memory's encoder of long clips); give itself."""
        return self
