"""Scheduled sampling and every other draw of training: each comes from ``(seed, iteration)`` alone.

Dimensions: B batch, T past frames, S forecast steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch, ScheduledTargets
from nowcast.training.reverse_sampling import ReverseSampling

TARGETS, STEPS, GLOBAL = range(3)
"""Streams of draws that never meet."""


@dataclass(frozen=True)
class ScheduledSampling:
    """How often the network reads the true frame instead of its own prediction.

    eta falls linearly: ``start - decrease * k`` at iteration k = 1, 2, ..., 0 from iteration ``stop`` on.
    With ``share`` it falls from ``start`` to 0 over that share of the budget instead, which also works
    where the budget is in minutes.

    Source of the defaults: Wang et al. 2017 (PredRNN) and the scripts of PredRNN and MotionRNN:
    1 -> 0 by 2e-5 an iteration, 0 after 50 000.
    """

    start: float = 1.0
    decrease: float = 2e-5
    stop: int = 50_000
    share: float | None = None
    reverse: ReverseSampling | None = None
    """Read the past as `ReverseSampling` says; None reads it as it was observed."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1 or self.decrease < 0 or self.stop < 0:
            raise SettingsError(
                f"training.sampling: got start={self.start}, decrease={self.decrease}, stop={self.stop}, "
                "expected 0 <= start <= 1 and the others 0 or more"
            )
        if self.share is not None and not 0 < self.share <= 1:
            raise SettingsError(f"training.sampling.share: got {self.share}, expected above 0, at most 1")

    def eta(self, iteration: int, progress: float) -> float:
        """The chance that a step reads the true frame.

        Args:
            iteration: counted from 1.
            progress: share of the budget that is used up, [0, 1].
        """
        most = 1.0 if self.reverse is None else self.reverse.start
        if self.share is not None:
            return min(most, self.start * max(0.0, 1.0 - progress / self.share))
        if iteration >= self.stop:
            return 0.0
        return min(most, max(0.0, self.start - self.decrease * iteration))

    def past_eta(self, iteration: int, progress: float) -> float:
        """The chance that a frame of the past is read as it was observed; with ``share``, over that share."""
        if self.reverse is None:
            return 1.0
        if self.share is not None:
            return self.reverse.chance(self.reverse.stop * progress / self.share)
        return self.reverse.chance(iteration)


def draw_seed(seed: int, iteration: int, rank: int, stream: int) -> int:
    """Draw 63 bits that depend on all four numbers and on nothing else."""
    state = np.random.SeedSequence([seed, iteration, rank, stream]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def generator(seed: int, iteration: int, rank: int, stream: int) -> torch.Generator:
    """A CPU generator for one stream of draws of one iteration on one device."""
    return torch.Generator().manual_seed(draw_seed(seed, iteration, rank, stream))


def draw_use(eta: float, batch: int, steps: int, source: torch.Generator) -> Tensor:
    """Draw one Bernoulli(eta) per sample and step but one, whole frames: (B, S - 1) bool."""
    return torch.rand((batch, max(steps - 1, 0)), generator=source) < eta


def make_targets(
    clip: ClipBatch, eta: float, source: torch.Generator, past_eta: float = 1.0
) -> ScheduledTargets | None:
    """Draw the scheduled-sampling targets of a batch; None where the network reads the past and runs free.

    A frame of which nothing was observed is no target: it is missing (`data.missing`).
    """
    if eta <= 0.0 and past_eta >= 1.0:
        return None
    batch, steps = clip.future.shape[:2]
    use = draw_use(eta, batch, steps, source).to(clip.future.device)
    there = clip.observed[:, -steps:-1].flatten(2).any(dim=2) if steps > 1 else use
    use_past = None
    if past_eta < 1.0:
        use_past = draw_use(past_eta, batch, clip.past.shape[1], source).to(use.device)
    return ScheduledTargets(clip.future, use & there, use_past)


def backwards(clip: ClipBatch) -> ClipBatch:
    """Turn the clip round in time: the last frames become the past (MotionRNN's reverse input)."""
    past = clip.past.shape[1]
    frames = torch.cat([clip.past, clip.future], dim=1).flip(1)
    return ClipBatch(
        frames[:, :past], frames[:, past:], clip.observed.flip(1), clip.context.flip(1), clip.faintest
    )
