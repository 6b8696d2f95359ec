"""Advection first, network second: a network that forecasts what advection does not.

Letters: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import Clip, Phase, SequenceModel, Teacher
from nowcast.models.lagrangian.flow_settings import FlowSettings
from nowcast.models.lagrangian.lucas_kanade import lucas_kanade
from nowcast.models.lagrangian.semilagrangian import inside, sample, trajectories
from nowcast.models.wrapper import ModelWrapper

Mode = Literal["bilinear", "nearest"]
_HALF = 0.5


@dataclass(frozen=True)
class AdvectionSettings:
    """How frames are moved before a network sees them."""

    flow: FlowSettings = field(default_factory=FlowSettings)
    fastest: float = 40.0
    """Cells a frame; faster motion is an error of the estimate and is slowed down to this."""
    contrast: float = 55.0
    """Frames in [0, 1] times this enter the estimate of motion, which is made for decibels."""

    def __post_init__(self) -> None:
        if not self.fastest > 0 or not self.contrast > 0:
            raise SettingsError(
                complain("advection: fastest, contrast", f"{self.fastest:g}, {self.contrast:g}",
                         "numbers above 0", "for example 40 and 55")
            )


class AdvectedModel(ModelWrapper):
    """A network in the frame of reference of the moving rain.

    The optical flow of the past gives one steady motion. Past frames are carried along it to where they
    would be at the time of issue; there the network forecasts growth, decay and deformation; each
    forecast frame is then carried on to its own time. A network that changes nothing gives the
    extrapolation of its newest frame.

    Training happens at the common place too: the frames to come are carried back to it, with the value of
    the nearest pixel so that none is smoothed, and what has left the clip counts as not seen. A
    clip's longer context stays out: one motion does not hold for hours.

    Unseen pixels may come as NaN: they enter the network as dry, and the estimate of motion not at all.

    Source: the Lagrangian frame of Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873.
    """

    def __init__(self, network: SequenceModel, settings: AdvectionSettings | None = None) -> None:
        super().__init__(network)
        self.settings = settings or AdvectionSettings()
        self.past_min = max(2, network.past_min)
        self.reads_unseen = True

    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast as `SequenceModel.forward`; (B, S, C, H, W) with the network's C."""
        seen = ~past.isnan()
        past = past.nan_to_num()
        motion = self._flow(past, seen)
        moved = _together(past, _before(past, motion))
        if teacher is not None:
            ahead = trajectories(-motion, teacher.frames.shape[1])
            teacher = Teacher(_carried(teacher.frames, ahead), teacher.use)
        found: Tensor = self.network(moved.to(past.dtype), steps, teacher)
        return _carried(found, trajectories(motion, steps)).to(past.dtype)

    def motion(self, past: Tensor, steps: int) -> Tensor:
        """Give the motion that frames are carried along: (B, S, 1, 2, H, W), cells a frame, rows first."""
        found = self._flow(past.nan_to_num(), ~past.isnan())
        return found[:, None, None].expand(-1, steps, 1, -1, -1, -1)

    def phases(self, clip: Clip, teacher: Teacher | None, generator: torch.Generator) -> Iterator[Phase]:
        """Yield the network's own phases on the clip carried to the common place."""
        together = self.carried(clip)
        if teacher is not None:
            teacher = Teacher(together.future, teacher.use)
        yield from self.network.phases(together, teacher, generator)

    def carried(self, clip: Clip) -> Clip:
        """Carry all frames of a clip to their place at the time of issue; nothing stays in its context."""
        length = clip.past.shape[1]
        with torch.no_grad():
            seen = clip.seen[:, :length]
            motion = self._flow(clip.past, seen)
            before = _before(clip.past, motion)
            past, past_seen = _together(clip.past, before), _together(seen, before, "nearest") > _HALF
            ahead = list(trajectories(-motion, clip.future.shape[1]))
            future = _carried(clip.future, ahead, "nearest")
            future_seen = _carried(clip.seen[:, length:], ahead, "nearest") > _HALF
            future_seen &= torch.stack([inside(places) for places in ahead], dim=1)
        return Clip(
            past.to(clip.past.dtype), (future * future_seen).to(clip.future.dtype),
            torch.cat([past_seen, future_seen], dim=1), clip.context[:, :0],
        )

    def _flow(self, past: Tensor, seen: Tensor) -> Tensor:
        """Estimate the motion (B, 2, H, W) from the mean over channels."""
        decibels = past.float().mean(dim=2) * self.settings.contrast
        motion = lucas_kanade(decibels, seen.all(dim=2), self.settings.flow)
        speed = motion.square().sum(dim=1, keepdim=True).sqrt()
        return motion * (self.settings.fastest / speed.clamp(min=self.settings.fastest))


def _before(past: Tensor, motion: Tensor) -> list[Tensor]:
    """Give, for each past frame but the newest, oldest first, where the air of each pixel was then."""
    return list(trajectories(motion, past.shape[1] - 1))[::-1]


def _together(past: Tensor, before: Sequence[Tensor], mode: Mode = "bilinear") -> Tensor:
    """Carry past maps (B, T, C, H, W) to the time of issue; the newest one stays as it is."""
    newest = past[:, -1:].float()
    return torch.cat([_carried(past, before, mode), newest], dim=1) if before else newest


def _carried(maps: Tensor, places: Iterable[Tensor], mode: Mode = "bilinear") -> Tensor:
    """Read the n-th map (B, N, C, H, W) at the n-th places."""
    return torch.stack([sample(maps[:, n], at, mode) for n, at in enumerate(places)], dim=1)
