"""The latent vectors of SAVP: read from pairs of frames in training, and how one step's follows the last's.

Dimensions: B batch, N pairs or steps, C channels, Z numbers of a latent vector, H rows, W columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.cells.convlstm import FORGET_BIAS
from nowcast.models.video.savp.layers import instance_norm

_SLOPE = 0.2
_MOST = 10.0
"""Bound of the logarithm of a variance, either way."""


class Gaussian(NamedTuple):
    """A normal distribution of latent vectors, independent in each number."""

    mean: Tensor
    log_variance: Tensor
    """Both (B, N, Z)."""

    def sample(self, noise: Tensor) -> Tensor:
        """The latent vectors (B, N, Z) that standard normal noise stands for."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal: summed over Z, mean over B and N."""
        mean, log_variance = self.mean.float(), self.log_variance.float()
        terms = 1.0 + log_variance - mean.square() - log_variance.exp()
        return -0.5 * terms.sum(dim=-1).mean()


class Posterior(nn.Module):
    """What the latent vector of a step was, read from the frame before it and the one after it.

    Args:
        channels: C.
        width: channels of the first of the three convolutions; doubled twice.
        latent: Z.
    """

    def __init__(self, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(2 * channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            instance_norm(2 * width),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            instance_norm(4 * width),
            nn.LeakyReLU(_SLOPE),
        )
        self.mean = nn.Linear(4 * width, latent)
        self.log_variance = nn.Linear(4 * width, latent)

    def forward(self, frames: Tensor) -> Gaussian:
        """The distributions of the N steps between N + 1 frames (B, N + 1, C, H, W)."""
        pairs = torch.cat([frames[:, :-1], frames[:, 1:]], dim=2)
        features = self.convolutions(pairs.flatten(0, 1)).mean(dim=(2, 3)).view(*pairs.shape[:2], -1)
        return Gaussian(self.mean(features), self.log_variance(features).clamp(-_MOST, _MOST))


class LatentLSTM(nn.Module):
    """An LSTM over the latent vectors of a sequence; what it gives is what the generator reads."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.gates = nn.Linear(2 * latent, 4 * latent)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, N, Z) to (B, N, Z), each step with those before it; state 0 before the first."""
        cell = hidden = torch.zeros_like(latents[:, 0])
        found = []
        for latent in latents.unbind(dim=1):
            i, g, f, o = self.gates(torch.cat([latent, hidden], dim=-1)).chunk(4, dim=-1)
            cell = cell * torch.sigmoid(f + FORGET_BIAS) + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.tanh(cell) * torch.sigmoid(o)
            found.append(hidden)
        return torch.stack(found, dim=1)


def noise_of(seed: int, steps: int, latent: int, like: Tensor) -> Tensor:
    """Standard normal noise (steps, Z) that follows from the seed alone, whatever the device or the batch.

    Drawn step by step, so that a longer forecast begins with the shorter one.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack([torch.randn(latent, generator=generator) for _ in range(steps)])
    return drawn.to(like.device, like.dtype)
