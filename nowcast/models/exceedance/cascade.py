"""Logits of the newest frame split by scale: how much of "as now" still holds at each lead time.

Dimensions: B batch, T past frames, K thresholds, S lead times, L scales, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.core.settings import formerly
from nowcast.models.cpu.pixel_layers import PixelWeights, pixel_layers, trains_in_stripes
from nowcast.models.exceedance.unet import ContextUNet, ContextUNetSettings
from nowcast.models.smoothing import CUT, gaussian

_LIFETIME = 0.4
"""Of a scale of one cell, in frames, before training; larger ones live longer in proportion."""
GAIN = 10.0
"""Weights of cascade levels are kept this many times smaller than they act.

Adam moves every parameter by about the same step; these are few, and have far to go.
"""
INPUT_SCALE = 0.3
"""Logits reach about 4.6 on either side; times this they have the spread that a layer expects."""


@dataclass(frozen=True)
class CascadeSettings:
    """Into which scales the logits of the past are split, and how they are put together again."""

    scales: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    """Standard deviations of Gaussians in cells, rising; between two of them lies one cascade level."""
    lead_times: int = field(default=10, metadata=formerly("leads"))
    """How many lead times have weights of their own; later ones share those of the last."""
    hidden: int = 64
    """Channels of the layers that see all cascade levels of a pixel together; 0 leaves them out."""
    context_unet: ContextUNetSettings | None = field(default=None, metadata=formerly("surroundings"))
    """A U-Net that tells these layers about the context of a pixel; none (null) leaves it out."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise((0.0, *self.scales)))
        if not self.scales or not rising or self.lead_times < 1 or self.hidden < 0:
            raise SettingsError(
                complain(
                    "cascade: scales, lead_times, hidden",
                    f"{list(self.scales)}, {self.lead_times}, {self.hidden}",
                    "rising numbers above 0, 1 or more, and 0 or more",
                    "for example [2, 8, 32], 10 and 64",
                )
            )
        if self.context_unet is not None and not self.hidden:
            raise SettingsError(
                complain(
                    "cascade.hidden", 0, "1 or more with context_unet, which adds to these layers", "take 64"
                )
            )

    @property
    def receptive_field(self) -> float:
        """Cells within which a change of the input changes the logits of a pixel."""
        context = 0.0 if self.context_unet is None else self.context_unet.receptive_field
        return max(CUT * self.scales[-1], context)


class LogitCascade(nn.Module):
    """Weighs each scale of the newest frame's logits at each lead time.

    Small showers are gone before large areas of rain are, so the logits of a threshold are split into
    cascade levels by scale, and a level weighs less the smaller its scale and the later the time.
    The weights, one for each lead time, threshold and level, are learnt, with a constant for each lead time
    and threshold. They start from lifetimes in proportion to the scale.

    To that, two layers of 1 x 1 convolutions add what follows from all levels of all thresholds together, and
    from how each differs from its mean over the earlier frames (growth and decay). They start from zero. With
    `ContextUNet` they also know the context of the pixel, from logits averaged over the thresholds,
    which rise with dBZ.

    Source: the cascade of S-PROG, Seed (2003), J. Appl. Meteor. 42, 381-388, there of decibels, with
    autoregression in place of learnt weights.
    """

    def __init__(self, thresholds: int, settings: CascadeSettings) -> None:
        super().__init__()
        self.scales, self.hidden = settings.scales, settings.hidden
        here = torch.get_default_device()  # sums on the device without memory load a compiler: a second
        lives = _LIFETIME * torch.tensor([*settings.scales, 2.0 * settings.scales[-1]], device="cpu")
        lead = torch.arange(1.0, settings.lead_times + 1, device="cpu")
        kept = torch.exp(-lead[:, None] / lives) / GAIN
        self.weights = nn.Parameter(kept[:, None].repeat(1, thresholds, 1).to(here))
        """(S, K, L + 1), the last level being what is larger than all scales."""
        self.constants = nn.Parameter(torch.zeros(settings.lead_times, thresholds))
        self.pixel_layers: nn.Sequential | None = None
        self.context_unet: ContextUNet | None = None
        if settings.context_unet is not None:
            self.context_unet = ContextUNet(settings.context_unet, settings.hidden)
        if settings.hidden:
            last = nn.Conv2d(settings.hidden, self.constants.numel(), 1)
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
            self.pixel_layers = nn.Sequential(
                nn.Conv2d(2 * thresholds * len(lives), settings.hidden, 1),
                nn.GELU(),
                nn.Conv2d(settings.hidden, settings.hidden, 1),
                nn.GELU(),
                last,
            )

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """Forecast logits (B, S, K, H, W) of the first ``steps`` lead times from the past's (B, T, K, H, W)."""
        at = torch.arange(steps, device=past.device).clamp(max=len(self.weights) - 1)
        in_stripes = self.pixel_layers is not None and trains_in_stripes(past)
        with torch.autocast(past.device.type, enabled=False):
            newest = self.split(past[:, -1].float())
            weights, constants = (GAIN * v[at].float() for v in (self.weights, self.constants))
            if in_stripes:
                return self._in_stripes(past, newest, weights, constants, at)
            # Clip by clip on a GPU: in one product it sums the gradient of the few weights slowly.
            parts = newest.chunk(len(newest)) if newest.is_cuda else (newest,)
            faded = torch.cat([torch.einsum("bklhw,skl->bskhw", part, weights) for part in parts])
            logits = faded + constants[None, :, :, None, None]
            if self.pixel_layers is None:
                return logits
            read = torch.cat([newest, self.split(self.change(past).float())], dim=1) * INPUT_SCALE
        hidden = self.pixel_layers[0](read.flatten(1, 2))
        if self.context_unet is not None:
            hidden = hidden + self.context_unet(past.float().mean(dim=2) * INPUT_SCALE)
        added: Tensor = self.pixel_layers[1:](hidden).unflatten(1, self.constants.shape)
        return logits + added[:, at].float()

    def _in_stripes(
        self, past: Tensor, newest: Tensor, weights: Tensor, constants: Tensor, at: Tensor
    ) -> Tensor:
        """`forward` with layers, for training on a CPU."""
        assert self.pixel_layers is not None
        batch, thresholds, levels, *size = newest.shape
        read = torch.cat([newest, self.split(self.change(past).float())], dim=1).mul_(INPUT_SCALE)
        context = None
        if self.context_unet is not None:
            context = self.context_unet(past.float().mean(dim=2) * INPUT_SCALE).flatten(2)
        enter, inner, last = (part for part in self.pixel_layers if isinstance(part, nn.Conv2d))
        assert enter.bias is not None
        assert inner.bias is not None
        assert last.bias is not None
        own = torch.eye(thresholds, device=newest.device)[:, :, None] * weights[:, :, None] / INPUT_SCALE
        by_lead = last.weight.view(len(self.constants), thresholds, -1)[at].flatten(0, 1)
        bias = last.bias.view_as(self.constants)[at] + constants
        pixels = PixelWeights(
            enter.weight.flatten(1),
            enter.bias,
            inner.weight.flatten(1),
            inner.bias,
            by_lead,
            bias.flatten(),
            own.flatten(2).flatten(0, 1),
        )
        found = pixel_layers(read.view(batch, 2 * thresholds * levels, -1), context, pixels)
        return found.view(batch, len(at), thresholds, *size)

    def change(self, past: Tensor) -> Tensor:
        """How the newest logits (B, K, H, W) differ from their mean over the earlier frames."""
        return past[:, -1] - (past[:, :-1].mean(dim=1) if past.shape[1] > 1 else past[:, -1])

    def split(self, logits: Tensor) -> Tensor:
        """Split (B, K, H, W) into cascade levels (B, K, L + 1, H, W) that add up to it, small scales first."""
        smooth = [logits, *(gaussian(logits, scale, "replicate") for scale in self.scales)]
        return torch.stack([*(fine - coarse for fine, coarse in pairwise(smooth)), smooth[-1]], dim=2)
