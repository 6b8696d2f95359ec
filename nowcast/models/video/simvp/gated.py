"""The translators of SimVP's second version (gSTA) and of TAU: blocks of large depth-wise filters that gate.

Dimensions: B batch, d channels, h rows, w columns of the shrunken map.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.video.simvp.frame_layers import draw_normal

Norm = Literal["group", "batch"]
"""Over the channels and places of each sample, or of each channel over the batch."""
_NEAR, _FAR, _SPACING = 5, 7, 3
"""Two filters, the second with gaps, see as far as one of 23 x 23."""
_START = 0.01
"""What a fresh block adds of each of its parts."""
_SQUEEZE, _LEAST_SQUEEZE = 16, 4


class LargeFilter(nn.Module):
    """A depth-wise convolution and one with gaps: each channel sees far around each place."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(wide, wide, _NEAR, padding=_NEAR // 2, groups=wide)
        padding = _SPACING * (_FAR // 2)
        self.far = nn.Conv2d(wide, wide, _FAR, padding=padding, dilation=_SPACING, groups=wide)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d, h, w), and the same back."""
        found: Tensor = self.far(self.near(x))
        return found


class SpatialGate(nn.Module):
    """What gSTA gates with: far sight gives both a feature and how much of it passes."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.sight = LargeFilter(wide)
        self.split = nn.Conv2d(wide, 2 * wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d, h, w), and the same back."""
        feature, gate = self.split(self.sight(x)).chunk(2, dim=1)
        passed: Tensor = torch.sigmoid(gate) * feature
        return passed


class TemporalGate(nn.Module):
    """What TAU gates with: far sight weighs each place, the mean over the map each channel (and so each frame).

    Source: Tan et al., Temporal Attention Unit, CVPR 2023.
    """

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.sight = LargeFilter(wide)
        self.mix = nn.Conv2d(wide, wide, 1)
        between = wide // max(wide // _SQUEEZE, _LEAST_SQUEEZE)
        self.squeeze = nn.Linear(wide, between, bias=False)
        self.excite = nn.Linear(between, wide, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d, h, w), and the same back."""
        channels = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3))))))
        found: Tensor = channels[:, :, None, None] * self.mix(self.sight(x)) * x
        return found


class GatedAttention(nn.Module):
    """A gate between two 1x1 convolutions; its input is added."""

    def __init__(self, wide: int, temporal: bool) -> None:
        super().__init__()
        self.enter = nn.Conv2d(wide, wide, 1)
        self.gate: nn.Module = TemporalGate(wide) if temporal else SpatialGate(wide)
        self.leave = nn.Conv2d(wide, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d, h, w), and the same back."""
        found: Tensor = self.leave(self.gate(F.gelu(self.enter(x)))) + x
        return found


class GatedBlock(nn.Module):
    """Attention and a perceptron with a depth-wise filter, both weighed little and added to what came in."""

    def __init__(self, wide: int, expansion: int, temporal: bool, norm: Norm) -> None:
        super().__init__()
        within = expansion * wide
        self.attention_norm, self.mixer_norm = _norm(wide, norm), _norm(wide, norm)
        self.attention = GatedAttention(wide, temporal)
        self.mixer = nn.Sequential(
            nn.Conv2d(wide, within, 1),
            nn.Conv2d(within, within, 3, padding=1, groups=within),
            nn.GELU(),
            nn.Conv2d(within, wide, 1),
        )
        self.attention_scale = nn.Parameter(torch.full((wide, 1, 1), _START))
        self.mixer_scale = nn.Parameter(torch.full((wide, 1, 1), _START))

    def forward(self, x: Tensor) -> Tensor:
        """(B, d, h, w), and the same back."""
        x = x + self.attention_scale * self.attention(self.attention_norm(x))
        found: Tensor = x + self.mixer_scale * self.mixer(self.mixer_norm(x))
        return found


class GatedStack(nn.Module):
    """Blocks one after the other; a 1x1 convolution narrows after the first and widens after the last.

    Args:
        wide: channels of what comes in and of what goes out: those of a map times the frames.
        hidden: channels between.
        blocks: 2 or more.
        expansion: of the perceptron in each block.
        temporal: the gate is that of TAU.
        norm: before both parts of a block.

    Source: Gao et al., SimVP, 2022, in the gated form that OpenSTL calls gSTA; Tan et al. 2023 (TAU).
    """

    def __init__(self, wide: int, hidden: int, blocks: int, expansion: int, temporal: bool, norm: Norm) -> None:
        super().__init__()
        widths = [wide, *[hidden] * (blocks - 1)]
        self.blocks = nn.ModuleList(GatedBlock(w, expansion, temporal, norm) for w in widths)
        self.narrow, self.widen = (
            nn.Identity() if wide == hidden else nn.Conv2d(a, b, 1) for a, b in ((wide, hidden), (hidden, wide))
        )
        for part in self.blocks.modules():
            if isinstance(part, nn.Conv2d):
                _draw(part)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of all past frames (B, wide, h, w) to those of all future ones."""
        for n, block in enumerate(self.blocks):
            x = block(x)
            x = x if n else self.narrow(x)
        found: Tensor = self.widen(x)
        return found


def _norm(wide: int, norm: Norm) -> nn.Module:
    return nn.BatchNorm2d(wide) if norm == "batch" else nn.GroupNorm(1, wide)


def _draw(conv: nn.Conv2d) -> None:
    """Draw fresh weights so that a gradient keeps its size on the way back."""
    taps = conv.kernel_size[0] * conv.kernel_size[1] * conv.out_channels // conv.groups
    draw_normal(conv, math.sqrt(2.0 / taps))
