"""MCNet: what moves is read from differences of frames, what is there from the newest frame alone.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns; K channels at full size
(``width``), 2 K at a half, 4 K at a quarter and an eighth of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState
from nowcast.models.video.gradient_difference import gradient_difference


@dataclass(frozen=True)
class MCNetSettings:
    """Settings of MCNet; defaults are the published ones, without the discriminator."""

    width: int = 64
    """Channels of the first layers; deeper ones have two and four times as many."""
    residual: bool = True
    """Hand the maps before each pooling to the decoder at the same size."""
    gradient_difference: float = 0.25
    """Weight of the gradient difference loss, which training adds to the loss of frames. Beside `mse` 0.25 is
    the published 1, whose squared errors are of frames in [-1, 1] and so four times as large."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise SettingsError(complain("width", self.width, "1 or more", "64 is the published one"))
        if self.gradient_difference < 0:
            raise SettingsError(
                complain("gradient_difference", self.gradient_difference, "0 or more", "take 0.25")
            )


class MCNetState(NamedTuple):
    """What MCNet keeps between two time steps."""

    lstm: BasicLSTMState
    newest: Tensor | None
    """(B, C, H, W): the frame read last; None before the first."""


class PooledEncoder(nn.Module):
    """Three groups of convolutions with a ReLU each, and a 2 x 2 maximum after each group."""

    def __init__(self, groups: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.groups = nn.ModuleList(groups)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the map at an eighth of the size, and those before each pooling, largest first."""
        before = []
        for group in self.groups:
            x = group(x)
            before.append(x)
            x = F.max_pool2d(x, 2)
        return x, before


class MCNet(SequenceModel):
    """Decomposed video prediction: a motion and a content encoder, joined and decoded with skips from both.

    The motion encoder and a ConvLSTM read the differences between consecutive frames (mean over channels),
    the content encoder the newest frame only. The network reads its own forecasts on, in training, too.

    Source: Villegas et al., "Decomposing Motion and Content for Natural Video Sequence Prediction", ICLR 2017,
    and the published code; without its adversarial loss.
    """

    past_min = 2
    multiple_of = (8, 8)

    def __init__(self, settings: MCNetSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels, self.increments = settings, spec.channels, spec.increments
        one, two, four = settings.width, 2 * settings.width, 4 * settings.width
        self.motion_encoder = PooledEncoder([_convs(5, 1, one), _convs(5, one, two), _convs(7, two, four)])
        self.lstm = BasicConvLSTM(four, four, 3)
        self.content_encoder = PooledEncoder(
            [_convs(3, spec.channels, one, one), _convs(3, one, two, two), _convs(3, two, four, four, four)]
        )
        self.combination = _convs(3, 2 * four, four, two, four)
        self.residuals = nn.ModuleList()
        if settings.residual:
            self.residuals.extend(
                nn.Sequential(_convs(3, 2 * wide, wide), nn.Conv2d(wide, wide, 3, padding=1))
                for wide in (one, two, four)
            )
        self.decoder = nn.ModuleList(
            [
                _convs(3, four, four, four, two),
                _convs(3, two, two, one),
                nn.Sequential(_convs(3, one, one), nn.Conv2d(one, spec.channels, 3, padding=1)),
            ]
        )
        for part in self.modules():
            if isinstance(part, nn.Conv2d) and part.bias is not None:
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as 0.

        Raises:
            SettingsError: channels, a size or a number of frames that the network cannot take.
        """
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets, increments=self.increments)

    def encode(self, frames: Tensor) -> Tensor:
        """Return the frames as they are."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> MCNetState:
        """Return a zero LSTM and no frame."""
        batch, _, rows, columns = first.shape
        return MCNetState(self.lstm.initial_state(batch, rows // 8, columns // 8, first), None)

    def step(self, x: Tensor, state: MCNetState, emit: bool) -> tuple[Tensor | None, MCNetState]:
        """Read how a frame (B, C, H, W) differs from the one before; forecast the next when ``emit``.

        The first frame has none before it, so the LSTM rests.
        """
        if state.newest is None:
            return None, state._replace(newest=x)
        difference = (x - state.newest).mean(dim=1, keepdim=True)
        motion, moving = self.motion_encoder(difference)
        state = MCNetState(self.lstm(motion, state.lstm), x)
        if not emit:
            return None, state
        content, still = self.content_encoder(2.0 * x - 1.0)
        joined = self.combination(torch.cat([state.lstm.hidden, content], dim=1))
        output = self._decode(joined, moving, still)
        return (0.5 + 0.5 * torch.tanh(output) if self.increments is None else output), state

    def _decode(self, x: Tensor, moving: list[Tensor], still: list[Tensor]) -> Tensor:
        for depth, group in zip((2, 1, 0), self.decoder, strict=True):
            x = unpool(x)
            if self.settings.residual:
                x = x + self.residuals[depth](torch.cat([moving[depth], still[depth]], dim=1))
            x = group(torch.relu(x))
        return x

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the forecast; its penalty is the gradient difference loss (none where outputs are changes)."""
        for step in super().optimiser_steps(clip, targets, generator):
            if self.increments is not None or self.settings.gradient_difference == 0:
                yield step
                continue
            edges = gradient_difference(step.prediction, step.target, step.observed)
            yield step._replace(penalty=self.settings.gradient_difference * edges)


def unpool(x: Tensor) -> Tensor:
    """Twice the rows and columns: each value at the upper left of four places, zeros at the others."""
    batch, channels, rows, columns = x.shape
    spread = x.new_zeros(batch, channels, 2 * rows, 2 * columns)
    spread[..., ::2, ::2] = x
    return spread


def _convs(side: int, *widths: int) -> nn.Sequential:
    """Convolutions of ``side`` x ``side`` that keep the size, from each width to the next, with a ReLU each."""
    layers: list[nn.Module] = []
    for wide_in, wide in pairwise(widths):
        layers += [nn.Conv2d(wide_in, wide, side, padding=side // 2), nn.ReLU()]
    return nn.Sequential(*layers)


def build_mcnet(settings: MCNetSettings, spec: FrameSpec) -> MCNet:
    """Build it for the catalog; a size that does not fit is refused."""
    if spec.size is not None:
        check_size(MCNet.multiple_of, *spec.size)
    return MCNet(settings, spec)
