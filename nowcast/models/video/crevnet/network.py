"""CrevNet: video prediction with a two-way autoencoder and a reversible recurrent module.

Dimensions: B batch, T past frames, S forecast steps, N = T + S frames of a clip, C channels, H rows, W columns;
packet i is frames i, i + 1 and i + 2, as 3 C channels, the frame as the slower index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.crevnet.predictor import CellName, PredictorState, ReversiblePredictor
from nowcast.models.video.crevnet.reversible import Halves, NormName, ReversibleAutoencoder

PACKET = 3
"""Frames of a packet; two packets after each other share two of them."""


@dataclass(frozen=True)
class CrevNetSettings:
    """Settings of CrevNet; defaults are those of the published code for Moving MNIST, but for the norm."""

    cell: CellName = "stlstm"
    """The recurrent cell of the predictive module."""
    layers: int = 8
    """Of the predictive module."""
    blocks: tuple[int, ...] = (4, 5, 3)
    """Coupling blocks of each stage of the autoencoder. Each stage after the first halves rows and columns and
    has four times the channels: n stages end with 2 C 4^(n - 1) channels of each half."""
    norm: NormName = "group"
    """``group``: each sample by itself (as in the authors' code for traffic); ``batch``: as published."""

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise SettingsError(complain("layers", self.layers, "at least 1", "8 is the published number"))
        if not self.blocks or min(self.blocks) < 1:
            raise SettingsError(
                complain("blocks", list(self.blocks), "one or more stages of at least 1 block", "try [4, 5, 3]")
            )


class CrevNet(SequenceModel):
    """A packet is encoded, moved on by one frame, and decoded by the encoder run backwards.

    Packets overlap, so two of the three frames of the first forecast packet are known, and one of the second:
    the known ones are read in their place. A forecast frame is the last one of its packet. In training every
    packet that is read is true, and all three frames of each predicted packet are compared.

    Why: the autoencoder loses nothing and the predictive module can be computed backwards, so features take no
    more room than frames.

    Source: Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR 2020.
    """

    past_min = PACKET

    def __init__(self, settings: CrevNetSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.channels, self.increments = spec.channels, spec.increments
        self.at_once = settings.norm == "group"
        self.multiple_of = (2 ** len(settings.blocks),) * 2
        if spec.size is not None:
            check_size(self.multiple_of, *spec.size)
        self.autoencoder = ReversibleAutoencoder(spec.channels, settings.blocks, settings.norm)
        self.predictor = ReversiblePredictor(self.autoencoder.half_channels, settings.layers, settings.cell)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`.

        Raises:
            SettingsError: frames that it cannot take.
        """
        check_past(self, past, self.channels)
        known = self._known(past, steps, targets)
        packets = unroll(self, packed(past), steps, known, increments=self.increments)
        return packets[:, :, -self.channels :]

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield one step: every packet is predicted from true ones, whatever the targets.

        Its frames are (B, 3 (N - 3), C, H, W): the first of all packets, the second, the third; the S forecast
        frames come last.
        """
        del targets, generator
        check_past(self, clip.past, self.channels)
        true = packed(torch.cat([clip.past, clip.future], dim=1))
        predicted = unroll(self, true[:, :-1], 1, warm=True, increments=self.increments)
        compared = (
            self._unpacked(packets) for packets in (predicted, true[:, 1:], packed(clip.observed)[:, 1:])
        )
        yield OptimiserStep("forecast", *compared)

    def _known(self, past: Tensor, steps: int, targets: ScheduledTargets | None) -> ScheduledTargets:
        """What stands in place of which forecast frames in the packets that are fed back."""
        batch = len(past)
        if targets is None:
            count = min(PACKET - 1, steps - 1)
            future, use = past[:, :1].expand(-1, count, -1, -1, -1), past.new_zeros(batch, count) > 0
        else:
            future, use = targets.frames[:, : steps - 1].to(past.dtype), targets.use[:, : steps - 1]
        frames = torch.cat([past[:, 1 - PACKET :], future], dim=1)
        use = torch.cat([torch.ones_like(past[:, 1 - PACKET :, 0, 0, 0], dtype=torch.bool), use], dim=1)
        maps = use[:, :, None, None, None].expand(-1, -1, self.channels, 1, 1)
        return ScheduledTargets(packed(frames), packed(maps)[..., 0, 0])

    def _unpacked(self, packets: Tensor) -> Tensor:
        batch, count, _, rows, columns = packets.shape
        apart = packets.view(batch, count, PACKET, self.channels, rows, columns)
        return apart.transpose(1, 2).flatten(1, 2)

    def encode(self, frames: Tensor) -> Tensor:
        """Turn packets (N, 3 C, H, W) into their features, both halves as channels.

        With batch norm packets stay as they are, so that each step has statistics of its own.
        """
        return torch.cat(self._encode(frames), dim=1) if self.at_once else frames

    def start(self, first: Tensor, past: Tensor) -> PredictorState | None:
        """No state: the first step makes it."""
        del first, past
        return None

    def step(self, x: Tensor, state: PredictorState | None, emit: bool) -> tuple[Tensor | None, PredictorState]:
        """Take one packet; return the next one (B, 3 C, H, W) when ``emit``, and the state."""
        halves = Halves(*x.chunk(2, dim=1)) if self.at_once else self._encode(x)
        halves, state = self.predictor(halves, state or self.predictor.initial_state(halves))
        if not emit:
            return None, state
        return self.autoencoder.decode(halves).transpose(1, 2).flatten(1, 2), state

    def _encode(self, packets: Tensor) -> Halves:
        apart = packets.reshape(len(packets), PACKET, self.channels, *packets.shape[-2:])
        return self.autoencoder.encode(apart.transpose(1, 2))


def packed(frames: Tensor) -> Tensor:
    """Frames (B, N, C, H, W) to the packets (B, N - 2, 3 C, H, W) that begin with each."""
    count = frames.shape[1] - (PACKET - 1)
    return torch.cat([frames[:, n : n + count] for n in range(PACKET)], dim=2)


def build_crevnet(settings: CrevNetSettings, spec: FrameSpec) -> CrevNet:
    """Build it for the catalog."""
    return CrevNet(settings, spec)
