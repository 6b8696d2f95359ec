"""What a model is to everything else: past frames in, future frames out, one or more optimiser steps a batch.

Dimensions: B batch, T past frames, S forecast steps, N all frames of a clip, C channels, H rows, W columns.
Values are what `nowcast.core.scaling` makes of dBZ (or pixels / 255 of a video): about [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn


class ClipBatch(NamedTuple):
    """One batch of clips. Pixels that were not observed hold 0 in the frames and False in ``observed``."""

    past: Tensor
    """(B, T, C, H, W)"""
    future: Tensor
    """(B, S, C, H, W)"""
    observed: Tensor
    """(B, T + S, C, H, W) bool: True where the pixel was observed."""
    context: Tensor
    """(B, N, C, H, W): a longer stretch around the clip that only training sees; N = 0 if not asked for."""
    faintest: Tensor | None = None
    """(B,): the source does not tell what is fainter from dry, so events below it are unknown; 0 where it tells
    all. None is 0 for every clip."""


class ScheduledTargets(NamedTuple):
    """True frames for scheduled sampling: where ``use`` holds, step s + 1 reads the true frame s."""

    frames: Tensor
    """(B, S, C, H, W)"""
    use: Tensor
    """(B, S - 1) bool"""
    use_past: Tensor | None = None
    """(B, T - 1) bool, for reverse scheduled sampling: where it does not hold, frame t + 1 of the past is read
    as the network predicted it. None reads the past as it is."""


class OptimiserStep(NamedTuple):
    """One optimiser step of training: what the network predicts, and what it should have predicted."""

    name: str
    prediction: Tensor
    target: Tensor
    observed: Tensor
    """All three (B, N, C, H, W)."""
    penalty: Tensor | None = None
    """A scalar that is added to the loss: a network's own term (a divergence of latents, an orthogonality)."""


class Increments(Protocol):
    """How to read the outputs of a network as changes of the frame it has read, and not as frames.

    The loop over time then keeps a value for each frame (logits, for a frame of probabilities), to which the
    next output is added.
    """

    def value(self, frame: Tensor) -> Tensor:
        """Return the value of a frame that was given."""
        ...

    def add(self, value: Tensor, output: Tensor) -> Tensor:
        """Return the next value from that of the frame read and the output of the network."""
        ...

    def frame(self, value: Tensor) -> Tensor:
        """Return the frame that the network reads of a value."""
        ...


class FrameSpec(NamedTuple):
    """The frames that a network is built for."""

    channels: int = 1
    size: tuple[int, int] | None = None
    """Rows and columns, where the network is tied to them or they are to be checked; else None."""
    increments: Increments | None = None
    """How outputs become frames where they are increments; None takes an output as the frame."""


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

    feeds_back: bool = True
    """Every forecast frame is read again to make the next, so scheduled sampling can put the true one in its
    place. False for networks that forecast all frames from the past alone; they ignore ``targets``."""

    stochastic: bool = False
    """The network has a future for each seed (`draw`); `forward` gives that of its setting ``seed``."""

    left_out: tuple[str, ...] = ()
    """What the names of parameters start with that `forecast_only` dropped; a checkpoint may hold them."""

    @abstractmethod
    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast ``steps`` frames from the past.

        Args:
            past: (B, T, C, H, W); 0 where a pixel was not observed.
            steps: S.
            targets: true frames of scheduled sampling, in training; None runs freely.
            observed: (B, T, C, H, W) bool, for networks that can tell not observed from dry; None means that
                every pixel was observed.

        Returns:
            (B, S, C, H, W).
        """

    def draw(self, past: Tensor, steps: int, seed: int, observed: Tensor | None = None) -> Tensor:
        """Forecast one of the futures that a stochastic network holds possible.

        Args:
            past: as in `forward`.
            steps: S.
            seed: the same one gives the same future, alone or in any batch.
            observed: as in `forward`.

        Returns:
            (B, S, C, H, W); that of `forward`, whatever the seed, from a network that is not stochastic.
        """
        del seed
        forecast: Tensor = self(past, steps, observed=observed)
        return forecast

    def rollout(self, past: Tensor, steps: int, targets: ScheduledTargets | None = None) -> Tensor:
        """Forecast like `forward`, with the one-step predictions of the past in front where there are any.

        Returns:
            (B, T - 1 + S, C, H, W): predictions of frames 1 ... T + S - 1; (B, S, C, H, W) from a
            network that predicts nothing while it reads the past.
        """
        forecast: Tensor = self(past, steps, targets)
        return forecast

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield one `OptimiserStep` after the other on this batch.

        The trainer steps between two yields, so a later one sees the moved weights. Parameters whose
        ``requires_grad`` is switched off meanwhile are left alone by that step, momentum included.
        """
        del generator
        prediction = self.rollout(clip.past, clip.future.shape[1], targets)
        frames = torch.cat([clip.past, clip.future], dim=1)
        first = frames.shape[1] - prediction.shape[1]
        yield OptimiserStep("forecast", prediction, frames[:, first:], clip.observed[:, first:])

    def compared(
        self, forecast: Tensor, future: Tensor, observed: Tensor, faintest: Tensor | None = None
    ) -> OptimiserStep:
        """A forecast (B, S, ...) beside the observed frames (B, S, C, H, W), as the loss takes them.

        ``faintest`` is that of `ClipBatch`; networks of frames have no use for it.
        """
        del faintest
        return OptimiserStep("forecast", forecast, future, observed)

    def frames(self, forecast: Tensor) -> Tensor:
        """Frames (B, S, C, H, W) from the output of `forward`, where that is something else."""
        return forecast

    def forecast_only(self) -> Self:
        """Drop the parts that only training needs (LMC-Memory's encoder of long clips); return itself."""
        return self
