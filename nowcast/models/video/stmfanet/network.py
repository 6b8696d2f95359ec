"""STMFANet (Jin et al.): a recurrent network that sees frames through the bands of wavelets.

Dimensions: B batch, T past frames, S forecast steps, K frames of a window, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState
from nowcast.models.video.gradient_difference import signed_gradient_difference
from nowcast.models.video.stmfanet.encoders import LEVELS, Normalise, SpatialEncoder, TemporalEncoder

_DEEPEST = 8
"""Channels of the recurrent layer, in widths."""


@dataclass(frozen=True)
class STMFANetSettings:
    """Settings of STMFANet; defaults are those of the published code, but for the norm."""

    temporal: bool = False
    """Add the temporal wavelet module, which is rebuilt: the published code has none."""
    window: int = 10
    """Frames that the temporal module sees; the first one is repeated where there are fewer yet."""
    growth: int = 16
    """Channels that each layer of a dense block adds."""
    layers: int = 3
    """Of each dense block."""
    width: int = 16
    """Channels of the decoder at full size; the recurrent layer has eight times as many."""
    norm: Normalise = "group"
    """``group``: each sample by itself; ``batch``: as published."""
    gradient_difference: float = 1.0
    """Weight of the loss of pixel-to-pixel steps, which training adds to the loss of frames (`mse`)."""

    def __post_init__(self) -> None:
        for name, least in (("window", 2), ("growth", 1), ("layers", 1), ("width", 1)):
            if (value := getattr(self, name)) < least:
                raise SettingsError(complain(name, value, f"{least} or more", "change it"))
        if self.growth * (1 + self.layers) < 4:
            raise SettingsError(
                complain("growth", self.growth, "4 channels or more after a dense block", "take 16")
            )
        if self.gradient_difference < 0:
            raise SettingsError(
                complain("gradient_difference", self.gradient_difference, "0 or more", "take 1")
            )


class STMFANetState(NamedTuple):
    """What STMFANet keeps between two time steps."""

    lstm: BasicLSTMState
    window: tuple[Tensor, ...]
    """The newest frames (B, C, H, W) in [-1, 1], oldest first; empty without the temporal module."""


class STMFANet(SequenceModel):
    """Encode each frame with its wavelet bands, run a ConvLSTM over time, decode the next frame.

    With the temporal module the bands over time of the newest frames, own forecasts among them, join what the
    ConvLSTM reads. Nothing is forecast while the past is read.

    Why: pooling loses fine detail; the high bands bring it to each scale of the encoder.

    Source: Jin et al., Exploring Spatial-Temporal Multi-Frequency Analysis for High-Fidelity and
    Temporal-Consistency Video Prediction, CVPR 2020, and the published code; without its adversarial loss.
    """

    multiple_of = (2**LEVELS, 2**LEVELS)

    def __init__(self, settings: STMFANetSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels, self.increments = settings, spec.channels, spec.increments
        deep = _DEEPEST * settings.width
        self.spatial = SpatialEncoder(spec.channels, settings.growth, settings.layers, deep, settings.norm)
        self.temporal: TemporalEncoder | None = None
        if settings.temporal:
            self.temporal = TemporalEncoder(spec.channels, settings.window, deep, settings.norm)
            self.fuse = nn.Conv2d(2 * deep, deep, 1)
        self.at_once = not settings.temporal and settings.norm == "group"
        self.lstm = BasicConvLSTM(deep, deep, 3)
        self.decoder = _decoder(settings.width, spec.channels)
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_normal_(part.weight)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as 0.

        Raises:
            SettingsError: channels or a size that the network cannot take.
        """
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets, increments=self.increments)

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the forecast with the loss of steps as its penalty (none where outputs are changes)."""
        weight = self.settings.gradient_difference
        for step in super().optimiser_steps(clip, targets, generator):
            if self.increments is not None or weight == 0:
                yield step
                continue
            edges = signed_gradient_difference(step.prediction, step.target, step.observed)
            yield step._replace(penalty=weight * edges)

    def encode(self, frames: Tensor) -> Tensor:
        """Turn frames (N, C, H, W) into features, or leave them to `step`.

        They are left where the step needs the frame (temporal module) or norms have statistics of each step.
        """
        encoded: Tensor = self.spatial(2.0 * frames - 1.0) if self.at_once else frames
        return encoded

    def start(self, first: Tensor, past: Tensor) -> STMFANetState:
        """Return a zero LSTM and a window of the first frame."""
        del first
        batch, _, _, rows, columns = past.shape
        side = 2**LEVELS
        lstm = self.lstm.initial_state(batch, rows // side, columns // side, past)
        window = (2.0 * past[:, 0] - 1.0,) * self.settings.window if self.temporal is not None else ()
        return STMFANetState(lstm, window)

    def step(self, x: Tensor, state: STMFANetState, emit: bool) -> tuple[Tensor | None, STMFANetState]:
        """Take one frame or its features; return the next frame (B, C, H, W) when ``emit``, and the state."""
        window = state.window
        if not self.at_once:
            frame = 2.0 * x - 1.0
            x = self.spatial(frame)
            if self.temporal is not None:
                window = (*window[1:], frame)
                x = self.fuse(torch.cat([x, self.temporal(torch.stack(window, dim=1))], dim=1))
        state = STMFANetState(self.lstm(x, state.lstm), window)
        if not emit:
            return None, state
        output: Tensor = self.decoder(state.lstm.hidden)
        return (0.5 + 0.5 * torch.tanh(output) if self.increments is None else output), state


def _decoder(width: int, channels: int) -> nn.Sequential:
    """Three times twice the size, with one to three convolutions each.

    Published: values spread among zeros, then a transposed convolution of stride 1. Both are one transposed
    convolution of stride 2 with the same weights, and a transposed convolution of stride 1 is a convolution
    with its kernel turned round.
    """
    layers: list[nn.Module] = []
    for widths in ((8, 8, 4, 2), (2, 2, 1), (1, 1)):
        wide = [width * n for n in widths]
        layers += [nn.ConvTranspose2d(wide[0], wide[1], 3, stride=2, padding=1, output_padding=1), nn.ReLU()]
        for wide_in, wide_out in pairwise(wide[1:]):
            layers += [nn.Conv2d(wide_in, wide_out, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))


def build_stmfanet(settings: STMFANetSettings, spec: FrameSpec) -> STMFANet:
    """Build it for the catalog; a size that does not fit is refused."""
    if spec.size is not None:
        check_size(STMFANet.multiple_of, *spec.size)
    return STMFANet(settings, spec)
