"""Lagrangian coordinates: the network forecasts what advection does not.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.lagrangian.flow_settings import FlowSettings
from nowcast.models.lagrangian.lucas_kanade import lucas_kanade
from nowcast.models.lagrangian.semilagrangian import inside, sample, sample_in_stripes, trajectories
from nowcast.models.lagrangian.shared_motion import estimated_once
from nowcast.models.wrapper import Inner, ModelWrapper

Mode = Literal["bilinear", "nearest"]
_HALF = 0.5


@dataclass(frozen=True)
class LagrangianSettings:
    """How frames are advected before a network reads them."""

    flow: FlowSettings = field(default_factory=FlowSettings)
    fastest: float = 40.0
    """Cells a frame; faster motion is an error of the estimate and is reduced to this."""
    contrast: float = 55.0
    """Frames in [0, 1] times this enter the estimate of motion, which is made for decibels."""

    def __post_init__(self) -> None:
        if not self.fastest > 0 or not self.contrast > 0:
            raise SettingsError(
                complain(
                    "lagrangian: fastest, contrast",
                    f"{self.fastest:g}, {self.contrast:g}",
                    "numbers above 0",
                    "for example 40 and 55",
                )
            )


class LagrangianModel(ModelWrapper):
    """A network in Lagrangian coordinates, the frame of reference of the moving rain.

    The optical flow of the past is one steady motion. Past frames are advected along it to the forecast
    reference time; there the network forecasts growth, decay and deformation; each forecast frame is then
    advected to its own time. A network that changes nothing forecasts the extrapolation of its newest frame.

    Training happens in these coordinates too: future frames are advected back to the reference time, with the
    value of the nearest pixel so that none is smoothed, and what has left the clip counts as not observed. A
    clip's longer context stays out: one motion does not hold for hours.

    Pixels that were not observed enter the network as dry, and the estimate of motion not at all.

    Source: the Lagrangian frame of Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873.
    """

    def __init__(self, network: SequenceModel, settings: LagrangianSettings | None = None) -> None:
        super().__init__(network)
        self.settings = settings or LagrangianSettings()
        self.past_min = max(2, network.past_min)

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast (B, S, C, H, W) with ``network`` and its C."""
        motion = self._flow(past, observed)
        if targets is not None:
            ahead = trajectories(-motion, targets.frames.shape[1])
            targets = targets._replace(frames=_sampled(targets.frames, ahead))
        origins = _origins(past, motion)
        forecast = network(self.at_reference_time(past, origins), steps, targets)
        return self.at_own_times(forecast, motion, origins).to(past.dtype)

    def origins(self, past: Tensor, motion: Tensor) -> list[Tensor]:
        """For each past frame but the newest, oldest first: where the air of each pixel was then."""
        return _origins(past, motion)

    def at_reference_time(self, past: Tensor, origins: Sequence[Tensor]) -> Tensor:
        """Advect past frames (B, T, C, H, W) from their `origins` to the forecast reference time."""
        return _to_reference(past, origins).to(past.dtype)

    def at_own_times(self, forecast: Tensor, motion: Tensor, origins: Sequence[Tensor] = ()) -> Tensor:
        """Advect forecast frames (B, S, C, H, W) along ``motion``; without gradients each in its place.

        The air of the n-th of them comes from where that of a frame n before the newest was: `origins`, where
        they are given, are not looked for again.
        """
        ahead = _onwards(motion, list(origins)[::-1], forecast.shape[1])
        if torch.is_grad_enabled():
            return _sampled(forecast, ahead)
        forecast = forecast.contiguous()  # a continent is there once
        for n, places in enumerate(ahead):
            forecast[:, n] = sample_in_stripes(forecast[:, n], places)
        return forecast

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The motion that frames are advected by: (B, S, 1, 2, H, W), cells a frame, rows first."""
        return self._flow(past, observed)[:, None, None].expand(-1, steps, 1, -1, -1, -1)

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the network's own steps on the clip in Lagrangian coordinates."""
        advected = self.advected(clip)
        if targets is not None:
            targets = targets._replace(frames=advected.future)
        yield from self.network.optimiser_steps(advected, targets, generator)

    def advected(self, clip: ClipBatch) -> ClipBatch:
        """All frames of a clip advected to the forecast reference time; its context is left out."""
        length = clip.past.shape[1]
        with torch.no_grad():
            observed = clip.observed[:, :length]
            motion = self._flow(clip.past, observed)
            origins = _origins(clip.past, motion)
            past = _to_reference(clip.past, origins)
            past_observed = _to_reference(observed, origins, "nearest") > _HALF
            ahead = list(trajectories(-motion, clip.future.shape[1]))
            future = _sampled(clip.future, ahead, "nearest")
            future_observed = _sampled(clip.observed[:, length:], ahead, "nearest") > _HALF
            future_observed &= torch.stack([inside(places) for places in ahead], dim=1)
        return ClipBatch(
            past.to(clip.past.dtype),
            (future * future_observed).to(clip.future.dtype),
            torch.cat([past_observed, future_observed], dim=1),
            clip.context[:, :0],
            clip.faintest,
        )

    def _flow(self, past: Tensor, observed: Tensor | None) -> Tensor:
        """Estimate the motion (B, 2, H, W), once where networks share it."""
        return estimated_once(self.settings, past, observed, self._estimate)

    def _estimate(self, past: Tensor, observed: Tensor | None) -> Tensor:
        """Estimate the motion (B, 2, H, W) from the mean over channels."""
        decibels = past.float().mean(dim=2) * self.settings.contrast
        whole = torch.ones_like(decibels, dtype=torch.bool) if observed is None else observed.all(dim=2)
        motion = lucas_kanade(decibels, whole, self.settings.flow)
        speed = motion.square().sum(dim=1, keepdim=True).sqrt()
        return motion * (self.settings.fastest / speed.clamp(min=self.settings.fastest))


def _origins(past: Tensor, motion: Tensor) -> list[Tensor]:
    """For each past frame but the newest, oldest first: where the air of each pixel was then."""
    return list(trajectories(motion, past.shape[1] - 1))[::-1]


def _onwards(motion: Tensor, known: Sequence[Tensor], frames: int) -> Iterator[Tensor]:
    """As `trajectories`, with the first places known."""
    yield from known[:frames]
    if frames > len(known):
        yield from trajectories(motion, frames - len(known), known[-1] if known else None)


def _to_reference(past: Tensor, origins: Sequence[Tensor], mode: Mode = "bilinear") -> Tensor:
    """Advect past maps (B, T, C, H, W) to the forecast reference time; the newest one stays as it is."""
    newest = past[:, -1:].float()
    return torch.cat([_sampled(past, origins, mode), newest], dim=1) if origins else newest


def _sampled(maps: Tensor, places: Iterable[Tensor], mode: Mode = "bilinear") -> Tensor:
    """Read the n-th map (B, N, C, H, W) at the n-th places."""
    return torch.stack([sample(maps[:, n], at, mode) for n, at in enumerate(places)], dim=1)
