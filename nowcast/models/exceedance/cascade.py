"""Odds of the newest frame parted by scale: what of "as now" is still worth something at each lead time.

Letters: B batch, T past frames, K thresholds, S lead times, L scales, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.exceedance.unet import Surroundings, SurroundingsSettings
from nowcast.models.smoothing import CUT, gaussian

_LIFETIME = 0.4
"""Of a scale of one cell, in frames, before training; larger ones live longer in proportion."""
_GAIN = 10.0
"""Weights of levels are kept this many times smaller than they act.

Adam moves every parameter by about the same step; these are few, and have far to go.
"""
_CALM = 0.3
"""Odds reach about 4.6 on either side; times this they are as wide as a layer expects."""


@dataclass(frozen=True)
class CascadeSettings:
    """Into which scales the odds of the past are parted, and how they are put together again."""

    scales: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    """Standard deviations of Gaussians in cells, rising; between two of them lies one level of the cascade."""
    leads: int = 10
    """Lead times with weights of their own; later ones share those of the last."""
    hidden: int = 64
    """Channels of the layers that look at all levels of a pixel together; 0 leaves them out."""
    surroundings: SurroundingsSettings | None = None
    """Let these layers know what a U-Net says of a pixel's surroundings; none (null) leaves it out."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise((0.0, *self.scales)))
        if not self.scales or not rising or self.leads < 1 or self.hidden < 0:
            raise SettingsError(
                complain("cascade: scales, leads, hidden", f"{list(self.scales)}, {self.leads}, {self.hidden}",
                         "rising numbers above 0, 1 or more, and 0 or more",
                         "for example [2, 8, 32], 10 and 64")
            )
        if self.surroundings is not None and not self.hidden:
            raise SettingsError(
                complain("cascade.hidden", 0, "1 or more with surroundings, which speak to these layers",
                         "take 64")
            )

    @property
    def reach(self) -> float:
        """Cells within which what is seen changes the odds of a pixel."""
        around = 0.0 if self.surroundings is None else self.surroundings.reach
        return max(CUT * self.scales[-1], around)


class OddsCascade(nn.Module):
    """Let each scale of the newest frame's odds count for what it is worth at each lead time.

    Small showers are gone before large areas of rain are, so the odds (logits) of a threshold are parted into
    levels of a cascade by scale, and a level weighs less the smaller its scale and the later the time.
    The weights, one for each lead time, threshold and level, are learnt, with a constant for each lead time
    and threshold. They start from lifetimes in proportion to the scale.

    To that, two layers that look at a pixel alone add what all levels of all thresholds say together, and
    how each differs from its mean over the earlier frames (what grows and what decays). They start from
    nothing. Where asked for, they also know what a U-Net says of the pixel's surroundings,
    from odds averaged over the thresholds, which rise with dBZ.

    Source: the cascade of S-PROG, Seed (2003), J. Appl. Meteor. 42, 381-388, there of decibels, with
    autoregression in place of learnt weights.
    """

    def __init__(self, thresholds: int, settings: CascadeSettings) -> None:
        super().__init__()
        self.scales, self.hidden = settings.scales, settings.hidden
        lives = _LIFETIME * torch.tensor([*settings.scales, 2.0 * settings.scales[-1]])
        lead = torch.arange(1.0, settings.leads + 1)
        kept = torch.exp(-lead[:, None] / lives) / _GAIN
        self.weights = nn.Parameter(kept[:, None].repeat(1, thresholds, 1))
        """(S, K, L + 1), the last level being what is larger than all scales."""
        self.constants = nn.Parameter(torch.zeros(settings.leads, thresholds))
        self.together: nn.Sequential | None = None
        self.surroundings: Surroundings | None = None
        if settings.surroundings is not None:
            self.surroundings = Surroundings(settings.surroundings, settings.hidden)
        if settings.hidden:
            last = nn.Conv2d(settings.hidden, self.constants.numel(), 1)
            for start in last.parameters():
                nn.init.zeros_(start)
            self.together = nn.Sequential(
                nn.Conv2d(2 * thresholds * len(lives), settings.hidden, 1), nn.GELU(),
                nn.Conv2d(settings.hidden, settings.hidden, 1), nn.GELU(), last,
            )

    def forward(self, odds: Tensor, steps: int) -> Tensor:
        """Give odds (B, S, K, H, W) of the first ``steps`` lead times, from the past's (B, T, K, H, W)."""
        at = torch.arange(steps, device=odds.device).clamp(max=len(self.weights) - 1)
        with torch.autocast(odds.device.type, enabled=False):
            newest = self.levels(odds[:, -1].float())
            weights, constants = (_GAIN * v[at].float() for v in (self.weights, self.constants))
            found = torch.einsum("bklhw,skl->bskhw", newest, weights) + constants[None, :, :, None, None]
            if self.together is None:
                return found
            change = odds[:, -1] - (odds[:, :-1].mean(dim=1) if odds.shape[1] > 1 else odds[:, -1])
            seen = torch.cat([newest, self.levels(change.float())], dim=1) * _CALM
        together = self.together[0](seen.flatten(1, 2))
        if self.surroundings is not None:
            together = together + self.surroundings(odds.float().mean(dim=2) * _CALM)
        added: Tensor = self.together[1:](together).unflatten(1, self.constants.shape)
        return found + added[:, at].float()

    @property
    def bytes_per_pixel(self) -> float:
        """At most so much memory a forecast takes for each pixel, for all lead times together."""
        leads, thresholds, levels = self.weights.shape
        return 4.0 * (6 * thresholds * levels + 2 * self.hidden + 4 * leads * thresholds)

    def levels(self, odds: Tensor) -> Tensor:
        """Part odds (B, K, H, W) into levels (B, K, L + 1, H, W) that add up to them, small scales first."""
        smooth = [odds, *(gaussian(odds, scale, "replicate") for scale in self.scales)]
        return torch.stack([*(fine - coarse for fine, coarse in pairwise(smooth)), smooth[-1]], dim=2)
