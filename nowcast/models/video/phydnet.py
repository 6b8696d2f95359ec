"""PhyDNet: a cell that predicts with learnt partial derivatives, beside a ConvLSTM for all else.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame; D hidden
channels, h = H / 4, w = W / 4 of the latent map; q side of the physical filters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import check_filter_size
from nowcast.models.padding import check_past
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState

_SHRINK = 4
_SLOPE = 0.2


@dataclass(frozen=True)
class PhyDNetSettings:
    """Settings of PhyDNet; defaults are those for Moving MNIST."""

    hidden: int = 64
    """D: channels of the latent map; half as many above it."""
    lstm_hidden: tuple[int, ...] = (128, 128, 64)
    """Channels of each layer of the ConvLSTM; the last has D."""
    filter_size: int = 7
    """q: side of the physical filters, of which there are q * q, one for each partial derivative below order q
    in either direction."""
    groups: int = 16
    """Of the norm in encoders and decoders."""
    moments: float = 1.0
    """Weight of `moment_error` in the loss, as it stands beside the sum of the errors of all frames."""

    def __post_init__(self) -> None:
        check_filter_size("filter_size", self.filter_size)
        if self.groups < 1 or self.hidden < 1 or self.hidden % (2 * self.groups):
            wanted = f"a multiple of {2 * self.groups}, twice the groups"
            raise SettingsError(complain("hidden", self.hidden, wanted, "change hidden or groups"))
        if not self.lstm_hidden or min(self.lstm_hidden) < 1 or self.lstm_hidden[-1] != self.hidden:
            wanted = f"one number a layer, the last {self.hidden} as hidden"
            raise SettingsError(complain("lstm_hidden", list(self.lstm_hidden), wanted, "change one of both"))
        if self.moments < 0:
            raise SettingsError(complain("moments", self.moments, "0 or more", "0 leaves the term out"))


class PhyDNetState(NamedTuple):
    """What PhyDNet keeps between two time steps."""

    physical: Tensor
    """(B, D, h, w)"""
    layers: tuple[BasicLSTMState, ...]


class PhyCell(nn.Module):
    """A state moved on by learnt partial derivatives of itself, then corrected by what is seen.

    The prediction adds to the state a mixture of q * q filters of it, each held near one partial derivative by
    `moment_error`. A gate says how far each value of it is drawn to the input, as in a Kalman filter.
    """

    def __init__(self, channels: int, filter_size: int) -> None:
        super().__init__()
        many = filter_size * filter_size
        self.derivatives = nn.Conv2d(channels, many, filter_size, padding=filter_size // 2)
        self.norm = nn.GroupNorm(filter_size, many)
        self.mixture = nn.Conv2d(many, channels, 1)
        self.gate = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, seen: Tensor, state: Tensor) -> Tensor:
        """The next state (B, D, h, w) from what is seen and the last."""
        predicted = state + self.mixture(self.norm(self.derivatives(state)))
        gain = torch.sigmoid(self.gate(torch.cat([seen, state], dim=1)))
        corrected: Tensor = predicted + gain * (seen - predicted)
        return corrected


class PhyDNet(SequenceModel):
    """Video prediction whose latent dynamics are parted into physical ones and others.

    A frame is encoded to a quarter of its rows and columns, once for each branch; a PhyCell and a stack of
    ConvLSTMs each take a step, and the sum of what both decode becomes the next frame. While it reads the past
    it predicts it, too, and learns from that.

    Source: Le Guen and Thome, Disentangling Physical Dynamics from Unknown Factors, CVPR 2020.
    """

    multiple_of = (_SHRINK, _SHRINK)

    def __init__(self, settings: PhyDNetSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.channels, self.increments, self.moments = spec.channels, spec.increments, settings.moments
        wide, half, groups = settings.hidden, settings.hidden // 2, settings.groups
        self.encoder = nn.Sequential(
            _layer(nn.Conv2d(spec.channels, half, 3, 2, 1), groups),
            _layer(nn.Conv2d(half, half, 3, 1, 1), groups),
            _layer(nn.Conv2d(half, wide, 3, 2, 1), groups),
        )
        self.physical_encoder, self.other_encoder = (_same(nn.Conv2d, wide, groups) for _ in range(2))
        self.physical = PhyCell(wide, settings.filter_size)
        widths = (wide, *settings.lstm_hidden)
        self.lstm = nn.ModuleList(BasicConvLSTM(a, b, 3, forget_bias=0.0) for a, b in pairwise(widths))
        self.physical_decoder, self.other_decoder = (_same(nn.ConvTranspose2d, wide, groups) for _ in range(2))
        self.decoder = nn.Sequential(
            _layer(nn.ConvTranspose2d(wide, half, 3, 2, 1, output_padding=1), groups),
            _layer(nn.ConvTranspose2d(half, half, 3, 1, 1), groups),
            nn.ConvTranspose2d(half, spec.channels, 3, 2, 1, output_padding=1),
        )

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as dry.

        Raises:
            SettingsError: other channels, or a size that is no multiple of 4.
        """
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets, increments=self.increments)

    def rollout(self, past: Tensor, steps: int, targets: ScheduledTargets | None = None) -> Tensor:
        """Forecast with the one-step predictions of the past in front: (B, T - 1 + S, C, H, W)."""
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets, warm=True, increments=self.increments)

    def encode(self, frames: Tensor) -> Tensor:
        """What both branches see of frames (N, C, H, W): (N, 2 D, h, w), the physical one first."""
        maps = self.encoder(frames)
        return torch.cat([self.physical_encoder(maps), self.other_encoder(maps)], dim=1)

    def start(self, first: Tensor, past: Tensor) -> PhyDNetState:
        """Zeros for the physical state and every layer."""
        del past
        batch, wide, rows, columns = first.shape
        layers = tuple(layer.initial_state(batch, rows, columns, first) for layer in self._layers())
        return PhyDNetState(first.new_zeros(batch, wide // 2, rows, columns), layers)

    def step(self, x: Tensor, state: PhyDNetState, emit: bool) -> tuple[Tensor | None, PhyDNetState]:
        """Take one time step of both branches; decode their sum when ``emit``."""
        seen, other = x.chunk(2, dim=1)
        physical = self.physical(seen, state.physical)
        layers = []
        for layer, old in zip(self._layers(), state.layers, strict=True):
            layers.append(layer(other, old))
            other = layers[-1].hidden
        frame = self._decoded(physical, other) if emit else None
        return frame, PhyDNetState(physical, tuple(layers))

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the predictions of the whole clip, with the filters' moments as the penalty.

        Why it is divided by the frames: the published loss is a sum over frames, that of a step a mean.
        """
        for step in super().optimiser_steps(clip, targets, generator):
            if not self.moments:
                yield step
                continue
            error = moment_error(self.physical.derivatives.weight)
            yield step._replace(penalty=self.moments * error / step.prediction.shape[1])

    def _decoded(self, physical: Tensor, other: Tensor) -> Tensor:
        both = self.physical_decoder(physical) + self.other_decoder(other)
        frame: Tensor = self.decoder(both)
        return torch.sigmoid(frame) if self.increments is None else frame

    def _layers(self) -> list[BasicConvLSTM]:
        return [layer for layer in self.lstm if isinstance(layer, BasicConvLSTM)]


def moments(filters: Tensor) -> Tensor:
    """The moments (..., q, q) of filters (..., q, q): entry (i, j) is the weight of the derivative of order i
    over rows and j over columns.

    By Taylor's series a filter with moment 1 at (i, j) and 0 elsewhere is that derivative. The sum is taken in
    float32, under autocast, too.
    """
    side = filters.shape[-1]
    order = torch.arange(side, device=filters.device)
    place = (order - side // 2).to(torch.float32)
    scale = torch.tensor([1.0 / math.factorial(i) for i in range(side)], device=filters.device)
    power = place[None, :] ** order[:, None] * scale[:, None]
    with torch.autocast(filters.device.type, enabled=False):
        found: Tensor = power @ filters.float() @ power.T
    return found


def moment_error(weight: Tensor) -> Tensor:
    """How far physical filters (q * q, D, q, q) are from the partial derivatives that they stand for.

    Filter number q * i + j stands for order i over rows and j over columns. Squared error of the moments as
    mean over filters and moments, as sum over the D channels read.
    """
    many, _, side, _ = weight.shape
    wanted = torch.eye(many, device=weight.device).view(many, 1, side, side)
    return (moments(weight) - wanted).square().mean(dim=(0, 2, 3)).sum()


def build_phydnet(settings: PhyDNetSettings, spec: FrameSpec) -> PhyDNet:
    """Build it for the catalog."""
    return PhyDNet(settings, spec)


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d, groups: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.GroupNorm(groups, conv.out_channels), nn.LeakyReLU(_SLOPE))


def _same(kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], wide: int, groups: int) -> nn.Sequential:
    return nn.Sequential(*(_layer(kind(wide, wide, 3, 1, 1), groups) for _ in range(2)))
