"""SAVP-VAE: a generator that moves pixels, steered by a latent at every step.

Dimensions: B batch, C channels, H rows, W columns, Z latents, K past frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parts import State, move, positive_kernels


def norm(channels: int) -> nn.InstanceNorm2d:
    """Over each map of each sample, with gain and offset."""
    return nn.InstanceNorm2d(channels, eps=1e-6, affine=True)


def tiled(x: Tensor, z: Tensor) -> Tensor:
    """A map with the latents appended at every pixel."""
    return torch.cat([x, z.view(*z.shape, 1, 1).expand(-1, -1, *x.shape[2:])], dim=1)


class NormedConvLSTM(nn.Module):
    """A ConvLSTM that reads latents, with an instance norm of its gates and of its cell."""

    def __init__(self, hidden: int, latent: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(2 * hidden + latent, 4 * hidden, 5, padding=2, bias=False)
        self.gate_norm, self.cell_norm = norm(4 * hidden), norm(hidden)

    def forward(self, x: Tensor, z: Tensor, state: State | None) -> State:
        """One step."""
        h, c = (x.new_zeros(x.shape), x.new_zeros(x.shape)) if state is None else state
        gates = self.gate_norm(self.gates(torch.cat([tiled(x, z), h], dim=1)))
        i, j, f, o = gates.chunk(4, dim=1)
        c = self.cell_norm(c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j))
        return torch.tanh(c) * torch.sigmoid(o), c


class Down(nn.Module):
    """A convolution, an average over 2 x 2, a norm and a ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Half the rows and columns."""
        return F.relu(self.norm(F.avg_pool2d(self.conv(x), 2)))


class Up(nn.Module):
    """Bilinear enlargement with zeros outside, a convolution, a norm and a ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Twice the rows and columns."""
        large = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)
        return F.relu(self.norm(self.conv(large[:, :, 2:-2, 2:-2])))


class LatentLSTM(nn.Module):
    """An LSTM over the latents with gates i, j, f, o and a forget bias of 1."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.gates = nn.Linear(2 * latent, 4 * latent)

    def forward(self, z: Tensor, state: State | None) -> State:
        """One step."""
        h, c = (torch.zeros_like(z), torch.zeros_like(z)) if state is None else state
        i, j, f, o = self.gates(torch.cat([z, h], dim=1)).chunk(4, dim=1)
        c = c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
        return torch.tanh(c) * torch.sigmoid(o), c


class Posterior(nn.Module):
    """Mean and logarithm of the variance of the latent between two frames."""

    def __init__(self, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 4, stride=2, padding=1)
            for i, o in ((2 * channels, width), (width, 2 * width), (2 * width, 4 * width))
        )
        self.norms = nn.ModuleList([nn.Identity(), norm(2 * width), norm(4 * width)])
        self.mean, self.log_variance = nn.Linear(4 * width, latent), nn.Linear(4 * width, latent)

    def forward(self, frame: Tensor, following: Tensor, noise: Tensor) -> Tensor:
        """A latent (B, Z)."""
        x = torch.cat([frame, following], dim=1)
        for conv, normalise in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(normalise(conv(x)), 0.2)
        x = x.mean(dim=(2, 3))
        drawn: Tensor = self.mean(x) + torch.exp(0.5 * self.log_variance(x).clamp(-10, 10)) * noise
        return drawn


class PlainSAVP(nn.Module):
    """The generator of 64 x 64 frames (three scales, the last of the decoder without ConvLSTM)."""

    def __init__(
        self,
        width: int = 32,
        latent: int = 32,
        kernels: int = 4,
        posterior_width: int = 64,
        channels: int = 1,
        size: tuple[int, int] = (64, 64),
    ) -> None:
        super().__init__()
        n, z, c = width, latent, channels
        self.kernels = kernels
        images = kernels + 3
        self.posterior = Posterior(c, posterior_width, z)
        self.latent_lstm = LatentLSTM(z)
        self.down = nn.ModuleList([Down(2 * c + z, n, 5), Down(n + z, 2 * n, 3), Down(2 * n + z, 4 * n, 3)])
        self.up = nn.ModuleList([Up(4 * n + z, 2 * n), Up(4 * n + z, n), Up(2 * n + z, n)])
        self.lstm = nn.ModuleList(NormedConvLSTM(h, z) for h in (n, 2 * n, 4 * n, 2 * n, n))
        self.kernel_head = nn.Linear(4 * n * (size[0] // 8) * (size[1] // 8), 25 * kernels)
        self.scratch = nn.Sequential(
            nn.Conv2d(n, n, 3, padding=1), norm(n), nn.ReLU(), nn.Conv2d(n, c, 3, padding=1), nn.Sigmoid()
        )
        self.mask_in = nn.Sequential(nn.Conv2d(n, n, 3, padding=1), norm(n), nn.ReLU())
        self.mask_out = nn.Conv2d(n + images * c, images, 3, padding=1)

    def forward(self, past: Tensor, steps: int, noise: Tensor) -> Tensor:
        """(B, K, C, H, W) and noise (K - 1 + S, Z) -> (B, S, C, H, W)."""
        states: list[State | None] = [None] * 6
        forecast: list[Tensor] = []
        known = past.shape[1]
        for t in range(known + steps - 1):
            frame = past[:, t] if t < known else forecast[-1]
            drawn = noise[t].expand(len(past), -1)
            z = self.posterior(frame, past[:, t + 1], drawn) if t < known - 1 else drawn
            forecast.append(self.step(frame, past[:, 0], z, states))
        return torch.stack(forecast[-steps:], dim=1)

    def step(self, frame: Tensor, first: Tensor, z: Tensor, states: list[State | None]) -> Tensor:
        """The next frame."""
        latent = states[5] = self.latent_lstm(z, states[5])
        rz = latent[0]
        x = torch.cat([frame, first], dim=1)
        skips = []
        for i in range(3):
            new = states[i] = self.lstm[i](self.down[i](tiled(x, rz)), rz, states[i])
            x = new[0]
            skips.append(x)
        deepest = x
        for i in range(2):
            x = x if i == 0 else torch.cat([x, skips[1]], dim=1)
            new = states[3 + i] = self.lstm[3 + i](self.up[i](tiled(x, rz)), rz, states[3 + i])
            x = new[0]
        x = self.up[2](tiled(torch.cat([x, skips[0]], dim=1), rz))
        raw = self.kernel_head(deepest.flatten(1)).view(-1, self.kernels, 25).clone()
        raw[:, :, 12] += 1
        kernels = positive_kernels(raw, dim=2).view(-1, self.kernels, 5, 5)
        images = torch.stack([*move(mirrored(frame), kernels).unbind(1), frame, first, self.scratch(x)], dim=1)
        masks = torch.softmax(self.mask_out(torch.cat([self.mask_in(x), images.flatten(1, 2)], dim=1)), dim=1)
        return (masks.unsqueeze(2) * images).sum(dim=1)


def mirrored(frame: Tensor) -> Tensor:
    """Two more rows and columns on each side, mirrored with the edge repeated."""
    frame = torch.cat([frame[:, :, :2].flip(2), frame, frame[:, :, -2:].flip(2)], dim=2)
    return torch.cat([frame[..., :2].flip(3), frame, frame[..., -2:].flip(3)], dim=3)
