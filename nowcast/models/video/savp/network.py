"""SAVP-VAE as a network: a future for each seed, and a training that reads latent vectors from the truth.

Dimensions: B batch, T past frames, S forecast steps, C channels, Z numbers of a latent vector, H rows, W
columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.savp.generator import ENCODERS, Generator, GeneratorState
from nowcast.models.video.savp.latent import Gaussian, LatentLSTM, Posterior, noise_of

_SPREAD = 0.02
"""Standard deviation of fresh weights."""
_LEAST_MAP = 2


@dataclass(frozen=True)
class SavpVaeSettings:
    """Settings of SAVP-VAE; defaults are those of the published code for KTH."""

    width: int = 32
    """Channels at full size; two to eight times as many below."""
    scales: int | None = None
    """How often the encoder halves; None goes by the smaller side, as published: 3 from 64 pixels, 4 from 128,
    5 from 256, else 2."""
    latent: int = 32
    """Numbers of the latent vector of a step."""
    kernels: int = 4
    """Kernels that move the frame."""
    posterior_width: int = 64
    """Channels of the first convolution that reads latent vectors from pairs of frames."""
    divergence_weight: float = 1e-5
    """Of the latent vectors from the prior; published are 1e-5 for KTH and 1e-3 for BAIR."""
    divergence_from: int = 50_000
    """Batches of training before the divergence counts at all."""
    divergence_full: int = 100_000
    """Batches until its weight is whole; it rises evenly in between."""
    seed: int = 0
    """Of the future that is forecast where no other is asked for."""

    def __post_init__(self) -> None:
        for name in ("width", "latent", "kernels", "posterior_width"):
            if getattr(self, name) < 1:
                raise SettingsError(complain(name, getattr(self, name), "1 or more", "change it"))
        if self.scales is not None and self.scales not in ENCODERS:
            raise SettingsError(complain("scales", self.scales, "2, 3, 4 or 5", "or leave it out"))
        if not self.divergence_weight >= 0:
            raise SettingsError(
                complain("divergence_weight", self.divergence_weight, "0 or more", "published is 1e-5")
            )
        if not 0 <= self.divergence_from <= self.divergence_full:
            raise SettingsError(
                complain(
                    "divergence_from, divergence_full",
                    f"{self.divergence_from}, {self.divergence_full}",
                    "0 or more, the second at least the first",
                    "0 and 0 take the whole weight from the start",
                )
            )

    def scales_for(self, size: tuple[int, int]) -> int:
        """How often frames of this size are halved."""
        side = min(size)
        return self.scales or 2 + (side >= 64) + (side >= 128) + (side >= 256)


class SavpVae(SequenceModel):
    """Stochastic video prediction with a variational autoencoder, without the adversary.

    At each step a latent vector says what of the future the past does not tell. In training it is read from the
    frame before and the one after (`Posterior`) and kept near the standard normal. A forecast draws it from
    there, and for steps between past frames, which are known, from the posterior. An LSTM over the vectors
    gives what the generator reads. `forward` is the future of the setting ``seed``.

    The weight of the divergence rises with the batches trained on, which a buffer counts.

    Source: Lee et al., "Stochastic Adversarial Video Prediction", arXiv 1804.01523 (2018), the VAE of its
    ablation.
    """

    stochastic = True

    def __init__(self, settings: SavpVaeSettings, spec: FrameSpec) -> None:
        super().__init__()
        assert spec.size is not None
        self.settings, self.channels, self.size = settings, spec.channels, spec.size
        scales = settings.scales_for(spec.size)
        self.multiple_of = (2**scales, 2**scales)
        self.generator = Generator(
            spec.channels, spec.size, settings.width, scales, settings.latent, settings.kernels
        )
        self.latent_lstm = LatentLSTM(settings.latent)
        self.posterior = Posterior(spec.channels, settings.posterior_width, settings.latent)
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                draw_truncated(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.long))
        self.batches_seen: Tensor

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`, with the seed of the settings; not observed is read as dry.

        Raises:
            SettingsError: channels or a frame size that the network cannot take.
        """
        del observed
        return self._future(past, steps, self.settings.seed, targets)

    def draw(self, past: Tensor, steps: int, seed: int, observed: Tensor | None = None) -> Tensor:
        """Forecast the future of a seed, as `SequenceModel.draw`.

        Raises:
            SettingsError: as `forward`.
        """
        del observed
        return self._future(past, steps, seed)

    def _future(self, past: Tensor, steps: int, seed: int, targets: ScheduledTargets | None = None) -> Tensor:
        self._check(past)
        batch, length = past.shape[:2]
        noise = noise_of(seed, length - 1 + steps, self.settings.latent, past).expand(batch, -1, -1)
        latents = noise
        if length > 1:
            known = self.posterior(past).sample(noise[:, : length - 1])
            latents = torch.cat([known, noise[:, length - 1 :].to(known.dtype)], dim=1)
        return unroll(_Sequence(self, latents), past, steps, targets)

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield all frames from the second on, with latent vectors that are read from the true frames.

        The penalty is their divergence from the prior with today's weight.
        """
        self._check(clip.past)
        frames = torch.cat([clip.past, clip.future], dim=1)
        known: Gaussian = self.posterior(frames)
        noise = torch.randn(known.mean.shape, generator=generator).to(frames.device, frames.dtype)
        steps = clip.future.shape[1]
        predicted = unroll(_Sequence(self, known.sample(noise)), clip.past, steps, targets, warm=True)
        penalty = self.divergence_weight() * known.divergence()
        if self.training:
            self.batches_seen += 1
        yield OptimiserStep("forecast", predicted, frames[:, 1:], clip.observed[:, 1:], penalty)

    def divergence_weight(self) -> Tensor:
        """The weight of the divergence after the batches seen so far, a scalar."""
        settings, seen = self.settings, self.batches_seen
        rise = settings.divergence_full - settings.divergence_from
        after = seen - settings.divergence_from
        share = (after >= 0).float() if rise == 0 else (after / rise).clamp(0.0, 1.0)
        return settings.divergence_weight * share

    def _check(self, past: Tensor) -> None:
        check_past(self, past, self.channels)
        found = tuple(past.shape[-2:])
        if found != tuple(self.size):
            raise SettingsError(
                complain(
                    "frame size",
                    f"{found[0]} x {found[1]}",
                    f"{self.size[0]} x {self.size[1]}, to which the layer that makes kernels ties the network",
                    "build it for that size",
                )
            )


@torch.no_grad()
def draw_truncated(weight: Tensor) -> None:
    """Fill weights with normal numbers of spread 0.02 that lie within two spreads of 0."""
    bound = math.erf(math.sqrt(2.0))
    weight.uniform_(-bound, bound).erfinv_().mul_(math.sqrt(2.0) * _SPREAD)


class _Sequence:
    """One pass of the network over one batch, as `unroll` takes it."""

    def __init__(self, net: SavpVae, latents: Tensor) -> None:
        self.generator = net.generator
        self.latents: Tensor = net.latent_lstm(latents)

    def encode(self, frames: Tensor) -> Tensor:
        return frames

    def start(self, first: Tensor, past: Tensor) -> _SequenceState:
        return _SequenceState(0, self.generator.start(first))

    def step(self, x: Tensor, state: _SequenceState, emit: bool) -> tuple[Tensor | None, _SequenceState]:
        frame, after = self.generator.step(x, self.latents[:, state.time], state.generator, emit)
        return frame, _SequenceState(state.time + 1, after)


class _SequenceState(NamedTuple):
    time: int
    generator: GeneratorState


def build_savp_vae(settings: SavpVaeSettings, spec: FrameSpec) -> SavpVae:
    """Build the network for the catalog.

    Raises:
        SettingsError: no frame size, or one that does not fit.
    """
    if spec.size is None:
        raise SettingsError(
            complain(
                "frame size",
                "none",
                "rows and columns, to which the layer that makes kernels ties the network",
                "give the size of the frames",
            )
        )
    scales = settings.scales_for(spec.size)
    check_size((2**scales, 2**scales), *spec.size)
    if min(spec.size) < _LEAST_MAP * 2**scales:
        least = _LEAST_MAP * 2**scales
        raise SettingsError(
            complain("frame size", f"{spec.size[0]} x {spec.size[1]}", f"{least} or more a side", "change it")
        )
    return SavpVae(settings, spec)
