"""DFN: a network makes a filter for each place, and the filters make the next frame of the newest.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns, K side of a filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import check_filter_size
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.moving import Border, moved_place_by_place

SLOPE = 0.01
"""Of the leaky ReLU after every convolution but the last."""


@dataclass(frozen=True)
class DFNSettings:
    """Settings of the dynamic filter network; defaults are those of the released code for moving digits."""

    kernel: int = 9
    """K."""
    hidden: tuple[int, int, int] = (32, 64, 128)
    """Channels of the first convolutions, of those in the middle, and of the state."""
    border: Border = "zeros"
    """What moves in from beyond the edge: zeros as released, or ``replicate``."""

    def __post_init__(self) -> None:
        check_filter_size("kernel", self.kernel)
        if min(self.hidden) < 1:
            raise SettingsError(complain("hidden", list(self.hidden), "1 or more each", "take [32, 64, 128]"))


class DFNState(NamedTuple):
    """What the network knows of the frames before."""

    hidden: Tensor
    """(B, hidden, H / 2, W / 2)"""


class DFN(SequenceModel):
    """Dynamic filter network for video: every pixel of the next frame is a mean of pixels of this one.

    Convolutions read a frame at half its size and add what two more make of the state: that is the new state,
    without any gate. From it come K * K weights for each place, which a softmax makes sum to 1. All channels of
    a frame move alike. While the past is read no frame is made.

    Source: De Brabandere et al., "Dynamic Filter Networks", NeurIPS 2016, section on video prediction, in the
    form of the released code for moving digits.
    """

    multiple_of = (2, 2)

    def __init__(self, settings: DFNSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels = settings, spec.channels
        thin, middle, wide = settings.hidden
        self.encoder = nn.Sequential(
            *_conv(spec.channels, thin),
            *_conv(thin, thin, stride=2),
            *_conv(thin, middle),
            *_conv(middle, middle),
            *_conv(middle, wide),
        )
        self.recurrence = nn.Sequential(*_conv(wide, wide), *_conv(wide, wide))
        self.decoder = nn.Sequential(
            *_conv(wide, middle),
            *_conv(middle, middle),
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            *_conv(middle, middle),
            *_conv(middle, middle),
            *_conv(middle, wide, side=1),
            nn.Conv2d(wide, settings.kernel**2, 1),
        )
        for part in self.modules():
            if isinstance(part, nn.Conv2d) and part.bias is not None:
                nn.init.kaiming_uniform_(part.weight, a=SLOPE)
                nn.init.zeros_(part.bias)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as dry.

        Raises:
            SettingsError: channels or a frame size that the network cannot take.
        """
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets)

    def encode(self, frames: Tensor) -> Tensor:
        """Return the frames as they are: a step moves their pixels."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> DFNState:
        """A state of zeros."""
        batch, _, height, width = first.shape
        return DFNState(first.new_zeros(batch, self.settings.hidden[-1], height // 2, width // 2))

    def step(self, x: Tensor, state: DFNState, emit: bool) -> tuple[Tensor | None, DFNState]:
        """Read one frame (B, C, H, W); return the next one when ``emit``."""
        state = DFNState(self.encoder(x) + self.recurrence(state.hidden))
        if not emit:
            return None, state
        return moved_place_by_place(x, self.filters(state), self.settings.border).to(x.dtype), state

    def filters(self, state: DFNState) -> Tensor:
        """The filter of each place: (B, K * K, H, W), row by row, summing to 1."""
        return torch.softmax(self.decoder(state.hidden), dim=1)


def build_dfn(settings: DFNSettings, spec: FrameSpec) -> DFN:
    """Build the network for the catalog; a size that does not fit is refused."""
    if spec.size is not None:
        check_size(DFN.multiple_of, *spec.size)
    return DFN(settings, spec)


def _conv(wide_in: int, wide_out: int, side: int = 3, stride: int = 1) -> tuple[nn.Conv2d, nn.LeakyReLU]:
    conv = nn.Conv2d(wide_in, wide_out, side, stride=stride, padding=side // 2)
    return conv, nn.LeakyReLU(SLOPE)
