"""SimVP: each frame is encoded, one translator turns all past maps into all future ones, each is decoded.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame; D hidden
channels of a map, h rows, w columns of it; K frames that the translator takes and gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past
from nowcast.models.video.simvp.frame_layers import SimVPDecoder, SimVPEncoder, shrink
from nowcast.models.video.simvp.gated import GatedStack, Norm
from nowcast.models.video.simvp.incepu import GROUPS, IncepU

_LEAST = {"past": 1, "layers": 1, "blocks": 2, "expansion": 1, "hidden": 1, "translator_hidden": 1}


@dataclass(frozen=True)
class SimVPSettings:
    """Settings of SimVP; defaults are those for Moving MNIST, but for ``norm``."""

    past: int = 10
    """K: how many frames the translator takes and gives. A longer past uses its newest frames; a longer
    forecast applies the network again to what it has forecast."""
    translator: Literal["incepu", "gsta"] = "incepu"
    """The paper's own, of convolutions of four sizes, or the gated one of its second version."""
    hidden: int = 64
    """D: channels of the map of a frame."""
    translator_hidden: int = 512
    """Channels of the maps inside the translator."""
    layers: int = 4
    """Of the encoder and of the decoder; every second halves or doubles rows and columns."""
    blocks: int = 8
    """Of the translator; of `incepu` on each way."""
    expansion: int = 8
    """How much wider the perceptrons of `gsta` are inside."""
    norm: Norm = "group"
    """In the blocks of `gsta`: of each sample alone, or over the batch, as released."""

    def __post_init__(self) -> None:
        check_widths(self, GROUPS if self.translator == "incepu" else 1)
        if self.translator == "incepu" and self.norm == "batch":
            raise SettingsError(
                complain("norm", "batch", "group with incepu, which has no batch norm", "leave it out")
            )


def check_widths(settings: object, groups: int = 1) -> None:
    """Refuse widths and depths that cannot be; ``groups`` are those of the translator's convolutions.

    Raises:
        SettingsError: a number too small, or channels that the groups do not divide.
    """
    values = {name: int(getattr(settings, name)) for name in _LEAST}
    for name, least in _LEAST.items():
        if values[name] < least:
            raise SettingsError(complain(name, values[name], f"{least} or more", "raise it"))
    if values["hidden"] % 2:
        raise SettingsError(complain("hidden", values["hidden"], "an even number", "change it"))
    wanted = {"translator_hidden": 2 * groups if groups > 1 else 1, "past x hidden": groups}
    values["past x hidden"] = values["past"] * values["hidden"]
    for name, multiple in wanted.items():
        if values[name] % multiple:
            raise SettingsError(complain(name, values[name], f"a multiple of {multiple}", "change it"))


class OneShot(SequenceModel):
    """A network that turns K past frames into K future ones at once: SimVP and TAU.

    The newest K frames of the past are read; a shorter past is refused. Where more than K frames are asked
    for, the network is applied again to the K it has forecast, and what is too much is not decoded. Where
    outputs are increments, each is added to the value of the newest frame read.

    Args:
        spec: of the frames.
        past: K.
        hidden: D.
        layers: of encoder and decoder.
        translator: maps (B, K * D, h, w) to the same.

    Source: Gao et al., SimVP: Simpler yet Better Video Prediction, CVPR 2022.
    """

    feeds_back = False

    def __init__(self, spec: FrameSpec, past: int, hidden: int, layers: int, translator: nn.Module) -> None:
        super().__init__()
        self.channels, self.increments, self.past_min = spec.channels, spec.increments, past
        self.multiple_of = (shrink(layers), shrink(layers))
        self.encoder = SimVPEncoder(spec.channels, hidden, layers)
        self.translator = translator
        self.decoder = SimVPDecoder(spec.channels, hidden, layers)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as dry.

        Raises:
            SettingsError: fewer than K frames, other channels, or a size the layers cannot halve.
        """
        check_past(self, past, self.channels)
        length, read, found = self.past_min, past[:, -self.past_min :], []
        for first in range(0, steps, length):
            output = self._continued(read, min(length, steps - first))
            if self.increments is None:
                read = output
            else:
                output = self.increments.add(self.increments.value(read[:, -1:]), output)
                read = self.increments.frame(output).to(past.dtype)  # values may be finer than what is read
            found.append(output)
        return torch.cat(found, dim=1)

    def _continued(self, frames: Tensor, steps: int) -> Tensor:
        """The first ``steps`` of the K frames that follow K frames (B, K, C, H, W)."""
        batch, length = frames.shape[:2]
        maps, skip = self.encoder(frames.flatten(0, 1))
        future: Tensor = self.translator(maps.reshape(batch, -1, *maps.shape[2:]))
        future = future.reshape(batch, length, *maps.shape[1:])[:, :steps]
        skip = skip.view(batch, length, *skip.shape[1:])[:, :steps]
        found: Tensor = self.decoder(future.flatten(0, 1), skip.flatten(0, 1))
        return found.view(batch, steps, *found.shape[1:])


def build_simvp(settings: SimVPSettings, spec: FrameSpec) -> OneShot:
    """Build it for the catalog."""
    wide, within = settings.past * settings.hidden, settings.translator_hidden
    translator: nn.Module
    if settings.translator == "incepu":
        translator = IncepU(wide, within, settings.blocks)
    else:
        translator = GatedStack(wide, within, settings.blocks, settings.expansion, False, settings.norm)
    return OneShot(spec, settings.past, settings.hidden, settings.layers, translator)
