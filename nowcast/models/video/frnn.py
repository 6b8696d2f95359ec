"""FRNN: a stack of recurrent layers that can be folded; it encodes upwards and forecasts downwards.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame, h rows, w
columns of a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import check_filter_size
from nowcast.models.padding import check_past, check_size
from nowcast.models.video.bijective_gru import BijectiveGRU, TiedConvolution


@dataclass(frozen=True)
class FrnnSettings:
    """Settings of FRNN; defaults are those of the published code for Moving MNIST and KTH."""

    convolutions: tuple[int, ...] = (32, 64)
    """Channels of the convolutions between the frame and the recurrent layers."""
    convolution_filter_size: int = 5
    hidden: tuple[int, ...] = (128, 128, 256, 256, 512, 512, 256, 256)
    """Channels of the state of each recurrent layer, from bottom to top."""
    filter_sizes: tuple[int, ...] = (5, 5, 5, 5, 3, 3, 3, 3)
    """Side of the convolutions of each recurrent layer."""
    layers_per_scale: int = 2
    """Rows and columns are halved before the first recurrent layer, and again after every so many."""

    def __post_init__(self) -> None:
        for name in ("convolutions", "hidden"):
            sizes = getattr(self, name)
            if not sizes or min(sizes) < 1:
                raise SettingsError(
                    complain(name, list(sizes), "one size a layer, 1 or more each", "change them")
                )
        if len(self.filter_sizes) != len(self.hidden):
            raise SettingsError(
                complain(
                    "filter_sizes", list(self.filter_sizes), f"{len(self.hidden)}, one a layer", "give so many"
                )
            )
        for size in (self.convolution_filter_size, *self.filter_sizes):
            check_filter_size("filter_sizes", size)
        if self.layers_per_scale < 1:
            raise SettingsError(
                complain("layers_per_scale", self.layers_per_scale, "1 or more", "the paper takes 2")
            )

    @property
    def multiple(self) -> int:
        """What rows and columns must be a multiple of: they are halved so often."""
        return int(2 ** -(-len(self.hidden) // self.layers_per_scale))


class FoldedState(NamedTuple):
    """What reading a past leaves for the forecast."""

    below: tuple[Tensor, ...]
    """The state below each recurrent layer, its last input: (B, channels, h, w), from bottom to top."""
    top: Tensor
    """(B, channels, h, w): the state above the top layer."""


class Frnn(SequenceModel):
    """Video prediction with a folded recurrent network.

    A layer can be crossed both ways: upwards its input changes the state above it, downwards that state changes
    the one below, and both ways share the states. Reading a past crosses all layers upwards, decoding nothing;
    forecasting crosses them downwards and reads no frame again, so the error of a frame is no input of the next
    and there is nothing for scheduled sampling to replace. Between two forecast frames only the top layer is
    crossed upwards.

    Frames are worked on in [-1, 1]. The last convolution ends with a tanh, which is left out where outputs are
    increments; each is then added to the value of the newest frame.

    Source: Oliu, Selva, Escalera, "Folded Recurrent Neural Networks for Future Video Prediction", ECCV 2018.
    """

    feeds_back = False

    def __init__(self, settings: FrnnSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.channels, self.increments = spec.channels, spec.increments
        self.layers_per_scale = settings.layers_per_scale
        self.multiple_of = (settings.multiple, settings.multiple)
        wide, side = (spec.channels, *settings.convolutions), settings.convolution_filter_size
        self.convolutions = nn.ModuleList(
            TiedConvolution(below, above, side, squash=n > 0 or spec.increments is None)
            for n, (below, above) in enumerate(pairwise(wide))
        )
        wide = (wide[-1], *settings.hidden)
        self.layers = nn.ModuleList(
            BijectiveGRU(below, above, side)
            for (below, above), side in zip(pairwise(wide), settings.filter_sizes, strict=True)
        )

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; ``targets`` are not used, not observed is read as dry.

        Raises:
            SettingsError: channels or a frame size that the network cannot take.
        """
        del targets, observed
        check_past(self, past, self.channels)
        output = self.predict(self.read(past), steps)
        if self.increments is None:
            return (output + 1) / 2
        newest = self.increments.value(past[:, -1])
        added = [self.increments.add(newest, output[:, n]) for n in range(steps)]
        return torch.stack(added, dim=1)

    def read(self, past: Tensor) -> FoldedState:
        """Cross all layers upwards with each frame (B, T, C, H, W); nothing is decoded."""
        batch, length = past.shape[:2]
        x = 2 * past.flatten(0, 1) - 1
        for convolution in self._convolutions():
            x = convolution.up(x)
        x = F.max_pool2d(x, 2)
        encoded = x.view(batch, length, *x.shape[1:])
        layers = self._layers()
        below: list[Tensor] = []
        states = self._start(encoded[:, 0])
        for t in range(length):
            x, below = encoded[:, t], []
            for n, layer in enumerate(layers):
                if n and self._halves(n):
                    x = F.max_pool2d(x, 2)
                below.append(x)
                states[n] = x = layer.up(x, states[n])
        return FoldedState(tuple(below), states[-1])

    def predict(self, state: FoldedState, steps: int) -> Tensor:
        """Cross all layers downwards for each frame (B, S, C, H, W) of [-1, 1], the top one upwards between."""
        layers, below, top = self._layers(), list(state.below), state.top
        lowest: list[Tensor] = []
        for s in range(steps):
            if s:
                top = layers[-1].up(below[-1], top)
            y = top
            for n in reversed(range(len(layers))):
                below[n] = y = layers[n].down(below[n], y)
                if self._halves(n):
                    y = F.interpolate(y, scale_factor=2, mode="nearest")
            lowest.append(y)
        y = torch.stack(lowest, dim=1).flatten(0, 1)
        for convolution in reversed(self._convolutions()):
            y = convolution.down(y)
        return y.view(-1, steps, *y.shape[1:])

    def _start(self, first: Tensor) -> list[Tensor]:
        """The learnt state of each layer, the same at every place."""
        batch, _, rows, columns = first.shape
        states = []
        for n, layer in enumerate(self._layers()):
            if n and self._halves(n):
                rows, columns = rows // 2, columns // 2
            states.append(layer.start[:, None, None].expand(batch, -1, rows, columns))
        return states

    def _halves(self, layer: int) -> bool:
        """Whether the map is halved below this layer."""
        return layer % self.layers_per_scale == 0

    def _layers(self) -> list[BijectiveGRU]:
        return cast(list[BijectiveGRU], list(self.layers))

    def _convolutions(self) -> list[TiedConvolution]:
        return cast(list[TiedConvolution], list(self.convolutions))


def build_frnn(settings: FrnnSettings, spec: FrameSpec) -> Frnn:
    """Build the network for the catalog; a size that does not fit is refused."""
    if spec.size is not None:
        check_size((settings.multiple, settings.multiple), *spec.size)
    return Frnn(settings, spec)
